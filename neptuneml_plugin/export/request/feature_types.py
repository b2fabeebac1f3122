"""The feature types of Neptune ML: a table of their members per version, and the reader of a feature entry.

Names, defaults and rejections: AWS's guide, "Specifying ML features", and neptune-export's own checks. `min_df`,
`max_features` and `ngram_range` are required, as the exporter has it. `hash`, `vector`, the norm `z-score` and
`on_error` are additions, of version 2; what they may say is checked by the reader of the written entry.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from neptuneml_plugin.errors import one_of
from neptuneml_plugin.export.elements import ElementType
from neptuneml_plugin.problems import Problems, is_text
from neptuneml_plugin.trainingdata.features import NORMS
from neptuneml_plugin.trainingdata.features import read_feature as read_entry

DATETIME_PARTS = ("hour", "weekday", "month", "year")
WORD2VEC_LANGUAGE = "en_core_web_lg"
LANGUAGES = {"text_word2vec": (WORD2VEC_LANGUAGE,), "text_fasttext": ("en", "zh", "hi", "es", "fr")}
#: Written after the features of the columns, in the order given.
OVERRIDES = frozenset({"numerical", "category", "auto", "hash", "vector"})
_IMPUTERS = ("mean", "median", "most-frequent")
_LARGEST = sys.float_info.max
_V1_NORMS = ("none", "min-max", "standard")


class _Presence(Enum):
    REQUIRED = auto()
    OPTIONAL = auto()


REQUIRED, OPTIONAL = _Presence.REQUIRED, _Presence.OPTIONAL


@dataclass(frozen=True)
class FeatureRequest:
    """One feature asked for."""

    path: str
    element: ElementType
    #: Several: one feature over all of them, which only v1 knows.
    properties: tuple[str, ...]
    type: str
    #: Members of the written feature, in their order.
    parameters: Mapping[str, Any]

    @property
    def property_name(self) -> str:
        """The property; of several, the first."""
        return self.properties[0]


def _one_of(*allowed: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {value!r}")
        return value

    return check


def _imputer(value: Any) -> Any:
    return _one_of(*_IMPUTERS)("most-frequent" if value == "most_frequent" else value)


def _text(value: Any) -> Any:
    if not is_text(value):
        raise ValueError(f"must be a text, not {value!r}")
    return value


def _texts(value: Any) -> Any:
    return [_text(item) for item in (value if isinstance(value, list) and value else [value])]


def _integer(least: int) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LARGEST:
            raise ValueError(f"must be an integer of at least {least}, not {value!r}")
        return value

    return check


def _pair(value: Any) -> Any:
    is_pair = isinstance(value, list) and len(value) == 2
    if not is_pair or not all(is_number(end) for end in value):
        raise ValueError(f"must be two numbers, not {value!r}")
    return sorted(value)


def _range(value: Any) -> Any:
    low, high = _pair(value)
    if low == high:
        raise ValueError(f"must be two different numbers, not {value!r}")
    return [low, high]


def is_number(value: Any) -> bool:
    """Whether the value is a number that JSON and a double can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def _parts(value: Any) -> Any:
    parts = _texts(value) if value else list(DATETIME_PARTS)
    return [_one_of(*DATETIME_PARTS)(part) for part in parts]


#: Feature type -> member -> (check, default). The order is that of the written file.
_Members = Mapping[str, tuple[Callable[[Any], Any], Any]]


@dataclass(frozen=True)
class FeatureRules:
    """What a version of the configuration allows in `features`."""

    types: Mapping[str, _Members]
    #: Other spelling of a member -> the one that is written.
    members: Mapping[str, str]
    #: Other spelling of a type -> the one that is written.
    aliases: Mapping[str, str]
    #: Types that edges cannot have.
    nodes_only: frozenset[str] = frozenset()
    #: Whether `properties` makes one feature of all its properties; otherwise one of each.
    spans: bool = False


def _as_it_is(value: Any) -> Any:
    return value


#: An addition to every type that encodes.
_ON_ERROR: _Members = {"on_error": (_as_it_is, OPTIONAL)}
_BUCKETS: _Members = {
    "range": (_range, REQUIRED),
    "bucket_cnt": (_integer(1), REQUIRED),
    "slide_window_size": (_integer(0), 0),
}
V2_FEATURES = FeatureRules(
    types={
        "auto": {"separator": (_text, OPTIONAL), "imputer": (_imputer, OPTIONAL), **_ON_ERROR},
        "numerical": {
            "separator": (_text, OPTIONAL),
            "norm": (_one_of(*NORMS), "min-max"),
            "imputer": (_imputer, OPTIONAL),
            **_ON_ERROR,
        },
        "category": {"separator": (_text, OPTIONAL), **_ON_ERROR},
        "none": {},
        "bucket_numerical": {**_BUCKETS, "imputer": (_imputer, OPTIONAL), **_ON_ERROR},
        "datetime": {
            "datetime_parts": (_parts, list(DATETIME_PARTS)),
            "imputer": (_imputer, OPTIONAL),
            **_ON_ERROR,
        },
        "text_tfidf": {
            "ngram_range": (_pair, REQUIRED),
            "min_df": (_integer(1), REQUIRED),
            "max_features": (_integer(1), REQUIRED),
            **_ON_ERROR,
        },
        "text_word2vec": {"language": (_texts, [WORD2VEC_LANGUAGE]), **_ON_ERROR},
        "text_fasttext": {"language": (_text, REQUIRED), "max_length": (_integer(1), OPTIONAL), **_ON_ERROR},
        "text_sbert": _ON_ERROR,
        "text_sbert128": _ON_ERROR,
        "text_sbert512": _ON_ERROR,
        "hash": {"separator": (_text, OPTIONAL), "hash_width": (_as_it_is, OPTIONAL), **_ON_ERROR},
        "vector": {"separator": (_text, OPTIONAL), "imputer": (_imputer, OPTIONAL), **_ON_ERROR},
    },
    members={"num_buckets": "bucket_cnt", "imputation": "imputer"},
    aliases={"word2vec": "text_word2vec"},
)
V1_FEATURES = FeatureRules(
    types={
        "category": {"separator": (_text, OPTIONAL)},
        "numerical": {"norm": (_one_of(*_V1_NORMS), "min-max")},
        "word2vec": {"language": (_texts, [WORD2VEC_LANGUAGE])},
        "bucket_numerical": _BUCKETS,
    },
    members={"num_buckets": "bucket_cnt"},
    aliases={},
    nodes_only=frozenset({"word2vec", "bucket_numerical"}),
    spans=True,
)
_ADDED = frozenset({"on_error", "hash_width"})
_COMMON = ("node", "edge", "property", "properties", "type")


def read_feature(
    value: Mapping[str, Any], element: ElementType | None, path: str, problems: Problems, rules: FeatureRules
) -> Iterator[FeatureRequest]:
    """Read one entry of `features`: one feature, or one per name in `properties`."""
    given = value.get("type")
    kind = rules.aliases.get(given, given) if isinstance(given, str) else ""
    if kind not in rules.types:
        said = "is missing" if given is None else f"{given!r} is unknown"
        problems.invalid(f"{path}.type", f"{said}; {one_of(str(given or ''), rules.types)}")
        return
    if kind in rules.nodes_only and "edge" in value:
        problems.invalid(f"{path}.type", f"'{kind}' is for nodes only in this version")
    before = len(problems.problems)
    parameters = _read_parameters(value, kind, path, problems, rules)
    if not rules.spans and len(problems.problems) == before:
        _check_additions(kind, parameters, path, problems)
    names = _property_names(value, kind, path, problems)
    if element is None or not names:
        return
    for group in [tuple(names)] if rules.spans else [(name,) for name in names]:
        yield FeatureRequest(path, element, group, kind, parameters)


def _read_parameters(
    value: Mapping[str, Any], kind: str, path: str, problems: Problems, rules: FeatureRules
) -> dict[str, Any]:
    members = rules.types[kind]
    given: dict[str, Any] = {}
    for key in (key for key in value if key not in _COMMON):
        name = rules.members.get(key, key)
        given.setdefault(name if name in members else key, value[key])
    problems.check_members(given, members, path)
    parameters: dict[str, Any] = {}
    for name, (check, default) in members.items():
        if given.get(name) is None:
            if default is REQUIRED:
                problems.invalid(f"{path}.{name}", f"is required by {kind}")
            elif default is not OPTIONAL:
                parameters[name] = default
            continue
        try:
            parameters[name] = check(given[name])
        except ValueError as error:
            problems.invalid(f"{path}.{name}", str(error))
    return parameters


def _check_additions(kind: str, parameters: Mapping[str, Any], path: str, problems: Problems) -> None:
    """Note what processing would refuse in what only this project knows."""
    written = {"feature": ["", "", kind], **parameters}
    if not _ADDED.isdisjoint(parameters):
        read_entry(written, path, problems)


def _property_names(value: Mapping[str, Any], kind: str, path: str, problems: Problems) -> list[str]:
    single, several = value.get("property"), value.get("properties")
    if (single is None) == (several is None):
        problems.invalid(path, "must have exactly one of 'property' and 'properties'")
        return []
    if several is not None and (kind not in OVERRIDES or (kind == "auto" and "edge" in value)):
        problems.invalid(f"{path}.properties", f"is not allowed for {kind}; give one entry per property")
        return []
    member = "property" if several is None else "properties"
    try:
        return list(dict.fromkeys(_texts(value[member])) if several is not None else [_text(single)])
    except ValueError as error:
        problems.invalid(f"{path}.{member}", str(error))
        return []
