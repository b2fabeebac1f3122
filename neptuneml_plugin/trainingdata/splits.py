"""The member `split` of a label: how its rows are dealt out (docs/processing.md, Splits). An addition."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neptuneml_plugin.problems import Problems

CLASSIFICATION, REGRESSION, LINK_PREDICTION = "classification", "regression", "link_prediction"
RANDOM, STRATIFIED, INDUCTIVE, TIME = SPLIT_KINDS = ("random", "stratified", "inductive", "time")
#: Which ends of an edge an inductive split may hold out.
ENDS = ("source", "target", "both")
MEMBERS = ("kind", "property", "keep_pairs", "ends")


@dataclass(frozen=True)
class SplitSpec:
    """How rows are dealt out."""

    kind: str = RANDOM
    #: `time`: the property that orders the rows.
    property: str = ""
    #: Edges: those that join one pair of vertices, in either direction, stay together.
    keep_pairs: bool = True
    #: `inductive`, edges: the vertices of which end are held out.
    ends: str = "both"


@dataclass(frozen=True)
class Splitting:
    """What a split is of, as far as that decides what it may say."""

    #: `classification`, `regression` or `link_prediction`.
    task: str
    #: Of what is predicted; empty for link prediction.
    column: str
    on_nodes: bool
    #: Whether files deal the rows out.
    has_files: bool = False

    @property
    def default(self) -> str:
        """The kind where none is named."""
        return STRATIFIED if self.task == CLASSIFICATION and not self.has_files else RANDOM


def read_split(value: Any, of: Splitting, path: str, found: Problems) -> SplitSpec:
    """Read the member `split`, which may be absent; what is wrong with it is told to `found`."""
    if value is None:
        return SplitSpec(of.default)
    raw = found.members(value, path, frozenset(MEMBERS))
    kind = found.choice(raw.get("kind", of.default), SPLIT_KINDS, f"{path}.kind")
    spec = SplitSpec(
        kind,
        found.text(raw, "property", path) if kind == TIME else "",
        found.truth(raw.get("keep_pairs", True), f"{path}.keep_pairs"),
        found.choice(raw.get("ends", "both"), ENDS, f"{path}.ends"),
    )
    for member, wrong in _misplaced(raw, spec, of).items():
        found.problems.append(f"{path}.{member}: {wrong}")
    return spec


def _misplaced(raw: Mapping[str, Any], spec: SplitSpec, of: Splitting) -> dict[str, str]:
    """Return the members that mean nothing there, and why."""
    wrong = {}
    if spec.kind == STRATIFIED and of.task != CLASSIFICATION:
        wrong["kind"] = f"only a classification can be stratified by class; this is {of.task}"
    elif "kind" in raw and of.has_files and not (of.on_nodes and spec.kind == INDUCTIVE):
        wrong["kind"] = "custom_split_filenames deal the rows out already; remove one of them"
    if "property" in raw and spec.kind != TIME:
        wrong["property"] = f"only a split by time takes a property, not {spec.kind}; remove it"
    elif spec.kind == TIME and spec.property == of.column != "":
        wrong["property"] = f"'{spec.property}' is the target itself; name the property that says when"
    if "keep_pairs" in raw and of.on_nodes:
        wrong["keep_pairs"] = "only edges come in pairs; remove it"
    if "ends" in raw and (of.on_nodes or spec.kind != INDUCTIVE):
        wrong["ends"] = "only an inductive split of edges takes ends; remove it"
    return wrong
