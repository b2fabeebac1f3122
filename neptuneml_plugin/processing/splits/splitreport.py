"""Says how the rows of a target were dealt out, and what is doubtful about it."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from neptuneml_plugin.artifacts import SplitReport
from neptuneml_plugin.processing.configuration.sources import (
    LabelSpec,
)
from neptuneml_plugin.processing.configuration.trainingdata import (
    SPLIT_FILES,
)
from neptuneml_plugin.processing.labels import Labels
from neptuneml_plugin.processing.reading.elements import EdgeTable, Elements, NodeTable
from neptuneml_plugin.processing.snapshots.previous import ANEW
from neptuneml_plugin.processing.splits.dealing import Dealt, Ends, moments, times
from neptuneml_plugin.processing.splits.split import Ints, Split
from neptuneml_plugin.trainingdata.splits import INDUCTIVE, LINK_PREDICTION, TIME

NAMES = {"train": "training", "valid": "validation", "test": "test"}
#: How far a part may be from its rate, in shares of all rows, without a word.
TOLERANCE = 0.05
#: Rows below which parts are no worse than expected, however far from their rates.
FEW_ROWS = 20
#: Rows of which a feature is compared with the target.
COMPARED_ROWS = 100_000
_EXAMPLES = 3


def report(
    table: NodeTable | EdgeTable, spec: LabelSpec, dealt: Dealt, split: Split, labels: Labels | None, seed: int
) -> SplitReport:
    """Describe the split of one target type; `dealt` may be of several."""
    masks, of_edges = split.masks(), isinstance(table, EdgeTable)
    by_class = labels is not None and bool(labels.classes)
    return SplitReport(
        kind="files" if spec.split_files and not dealt.held_out else spec.split.kind,
        rows={part: int(mask.sum()) for part, mask in masks.items()},
        unused=len(table) - sum(int(mask.sum()) for mask in masks.values()),
        node=table.label if isinstance(table, NodeTable) else None,
        edge=table.source.type if isinstance(table, EdgeTable) else None,
        rates=None if spec.split_files else spec.split_rate,
        seed=seed,
        keep_pairs=of_edges and spec.split.keep_pairs,
        classes={part: labels.counts(mask) for part, mask in masks.items()} if labels and by_class else {},
        property_name=spec.split.property or None,
        periods=_periods(table, spec, split) if spec.split.kind == TIME else {},
        held_out={label: int(rows.sum()) for label, rows in dealt.held_out.items()},
    )


def _periods(table: NodeTable | EdgeTable, spec: LabelSpec, split: Split) -> dict[str, tuple[str, str]]:
    """Return the first and the last value of each part, as the file has them."""
    column = moments(table, spec)
    when, found = times(column), {}
    for part, mask in split.masks().items():
        rows = np.flatnonzero(mask & ~np.isnan(when))
        if len(rows):
            first, last = rows[when[rows].argmin()], rows[when[rows].argmax()]
            found[part] = (column.text(int(first)), column.text(int(last)))
    return found


def doubts(found: SplitReport, spec: LabelSpec, classes: Sequence[object]) -> list[str]:
    """Return what a reader of the metrics should know, each as one sentence."""
    name = f"'{spec.column}'" if spec.column else f"edge type {found.edge.triple if found.edge else ''}"
    said = [*_rates(found, name), *_classes(found, name, classes)]
    if spec.split.kind == TIME and found.unused:
        said.append(
            f"{name}: rows in no part: {found.unused}, as they lack a value or their '{spec.split.property}'"
        )
    elif spec.split_files and found.unused:
        said.append(f"{name}: rows in no part: {found.unused}, as they lack a value or no split file lists them")
    return said


def _rates(found: SplitReport, name: str) -> list[str]:
    if found.rates is None:
        return []
    total = sum(found.rows.values())
    shares = [count / max(total, 1) for count in found.rows.values()]
    empty = [
        NAMES[part]
        for part, rate in zip(SPLIT_FILES, found.rates, strict=True)
        if rate > 0 and not found.rows[part]
    ]
    if empty:
        return [f"{name}: split_rate asks for {' and '.join(empty)}, but too few rows ({total}) are left for it"]
    far = max(abs(share - rate) for share, rate in zip(shares, found.rates, strict=True))
    if far <= TOLERANCE or total < FEW_ROWS:
        return []
    why = {INDUCTIVE: "a vertex is held out with all its edges", TIME: "rows of one moment stay together"}
    together = why.get(found.kind, "edges of one pair of vertices stay together")
    got, wanted = (", ".join(f"{share:.2f}" for share in each) for each in (shares, found.rates))
    return [f"{name}: the parts are {got} of the rows, not {wanted}, as {together}"]


def _classes(found: SplitReport, name: str, classes: Sequence[object]) -> list[str]:
    if not found.classes:
        return []
    counts = np.array([found.classes[part] for part in SPLIT_FILES])
    single, untrained = np.flatnonzero(counts.sum(0) == 1), np.flatnonzero(counts[0] == 0)
    parts = []
    if len(single):
        parts.append(
            f"{len(single)} with a single row{_such_as(single, classes)}, which is either learnt from or measured"
        )
    if len(untrained):
        parts.append(f"{len(untrained)} without a training row{_such_as(untrained, classes)}, so never predicted")
    for part, row in zip(SPLIT_FILES[1:], counts[1:], strict=True):
        missing = np.flatnonzero(row == 0)
        if found.rows[part] and len(missing):
            parts.append(f"{len(missing)} without a row of {NAMES[part]}{_such_as(missing, classes)}")
    return [f"{name}: of {len(classes)} classes: {'; '.join(parts)}"] if parts else []


def _such_as(chosen: Ints, classes: Sequence[object]) -> str:
    names = ", ".join(repr(classes[index]) for index in chosen[:_EXAMPLES])
    return f" ({names})" if len(chosen) <= _EXAMPLES else f" (such as {names})"


def new_classes(labels: Labels, spec: LabelSpec) -> list[str]:
    """Warn of values that are no class of the previous snapshot."""
    if not labels.unknown:
        return []
    names = ", ".join(f"'{text}'" for text in list(labels.unknown)[:_EXAMPLES])
    names = f"{names}, …" if len(labels.unknown) > _EXAMPLES else names
    rows, lacks = sum(labels.unknown.values()), f"classes that the previous snapshot does not have ({names})"
    return [f"'{spec.column}': {rows} values are of {lacks}, and count as no answer; to learn them, {ANEW}"]


def torn_pairs(edges: EdgeTable, elements: Elements, split: Split) -> int:
    """Return how many pairs of vertices have edges both in training and held out."""
    units = Ends.of(elements).units([edges])
    count = int(units.max()) + 1 if len(units) else 0
    seen, held = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    seen[units[split.train]] = True
    held[units[split.valid | split.test]] = True
    return int((seen & held).sum())


def torn_warning(file: str, torn: int) -> str:
    """Say that answers of held-out edges can be read off their twins."""
    return (
        f"{file}: {torn} pairs of vertices have edges both in training and in validation or test; where twins say "
        'the same, the metrics flatter; put each pair into one file, or say "split": {"keep_pairs": false}'
    )


def mirrored(target: EdgeTable, elements: Elements, split: Split) -> list[str]:
    """Warn of edges that are no target, but join held-out pairs the other way round under the same label."""
    kind, numbers = target.source.type, Ends.of(elements)
    held = split.valid | split.test
    said = []
    for other in elements.edges:
        names = (other.source.type.target, other.source.type.label, other.source.type.source)
        if other is target or names != kind.triple or other.source.target is not None:
            continue
        units = numbers.units([target, other])
        twins = int(np.isin(units[len(target) :], units[: len(target)][held]).sum())
        if twins:
            said.append(
                f"{twins} edges of {other.source.type.triple} join pairs whose edge of {kind.triple} is held out, "
                "and so give it away; make both types targets, or leave the former out"
            )
    return said


def copies(table: NodeTable | EdgeTable, spec: LabelSpec) -> list[str]:
    """Warn of features that say the same as the target in other words."""
    source, file = table.source, table.file
    if source is None or file is None or spec.kind == LINK_PREDICTION:
        return []
    columns = {feature.column for feature in source.features} - {spec.column}
    frame = file.head([spec.column, *columns], COMPARED_ROWS)
    return [
        f"{source.file_name}: feature '{column}' and the target '{spec.column}' tell each other exactly; leave it "
        "out, unless it is known before the target is"
        for column in sorted(columns)
        if _tells(frame.select(pl.col(column).alias("a"), pl.col(spec.column).alias("b")).drop_nulls())
    ]


def _tells(pairs: pl.DataFrame) -> bool:
    """Return whether each value of one column stands beside one value of the other, and not by being unique."""
    distinct = pairs.n_unique()
    if pairs["a"].n_unique() != distinct or pairs["b"].n_unique() != distinct or distinct < 2:
        return False
    return 2 * distinct <= len(pairs) or bool((pairs["a"] == pairs["b"]).all())
