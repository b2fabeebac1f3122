"""Makes one source of the entries that name files of one vertex label or edge type: their rows are one table."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.problems import Problems
from neptuneml_plugin.processing.configuration.sources import EdgeSource, NodeSource, Source, SourceFile
from neptuneml_plugin.trainingdata.features import FeatureSpec

AnySource = TypeVar("AnySource", NodeSource, EdgeSource)


def merged(sources: Iterable[AnySource], found: Problems) -> list[AnySource]:
    """Return one source for each label or type, in the order of the first entries.

    What two entries say differently of one thing is told to `found`.
    """
    by_kind: dict[str | EdgeType, AnySource] = {}
    for source in sources:
        kind = source.label if isinstance(source, NodeSource) else source.type
        by_kind[kind] = _joined(by_kind[kind], source, found) if kind in by_kind else source
    return list(by_kind.values())


def _joined(first: AnySource, other: AnySource, found: Problems) -> AnySource:
    for key, mine, yours in zip(first.keys, first.key_columns, other.key_columns, strict=True):
        if mine != yours:
            _conflict(other, key, f"'{yours}'", f"'{mine}'", first, found)
    if first.target and other.target and first.target != other.target:
        _conflict(other, "labels", "another target or split", "its own", first, found)
    files = _files(first, other, found)
    features = (*first.features, *_new_features(first, other, found))
    return replace(first, files=files, features=features, target=first.target or other.target)


def _files(first: Source, other: Source, found: Problems) -> tuple[SourceFile, ...]:
    (added,) = other.files
    known = {file.name: file for file in first.files}
    if added.name not in known:
        return (*first.files, added)
    same = known[added.name]
    if same.delimiter != added.delimiter:
        _conflict(other, "separator", f"'{added.delimiter}'", f"'{same.delimiter}'", first, found)
    columns = tuple(dict.fromkeys((*same.columns, *added.columns)))
    return tuple(replace(same, columns=columns) if file is same else file for file in first.files)


def _new_features(first: Source, other: Source, found: Problems) -> Sequence[FeatureSpec]:
    known = {spec.name: spec for spec in first.features}
    for spec in other.features:
        if known.get(spec.name, spec) != spec:
            before = known[spec.name]
            _conflict(other, f"features '{spec.name}'", _shown(spec), _shown(before), first, found)
    return [spec for spec in other.features if spec.name not in known]


def _shown(spec: FeatureSpec) -> str:
    return f"column '{spec.column}' as {spec.type}"


def _conflict(other: Source, member: str, says: str, before: str, first: Source, found: Problems) -> None:
    found.problems.append(
        f"{other.files[0].entry}.{member}: says {says}, {first.files[0].entry} {before}, of the same "
        f"{'label' if isinstance(other, NodeSource) else 'edge type'}; make both say the same, in all members"
    )
