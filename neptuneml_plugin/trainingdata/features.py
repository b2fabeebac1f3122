"""One entry of `features`: which property, which encoding, and the members that it takes.

Names and defaults are those of Neptune ML's guide (spec/neptune-ml.md 2.5); `hash`, `vector`, the norm `z-score`
and the member `on_error` are additions. `docs/processing.md` describes each.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neptuneml_plugin.errors import nearest
from neptuneml_plugin.problems import Problems

NORMS = ("min-max", "standard", "z-score", "none")
IMPUTERS = ("mean", "median", "most-frequent")
DATETIME_PARTS = ("year", "month", "weekday", "hour")
WORD2VEC_MODEL = "en_core_web_lg"
#: Tokens of a text that each type reads.
SENTENCE_TOKENS: Mapping[str, int] = {"text_sbert": 128, "text_sbert128": 128, "text_sbert512": 512}
SMALLEST_HASH = 4
#: Columns of one feature, and words of one term, at most; larger ones are slips of the hand.
WIDEST, LONGEST_TERM = 1 << 16, 100

RAISE, IMPUTE, COERCE, DROP_ROW = "raise", "impute", "coerce", "drop-row"
_NUMBERS = frozenset({"numerical", "vector", "bucket_numerical"})
_DEFAULT_IMPUTERS: Mapping[str, str] = {"category": "most-frequent"}
#: Feature type -> what `on_error` may say, where not everything: these have no values that do not fit.
_POLICIES: Mapping[str, Sequence[str]] = {
    "category": (RAISE, IMPUTE, DROP_ROW),
    "hash": (RAISE, DROP_ROW),
    **dict.fromkeys(("text_tfidf", "text_word2vec", "text_fasttext", *SENTENCE_TOKENS), (RAISE, DROP_ROW)),
}


@dataclass(frozen=True)
class FeatureSpec:
    """One property and how to encode it."""

    column: str
    name: str
    type: str
    norm: str = "min-max"
    imputer: str | None = None
    separator: str | None = None
    #: What a value that is missing or does not fit leads to: `raise`, `impute`, `coerce`, `drop-row`; None: as
    #: Neptune ML does.
    on_error: str | None = None
    #: Buckets: lower and upper end.
    range: tuple[float, float] = (0.0, 1.0)
    bucket_count: int = 1
    window: float = 0.0
    datetime_parts: tuple[str, ...] = DATETIME_PARTS
    #: Shortest and longest sequence of words that is a term.
    ngram_range: tuple[int, int] = (1, 1)
    #: Terms in fewer values are left out.
    min_df: int = 2
    #: Terms kept, the most frequent ones.
    max_features: int = 5000
    #: Of the words' vectors: a language, or the name of a model.
    language: str = ""
    #: Tokens of a text that are read; None: all.
    max_length: int | None = None
    #: Columns of a `hash`.
    hash_width: int = 64

    @property
    def required(self) -> bool:
        """Whether a missing value is an error."""
        if self.on_error is None:
            return self.type in _NUMBERS and self.imputer is None
        return self.on_error in {RAISE, DROP_ROW}

    @property
    def coerces(self) -> bool:
        """Whether a value that does not fit counts as missing."""
        return self.on_error == COERCE

    @property
    def filled_by(self) -> str | None:
        """What stands in for a missing value; None: nothing, or zeros where a type has them."""
        wanted = self.on_error == IMPUTE or (self.coerces and self.type in _NUMBERS)
        return self.imputer or (_DEFAULT_IMPUTERS.get(self.type, "median") if wanted else None)


_COMMON = frozenset({"on_error"})
#: Feature type -> the members that mean something to it.
FEATURE_TYPES: Mapping[str, frozenset[str]] = {
    "auto": _COMMON | {"separator", "imputer"},
    "numerical": _COMMON | {"norm", "imputer", "separator"},
    "category": _COMMON | {"separator", "imputer"},
    "bucket_numerical": _COMMON | {"range", "bucket_cnt", "slide_window_size", "imputer"},
    "datetime": _COMMON | {"datetime_parts", "imputer"},
    "text_tfidf": _COMMON | {"ngram_range", "min_df", "max_features"},
    "text_word2vec": _COMMON | {"language"},
    "text_fasttext": _COMMON | {"language", "max_length"},
    "text_sbert": _COMMON,
    "text_sbert128": _COMMON,
    "text_sbert512": _COMMON,
    "hash": _COMMON | {"hash_width", "separator"},
    "vector": _COMMON | {"separator", "imputer"},
    "none": frozenset(),
}
#: Types and members as some sources spell them -> as we do.
_TYPE_ALIASES: Mapping[str, str] = {"word2vec": "text_word2vec"}
_ALIASES: Mapping[str, str] = {"imputation": "imputer", "num_buckets": "bucket_cnt"}
#: (type, member) that Neptune's exporter refuses too.
_REFUSED = {("bucket_numerical", "separator")}
_MEMBERS = frozenset({"feature"}).union(*FEATURE_TYPES.values())


def read_feature(raw: Mapping[str, Any], path: str, found: Problems) -> FeatureSpec:
    """Read one entry of `features`; what is wrong with it is told to `found`."""
    members = {_ALIASES.get(key, key): value for key, value in raw.items()}
    found.members(members, path, _MEMBERS)
    column, name, kind = found.texts(members, "feature", path, 3)
    kind = _TYPE_ALIASES.get(kind, kind)
    if kind not in FEATURE_TYPES:
        if kind:
            found.problems.append(f"{path}: unknown feature type '{kind}'{nearest(kind, FEATURE_TYPES)}")
        return FeatureSpec(column, name or column, "auto")
    _name_useless_members(members, kind, path, found)
    values: dict[str, Any] = {}
    for member in sorted(FEATURE_TYPES[kind]):
        if members.get(member) is not None or (kind, member) in _REQUIRED:
            field, read = _READERS[member]
            values[field] = read(members, member, path, found)
    spec = FeatureSpec(column, name or column, kind, **(_defaults(kind) | values))
    _check_policy(spec, path, found)
    return spec


def _defaults(kind: str) -> dict[str, Any]:
    if kind == "vector":
        return {"norm": "none", "separator": ";"}
    return {"language": WORD2VEC_MODEL} if kind == "text_word2vec" else {}


def _name_useless_members(members: Mapping[str, Any], kind: str, path: str, found: Problems) -> None:
    for key in members.keys() & (_MEMBERS - FEATURE_TYPES[kind] - {"feature"}):
        if (kind, key) in _REFUSED:
            found.problems.append(f"{path}.{key}: a {kind} feature takes no {key}; remove it")
        else:
            found.warnings.append(f"{path}.{key} is without effect on a {kind} feature")


def _check_policy(spec: FeatureSpec, path: str, found: Problems) -> None:
    if spec.on_error is not None:
        found.choice(spec.on_error, _POLICIES.get(spec.type, _ON_ERROR), f"{path}.on_error")
    if spec.on_error in {RAISE, DROP_ROW} and spec.imputer is not None:
        found.problems.append(f"{path}.imputer: excludes on_error '{spec.on_error}'; remove one of them")
    if spec.type == "category" and spec.imputer in IMPUTERS:
        found.choice(spec.imputer, ("most-frequent",), f"{path}.imputer")


_ON_ERROR = (RAISE, IMPUTE, COERCE, DROP_ROW)
_Read = Callable[[Mapping[str, Any], str, str, Problems], Any]


def _one_of(allowed: Sequence[str]) -> _Read:
    def read(members: Mapping[str, Any], key: str, path: str, found: Problems) -> str:
        return found.choice(members[key], allowed, f"{path}.{key}")

    return read


def _as_text(members: Mapping[str, Any], key: str, path: str, found: Problems) -> str:
    return str(members[key])


def _imputer(members: Mapping[str, Any], key: str, path: str, found: Problems) -> str:
    value = members[key]
    spelled = value.replace("_", "-") if isinstance(value, str) else value
    return found.choice(spelled, IMPUTERS, f"{path}.{key}")


def _separator(members: Mapping[str, Any], key: str, path: str, found: Problems) -> str | None:
    return found.separator({"separator": members[key]}, path)


def _range(members: Mapping[str, Any], key: str, path: str, found: Problems) -> tuple[float, ...]:
    low, high = sorted(found.numbers(members, key, path, 2))
    if low == high or not math.isfinite(high - low):
        found.problems.append(f"{path}.{key}: needs two different numbers, not further apart than numbers go")
    return low, high


def _count(members: Mapping[str, Any], key: str, path: str, found: Problems) -> int:
    return found.count(members, key, path)


def _width(members: Mapping[str, Any], key: str, path: str, found: Problems) -> int:
    return found.count(members, key, path, WIDEST)


def _hash_width(members: Mapping[str, Any], key: str, path: str, found: Problems) -> int:
    width = _width(members, key, path, found)
    if width < SMALLEST_HASH:
        found.problems.append(f"{path}.{key}: must be at least {SMALLEST_HASH}, not {width}")
    return width


def _not_negative(members: Mapping[str, Any], key: str, path: str, found: Problems) -> float:
    value = found.number(members[key], f"{path}.{key}")
    if value < 0:
        found.problems.append(f"{path}.{key}: must be 0 or more, not {value:g}")
    return value


def _parts(members: Mapping[str, Any], key: str, path: str, found: Problems) -> tuple[str, ...]:
    raw = members[key] or DATETIME_PARTS
    parts = [raw] if isinstance(raw, str) else raw
    if not isinstance(parts, list | tuple):
        found.problems.append(f"{path}.{key}: must be an array of {', '.join(DATETIME_PARTS)}")
        return DATETIME_PARTS
    chosen = [found.choice(part, DATETIME_PARTS, f"{path}.{key}") for part in parts]
    return tuple(part for part in DATETIME_PARTS if part in chosen)


def _ngrams(members: Mapping[str, Any], key: str, path: str, found: Problems) -> tuple[int, int]:
    low, high = found.numbers(members, key, path, 2)
    if not (low == int(low) and high == int(high) and 1 <= low <= high <= LONGEST_TERM):
        found.problems.append(
            f"{path}.{key}: must be two whole numbers, 1 or more, {LONGEST_TERM} or less, in order"
        )
        return 1, 1
    return int(low), int(high)


def _language(members: Mapping[str, Any], key: str, path: str, found: Problems) -> str:
    value = members.get(key)
    if isinstance(value, list) and len(value) == 1:  # as the exporter writes it for word2vec
        value = value[0]
    text = found.text({key: value}, key, path)
    if any(character in text for character in "/\\.") or text != text.strip():
        found.problems.append(f"{path}.{key}: must be a language or the name of a model, not '{text}'")
    return text


_READERS: Mapping[str, tuple[str, _Read]] = {
    "norm": ("norm", _one_of(NORMS)),
    "imputer": ("imputer", _imputer),
    "separator": ("separator", _separator),
    "on_error": ("on_error", _as_text),  # checked once the type is known
    "range": ("range", _range),
    "bucket_cnt": ("bucket_count", _width),
    "slide_window_size": ("window", _not_negative),
    "datetime_parts": ("datetime_parts", _parts),
    "ngram_range": ("ngram_range", _ngrams),
    "min_df": ("min_df", _count),
    "max_features": ("max_features", _count),
    "language": ("language", _language),
    "max_length": ("max_length", _count),
    "hash_width": ("hash_width", _hash_width),
}
_REQUIRED = {("bucket_numerical", "range"), ("bucket_numerical", "bucket_cnt"), ("text_fasttext", "language")}
