"""What a processed graph is made of, to be read before training: `data_report.json`, and the same as a page."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from neptuneml_plugin.artifacts import (
    DATA_REPORT,
    DATA_REPORT_PAGE,
    PARTS,
    Drift,
    EdgeType,
    ProcessedGraph,
    SplitReport,
    Target,
    Task,
)
from neptuneml_plugin.processing.graph.facts import FeatureFacts
from neptuneml_plugin.report import Bars, Cell, Notes, Page, Part, Section, Table, most_frequent, render
from neptuneml_plugin.stage import write_json, write_text

#: Bars drawn of the classes of a target.
MOST_CLASSES = 20
_TASKS = {
    Task.NODE_CLASS: "node classification",
    Task.NODE_REGRESSION: "node regression",
    Task.EDGE_CLASS: "edge classification",
    Task.EDGE_REGRESSION: "edge regression",
    Task.LINK_PREDICTION: "link prediction",
}
_PARTS = {"train": "training", "valid": "validation", "test": "test"}


@dataclass(frozen=True)
class TypeReport:
    """One vertex label or edge type."""

    name: str
    count: int
    features: tuple[FeatureFacts, ...]
    #: Columns of all its features together.
    width: int


@dataclass(frozen=True)
class DataReport:
    """`data_report.json`."""

    task: Task
    target: Target
    nodes: tuple[TypeReport, ...]
    edges: tuple[TypeReport, ...]
    splits: tuple[SplitReport, ...]
    warnings: tuple[str, ...]
    #: None but for a snapshot that comes after another.
    drift: Drift | None = None


def data_report(record: ProcessedGraph, facts: Sequence[FeatureFacts]) -> DataReport:
    """Gather what is known of a processed graph.

    Args:
        record: its description.
        facts: one for each feature that the configuration names.
    """
    nodes = [(node.label, node.count) for node in record.schema.nodes]
    edges = [(edge.type, edge.count) for edge in record.schema.edges]
    return DataReport(
        record.task,
        record.target,
        tuple(_type_report(kind, count, facts) for kind, count in nodes),
        tuple(_type_report(kind, count, facts) for kind, count in edges),
        record.splits,
        record.warnings,
        record.drift,
    )


def _type_report(kind: str | EdgeType, count: int, facts: Sequence[FeatureFacts]) -> TypeReport:
    own = tuple(fact for fact in facts if fact.owner == kind)
    name = str(kind)
    return TypeReport(name, count, own, sum(fact.width for fact in own))


def write_data_report(folder: Path, report: DataReport) -> None:
    """Write both files.

    Raises:
        OSError: a file could not be written.
    """
    write_json(folder / DATA_REPORT, asdict(report))
    write_text(folder / DATA_REPORT_PAGE, render(page(report)))


def page(report: DataReport) -> Page:
    """Return the page of a report."""
    sections = [
        Section("Warnings", (Notes(report.warnings or ("none",)),)),
        Section("Vertices and edges", (_types(report),)),
        Section("Features", _features(report)),
        Section("Target", tuple(part for split in report.splits for part in _split(split, report.target))),
    ]
    if report.drift:
        sections.append(Section("Since the previous snapshot", tuple(_drift(report.drift))))
    return Page("Data report", _headline(report), tuple(sections))


def _headline(report: DataReport) -> tuple[tuple[str, Cell], ...]:
    rows = {part: sum(split.rows.get(part, 0) for split in report.splits) for part in PARTS}
    used = [fact for kind in (*report.nodes, *report.edges) for fact in kind.features if fact.dropped is None]
    return (
        ("task", _TASKS[report.task]),
        ("target", _target(report.target)),
        ("vertices", sum(kind.count for kind in report.nodes)),
        ("edges", sum(kind.count for kind in report.edges)),
        ("features", len(used)),
        *((f"{_PARTS[part]} rows", count) for part, count in rows.items()),
    )


def _target(target: Target) -> str:
    owner = target.node or ", ".join(map(str, target.edges))
    return f"{owner}.{target.property_name}" if target.property_name else owner


def _types(report: DataReport) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for what, kinds in (("vertices", report.nodes), ("edges", report.edges)):
        rows += [(what, kind.name, kind.count, len(kind.features), kind.width) for kind in kinds]
    return Table(("", "label or type", "count", "features", "columns"), tuple(rows))


def _features(report: DataReport) -> tuple[Part, ...]:
    columns = ("property", "configured", "encoded as", "columns", "missing", "distinct", "why")
    return tuple(
        Table(columns, tuple(_feature(fact) for fact in kind.features), kind.name)
        for kind in (*report.nodes, *report.edges)
        if kind.features
    )


def _feature(fact: FeatureFacts) -> tuple[Cell, ...]:
    encoding = fact.chosen if fact.dropped is None else "left out"
    return (
        fact.column,
        fact.requested,
        encoding,
        fact.width,
        fact.missing + fact.unfit,
        fact.distinct,
        fact.dropped or fact.reason,
    )


def _split(split: SplitReport, target: Target) -> list[Part]:
    name = str(split.edge or split.node or "")
    rows: list[tuple[Cell, ...]] = []
    for position, part in enumerate(PARTS):
        asked = split.rates[position] if split.rates else None
        first, last = split.periods.get(part, (None, None))
        rows.append((_PARTS[part], split.rows.get(part, 0), asked, first, last))
    columns: tuple[str, ...] = ("part", "rows", "rate asked for", "first", "last")
    if not split.periods:
        columns, rows = columns[:3], [row[:3] for row in rows]
    parts: list[Part] = [Table(columns, tuple(rows), f"{name}, split: {split.kind}")]
    if split.later:
        caption = "edges later than the training rows, which carry no message in training"
        parts.append(Table(("type", "edges"), tuple(split.later.items()), caption))
    return parts + _classes(split, target)


def _classes(split: SplitReport, target: Target) -> list[Part]:
    if not split.classes:
        return []
    counts = list(zip(map(str, target.classes), split.classes["train"], strict=True))
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (str(value), *(split.classes[part][position] for part in PARTS))
        for position, value in enumerate(target.classes)
    )
    bars = Bars(most_frequent(counts, MOST_CLASSES), "classes of the training rows")
    return [bars, Table(("class", *(_PARTS[part] for part in PARTS)), rows, "rows of each class")]


def _drift(drift: Drift) -> list[Part]:
    rows: list[tuple[Cell, ...]] = []
    features: list[tuple[str, float]] = []
    for kind in drift.types:
        name = str(kind.edge or kind.node or "")
        rows.append((name, kind.previous, kind.added, kind.removed))
        features += [(f"{name}.{feature.name}, {feature.measure}", feature.distance) for feature in kind.features]
    shares = ("vertices", drift.vertices), ("edges", drift.edges), ("train again beyond", drift.limit)
    caption = "how far the features have moved since their encoders were fitted (0 is alike, 1 is apart)"
    return [
        Table(("label or type", "before", "added", "removed"), tuple(rows)),
        Bars(shares, "share added or removed since the encoders were fitted"),
        Bars(tuple(features), caption),
    ]
