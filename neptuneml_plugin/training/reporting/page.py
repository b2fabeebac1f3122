"""The page as a whole: facts, competitors, curves, answers, embeddings, trials."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neptuneml_plugin.artifacts import TRAINING_REPORT_PAGE, Target, Task, TrainingRecord
from neptuneml_plugin.report import Bars, Cell, Notes, Page, Part, Section, Table, render
from neptuneml_plugin.stage import write_text
from neptuneml_plugin.training.evaluation.metrics import HIGHER_IS_BETTER
from neptuneml_plugin.training.reporting.curves import curves
from neptuneml_plugin.training.reporting.trials import trial_parts

_TASKS: Mapping[Task, str] = {
    Task.NODE_CLASS: "node classification",
    Task.NODE_REGRESSION: "node regression",
    Task.EDGE_CLASS: "edge classification",
    Task.EDGE_REGRESSION: "edge regression",
    Task.LINK_PREDICTION: "link prediction",
}
SPLITS = {"train": "training", "valid": "validation", "test": "test"}
OWN = "this model"


@dataclass(frozen=True)
class Report:
    """What a page is made of."""

    #: The training folder.
    folder: Path
    record: TrainingRecord
    #: What the training says of itself.
    warnings: Sequence[str]
    #: What the model says of known elements, and its embeddings: (title, parts).
    answers: Sequence[tuple[str, Sequence[Part]]]
    #: Whether more of the metric is better.
    higher_is_better: bool = True


def write_report(report: Report) -> None:
    """Write `report.html` into the training folder.

    Raises:
        OSError: the file could not be written.
    """
    write_text(report.folder / TRAINING_REPORT_PAGE, render(page(report)))


def page(report: Report) -> Page:
    """Return the page of a training."""
    record = report.record
    sections = [
        ("What stands out", (Notes(_findings(report)),)),
        ("Beside trivial competitors", tuple(_competitors(report))),
        ("Metrics", (_metrics(record),)),
        ("Curves", tuple(curves(report.folder, record))),
        *report.answers,
        ("Trials", tuple(trial_parts(record))),
    ]
    filled = tuple(Section(title, tuple(parts)) for title, parts in sections if parts)
    return Page(f"Training: {target_name(record.target)}", _facts(record), filled)


def target_name(target: Target) -> str:
    """Return the name of what is predicted."""
    owner = target.node or ", ".join(map(str, target.edges))
    return f"{target.property_name} of {owner}" if target.property_name else owner


def _facts(record: TrainingRecord) -> tuple[tuple[str, Cell], ...]:
    best, split = record.best, record.baselines_split
    return (
        ("task", _TASKS[record.task]),
        (f"{record.metric} on {SPLITS[split]}", best.metrics.get(split, {}).get(record.metric)),
        ("model", best.model),
        ("trials", len(record.trials)),
        ("best trial", best.number),
        ("epochs, kept after", f"{best.epochs:,}, {best.best_epoch:,}"),
        ("seconds, all trials", round(sum(trial.seconds for trial in record.trials), 1)),
        ("vertices", sum(node.count for node in record.schema.nodes)),
        ("edges", sum(edge.count for edge in record.schema.edges)),
    )


def _findings(report: Report) -> tuple[str, ...]:
    record = report.record
    better = [name for name, value in _values(record) if not _beats(report, value)]
    if not _values(record):
        return tuple(report.warnings) or ("nothing",)
    where = f"on {SPLITS[record.baselines_split]}, by {record.metric}"
    told = f"the model beats all {len(record.baselines)} trivial competitors {where}"
    if better:
        told = f"the model does not beat {', '.join(better)} {where}: see below before it is used"
    others = (text for text in report.warnings if "does not beat the trivial competitor" not in text)
    return (told, *others)


def _values(record: TrainingRecord) -> list[tuple[str, float]]:
    """Return the competitors that the metric applies to."""
    return [(name, made[record.metric]) for name, made in record.baselines.items() if record.metric in made]


def _beats(report: Report, value: float) -> bool:
    record = report.record
    own = record.best.metrics.get(record.baselines_split, {}).get(record.metric)
    return own is not None and (own > value if report.higher_is_better else own < value)


def _competitors(report: Report) -> Iterator[Part]:
    record = report.record
    if not record.baselines:
        return
    own = record.best.metrics.get(record.baselines_split, {})
    order = "more is better" if report.higher_is_better else "less is better"
    bars = [(OWN, own.get(record.metric, 0.0)), *_values(record)]
    if all(value >= 0 for _, value in bars):
        yield Bars(tuple(bars), f"{record.metric} on {SPLITS[record.baselines_split]}, {order}")
    rows = [(OWN, own), *record.baselines.items()]
    verdict = {name: "" if _beats(report, value) else "as good or better" for name, value in _values(record)}
    yield Table(
        ("", f"by {record.metric}", *own),
        tuple((name, verdict.get(name, ""), *(made.get(key) for key in own)) for name, made in rows),
        f"all metrics on {SPLITS[record.baselines_split]}",
    )


def _metrics(record: TrainingRecord) -> Table:
    metrics = record.best.metrics
    names = list(dict.fromkeys(name for values in metrics.values() for name in values))
    better = {True: "more", False: "less", None: None}
    rows = tuple(
        (name, *(metrics[split].get(name) for split in metrics), better[HIGHER_IS_BETTER.get(name)])
        for name in names
    )
    return Table(
        ("", *(SPLITS.get(split, split) for split in metrics), "better is"),
        rows,
        "the best trial; training rows are sampled",
    )
