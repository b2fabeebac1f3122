"""The feature types of Neptune ML: one table of their members, and the reader of a feature entry.

Names, defaults and rejections: AWS's guide, "Specifying ML features", and neptune-export's own checks. `min_df`,
`max_features` and `ngram_range` are required, as the exporter has it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.export.elements import ElementType
from neptuneml_plugin.export.problems import Problems

DATETIME_PARTS = ("hour", "weekday", "month", "year")
WORD2VEC_LANGUAGE = "en_core_web_lg"
LANGUAGES = {"text_word2vec": (WORD2VEC_LANGUAGE,), "text_fasttext": ("en", "zh", "hi", "es", "fr")}
#: Written after the features of the columns, in the order given.
OVERRIDES = frozenset({"numerical", "category", "auto"})
_IMPUTERS = ("mean", "median", "most-frequent")
_NORMS = ("none", "min-max", "standard")


class _Presence(Enum):
    REQUIRED = auto()
    OPTIONAL = auto()


REQUIRED, OPTIONAL = _Presence.REQUIRED, _Presence.OPTIONAL


@dataclass(frozen=True)
class FeatureRequest:
    """One feature asked for."""

    path: str
    element: ElementType
    property_name: str
    type: str
    #: Members of the written feature, in their order.
    parameters: Mapping[str, Any]


def _one_of(*allowed: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {value!r}")
        return value

    return check


def _imputer(value: Any) -> Any:
    return _one_of(*_IMPUTERS)("most-frequent" if value == "most_frequent" else value)


def _text(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be a text, not {value!r}")
    return value


def _texts(value: Any) -> Any:
    return [_text(item) for item in (value if isinstance(value, list) else [value])]


def _integer(value: Any) -> Any:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"must be an integer, not {value!r}")  # noqa: TRY004 - one class for all checks
    return value


def _range(value: Any) -> Any:
    is_pair = isinstance(value, list) and len(value) == 2
    if not is_pair or any(not isinstance(end, int | float) or isinstance(end, bool) for end in value):
        raise ValueError(f"must be two numbers, not {value!r}")
    return sorted(value)


def _parts(value: Any) -> Any:
    parts = _texts(value) if value else list(DATETIME_PARTS)
    return [_one_of(*DATETIME_PARTS)(part) for part in parts]


#: Feature type -> member -> (check, default). The order is that of the written file.
_Members = Mapping[str, tuple[Callable[[Any], Any], Any]]
FEATURE_TYPES: Mapping[str, _Members] = {
    "auto": {"separator": (_text, OPTIONAL), "imputer": (_imputer, OPTIONAL)},
    "numerical": {
        "separator": (_text, OPTIONAL),
        "norm": (_one_of(*_NORMS), "min-max"),
        "imputer": (_imputer, OPTIONAL),
    },
    "category": {"separator": (_text, OPTIONAL)},
    "none": {},
    "bucket_numerical": {
        "range": (_range, REQUIRED),
        "bucket_cnt": (_integer, REQUIRED),
        "slide_window_size": (_integer, 0),
        "imputer": (_imputer, OPTIONAL),
    },
    "datetime": {"datetime_parts": (_parts, list(DATETIME_PARTS))},
    "text_tfidf": {
        "ngram_range": (_range, REQUIRED),
        "min_df": (_integer, REQUIRED),
        "max_features": (_integer, REQUIRED),
    },
    "text_word2vec": {"language": (_texts, [WORD2VEC_LANGUAGE])},
    "text_fasttext": {"language": (_text, REQUIRED), "max_length": (_integer, OPTIONAL)},
    "text_sbert": {},
    "text_sbert128": {},
    "text_sbert512": {},
}
_ALIASES = {"word2vec": "text_word2vec"}
_COMMON = ("node", "edge", "property", "type")


def read_feature(
    value: Mapping[str, Any], element: ElementType | None, path: str, problems: Problems
) -> Iterator[FeatureRequest]:
    """Read one entry of `features`: one feature, or one per name in `properties`."""
    given = value.get("type")
    kind = _ALIASES.get(given, given) if isinstance(given, str) else ""
    if kind not in FEATURE_TYPES:
        said = "is missing" if given is None else f"{given!r} is unknown"
        problems.invalid(f"{path}.type", f"{said}; allowed: {', '.join(FEATURE_TYPES)}")
        return
    parameters = _read_parameters(value, kind, path, problems)
    names = _property_names(value, kind, element, path, problems)
    if element is not None:
        for name in names:
            yield FeatureRequest(path, element, name, kind, parameters)


def _read_parameters(value: Mapping[str, Any], kind: str, path: str, problems: Problems) -> dict[str, Any]:
    given = {key: member for key, member in value.items() if key not in {*_COMMON, "properties"}}
    if "num_buckets" in given and kind == "bucket_numerical":
        given.setdefault("bucket_cnt", given.pop("num_buckets"))
    members = FEATURE_TYPES[kind]
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


def _property_names(
    value: Mapping[str, Any], kind: str, element: ElementType | None, path: str, problems: Problems
) -> list[str]:
    single, several = value.get("property"), value.get("properties")
    if (single is None) == (several is None):
        problems.invalid(path, "must have exactly one of 'property' and 'properties'")
        return []
    if several is not None and (kind not in OVERRIDES or (kind == "auto" and isinstance(element, EdgeType))):
        problems.invalid(f"{path}.properties", f"is not allowed for {kind}; give one entry per property")
        return []
    try:
        return list(_texts(several if several is not None else single))
    except ValueError as error:
        problems.invalid(f"{path}.property", str(error))
        return []
