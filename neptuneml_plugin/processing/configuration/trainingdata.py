"""Reads a training-data configuration, as the export writes it and as people edit it by hand.

All problems are told at once, each with its path. Foreign members are allowed (people keep notes there) and named
in a warning; a member that looks like a misspelt one is a problem. Both published shapes of `graph` are read: an
object, and an array of objects with `warnings` inside (spec/neptune-ml.md, appendix B).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import MULTI_LABEL_SEPARATOR, EdgeType, Task, join_labels
from neptuneml_plugin.errors import InvalidSettings
from neptuneml_plugin.problems import Problems, holds, leads_outside, load_json
from neptuneml_plugin.processing.configuration.merging import merged
from neptuneml_plugin.processing.configuration.sources import (
    EdgeSource,
    LabelSpec,
    NodeSource,
    Rates,
    Source,
    SourceFile,
)
from neptuneml_plugin.processing.configuration.version1 import is_version1, translate
from neptuneml_plugin.trainingdata.features import FeatureSpec, read_feature
from neptuneml_plugin.trainingdata.similar import SimilarSpec, check_similar, read_similar
from neptuneml_plugin.trainingdata.splits import LINK_PREDICTION, Splitting, read_split

SPLIT_FILES = ("train", "valid", "test")
SPLIT_TOLERANCE = 1e-6
DEFAULT_SPLIT: Rates = (0.9, 0.1, 0.0)
#: Where link prediction is asked for by a label without a split (decision 7).
LINK_PREDICTION_SPLIT: Rates = (0.9, 0.05, 0.05)

#: What CSV has another meaning for.
_NO_DELIMITERS = frozenset('"\r\n\0')
_LABEL_MEMBERS = frozenset({"label", "split", "split_rate", "separator", "custom_split_filenames"})


@dataclass(frozen=True)
class TrainingData:
    """The whole configuration."""

    nodes: tuple[NodeSource, ...]
    edges: tuple[EdgeSource, ...]
    warnings: tuple[str, ...] = ()
    #: Edges to build.
    similar: tuple[SimilarSpec, ...] = ()

    @property
    def target(self) -> Source | None:
        """The file that holds the target; None for link prediction."""
        sources: list[Source] = [*self.nodes, *self.edges]
        return next((s for s in sources if s.target and s.target.kind != LINK_PREDICTION), None)

    @property
    def task(self) -> Task:
        """The task that the labels ask for; without any, link prediction over all edges."""
        target = self.target
        if target is None or target.target is None:
            return Task.LINK_PREDICTION
        prefix = "node" if isinstance(target, NodeSource) else "edge"
        return Task(f"{prefix}_{'class' if target.target.kind == 'classification' else 'regression'}")


def read_training_data(folder: Path, name: str) -> TrainingData:
    """Read the configuration `name` of an export folder.

    Raises:
        InvalidSettings: with every problem found.
        UnsupportedOperation: it is right, but asks for what this release does not do.
    """
    path = folder / name
    if leads_outside(folder, name):
        raise InvalidSettings(str(path), ["lies outside the folder of the export; name a file in it"])
    reader = _Reader(folder, path)
    data = reader.document(_load(path))
    reader.raise_if_any()
    return data


def _load(path: Path) -> Any:
    try:
        return load_json(path)
    except FileNotFoundError:
        others = sorted(other.name for other in path.parent.glob("*.json"))
        found = f"; {path.parent} has {', '.join(others)}" if others else ""
        raise InvalidSettings(str(path), [f"is missing: give the output of `export`{found}"]) from None
    except OSError as error:
        raise InvalidSettings(str(path), [f"cannot be read: {error.strerror}"]) from None
    except ValueError as error:
        raise InvalidSettings(str(path), [f"is not JSON: {error}"]) from None


class _Reader(Problems):
    """Reads part after part of the document."""

    def __init__(self, folder: Path, path: Path) -> None:
        super().__init__(str(path))
        self._folder = folder

    def document(self, raw: Any) -> TrainingData:
        top = self.members(raw, "", {"version", "query_engine", "graph", "similar", "warnings"})
        graph = top.get("graph")
        if self._foreign(top, graph):
            return TrainingData((), ())
        if is_version1(top):
            return self._version1(top, graph)
        return self._version2(top, graph)

    def _version1(self, top: Mapping[str, Any], graph: Any) -> TrainingData:
        translation = translate(graph, self)
        problems, self.problems = self.problems, []
        data = self._version2(top, translation.graph())
        self.problems = problems + [translation.placed(problem) for problem in self.problems]
        self.warnings = [translation.placed(warning) for warning in self.warnings]
        return replace(data, warnings=tuple(self.warnings))

    def _version2(self, top: Mapping[str, Any], graph: Any) -> TrainingData:
        parts = graph if isinstance(graph, list) else [graph]
        nodes: list[NodeSource] = []
        edges: list[EdgeSource] = []
        for i, part in enumerate(parts):
            path = f"graph[{i}]" if isinstance(graph, list) else "graph"
            members = self.members(part, path, {"nodes", "edges", "warnings"})
            nodes += self.each(members, "nodes", path, self._node)
            edges += self.each(members, "edges", path, self._edge)
            self._keep_warnings(members)
        self._keep_warnings(top)
        if not edges and not self.problems:
            self.problems.append(
                "graph.edges: no edge file is named; a graph without edges has nothing to learn from"
            )
        nodes, edges = merged(nodes, self), merged(edges, self)
        self._one_target([*nodes, *edges])
        similar = self.each(top, "similar", "", partial(read_similar, found=self))
        check_similar(similar, _feature_names(nodes), [edge.type for edge in edges], self)
        return TrainingData(tuple(nodes), tuple(edges), tuple(self.warnings), tuple(similar))

    def _foreign(self, top: Mapping[str, Any], graph: Any) -> bool:
        """Name documents of another kind."""
        if top.get("query_engine", "gremlin") != "gremlin" or (isinstance(graph, dict) and "rdfs" in graph):
            self.unsupported.append("query_engine: RDF graphs are not supported in this release; use gremlin")
        return bool(self.unsupported)

    def _keep_warnings(self, members: Mapping[str, Any]) -> None:
        warnings = members.get("warnings")
        self.warnings += [str(warning) for warning in warnings] if isinstance(warnings, list) else []

    def _one_target(self, sources: Sequence[Source]) -> None:
        targets = [source.target for source in sources if source.target]
        if len(targets) > 1 and any(target.kind != LINK_PREDICTION for target in targets):
            names = ", ".join(f"'{t.column}' ({t.kind})" for t in targets)
            self.unsupported.append(f"labels: more than one target ({names}); keep one, and process once for each")

    # entries

    def _node(self, raw: Any, path: str) -> NodeSource:
        members = self.members(raw, path, {"file_name", "separator", "node", "features", "labels"})
        column, label = self.labelled(members, "node", path)
        label = _joined(label)
        features = tuple(self.each(members, "features", path, partial(read_feature, found=self)))
        target = self._target(members, path, on_nodes=True)
        file = self._file(members, path, _named(features, target))
        return NodeSource((file,), column, label, features, target)

    def _edge(self, raw: Any, path: str) -> EdgeSource:
        known = {"file_name", "separator", "source", "relation", "dest", "features", "labels"}
        members = self.members(raw, path, known)
        source, source_label = self.labelled(members, "source", path)
        dest, dest_label = self.labelled(members, "dest", path)
        column, relation = self.texts(members, "relation", path, 2)
        edge_type = EdgeType(_joined(source_label), relation, _joined(dest_label))
        features = tuple(self.each(members, "features", path, partial(read_feature, found=self)))
        target = self._target(members, path, on_nodes=False)
        if column and target and (target.kind != LINK_PREDICTION or target.split_files):
            self.problems.append(
                f"{path}.labels: the values of '{column}' make several edge types, of which only links can be "
                "predicted, by split_rate; write one file for each type"
            )
        file = self._file(members, path, _named(features, target))
        return EdgeSource((file,), source, dest, edge_type, features, target, column)

    def _file(self, members: Mapping[str, Any], path: str, columns: tuple[str, ...]) -> SourceFile:
        name = self.text(members, "file_name", path)
        self._inside(name, f"{path}.file_name")
        delimiter = members.get("separator", ",")
        if not isinstance(delimiter, str) or len(delimiter.encode()) != 1 or delimiter in _NO_DELIMITERS:
            self.problems.append(
                f"{path}.separator: must be one ASCII character, no quote and no line break, not {delimiter!r}"
            )
            delimiter = ","
        return SourceFile(name, delimiter, columns, path)

    def _inside(self, name: str, path: str) -> None:
        if not name:
            return
        if leads_outside(self._folder, name):
            self.problems.append(f"{path}: {name} lies outside the folder of the export")
        elif not holds(self._folder, name):
            self.problems.append(f"{path}: {name} is not in {self._folder}")

    # labels

    def _target(self, members: Mapping[str, Any], path: str, *, on_nodes: bool) -> LabelSpec | None:
        def read(raw: Any, path: str) -> LabelSpec:
            return self._label(raw, path, on_nodes=on_nodes)

        labels = self.each(members, "labels", path, read)
        if len(labels) > 1:
            names = ", ".join(f"'{label.column}'" for label in labels)
            self.unsupported.append(f"{path}.labels: more than one target ({names}); keep one")
        return labels[0] if labels else None

    def _label(self, raw: Any, path: str, *, on_nodes: bool) -> LabelSpec:
        members = self.members(raw, path, _LABEL_MEMBERS)
        column, kind = self.texts(members, "label", path, 2)
        kind = LINK_PREDICTION if kind == "link_predict" else kind
        kinds = ["classification", "regression"] + ([] if on_nodes else [LINK_PREDICTION])
        self.choice(kind, kinds, f"{path}.label[1]")
        if kind != LINK_PREDICTION and not column:
            self.problems.append(f"{path}.label[0]: names no property to predict")
        separator = self.separator(members, path)
        if separator and kind != "classification":
            self.problems.append(f"{path}.separator: only a classification has several values; remove it")
        column = "" if kind == LINK_PREDICTION else column
        files, rates = self._split_files(members, path), self._rates(members, kind, path)
        of = Splitting(kind, column, on_nodes, bool(files))
        split = read_split(members.get("split"), of, f"{path}.split", self)
        return LabelSpec(column, kind, rates, files, separator, split)

    def _rates(self, members: Mapping[str, Any], kind: str, path: str) -> Rates:
        default = LINK_PREDICTION_SPLIT if kind == LINK_PREDICTION else DEFAULT_SPLIT
        if members.get("split_rate") is None:
            return default
        before = len(self.problems)
        train, valid, test = rates = self.numbers(members, "split_rate", path, 3)
        if len(self.problems) > before:
            return default
        if min(rates) < 0 or train <= 0 or abs(sum(rates) - 1) > SPLIT_TOLERANCE:
            self.problems.append(
                f"{path}.split_rate: {list(rates)} must be three shares [train, valid, test] that sum to 1, "
                "train above 0"
            )
            return default
        return train, valid, test

    def _split_files(self, members: Mapping[str, Any], path: str) -> dict[str, str]:
        raw = members.get("custom_split_filenames")
        if raw is None:
            return {}
        path = f"{path}.custom_split_filenames"
        if isinstance(raw, dict) and "validation" in raw:
            raw = {"valid" if key == "validation" else key: value for key, value in raw.items()}
        if members.get("split_rate") is not None:
            self.problems.append(f"{path}: excludes split_rate; remove one of them")
        files = self.members(raw, path, set(SPLIT_FILES))
        named = {part: self.text(files, part, path) for part in SPLIT_FILES if part != "test" or files.get(part)}
        for part, name in named.items():
            self._inside(name, f"{path}.{part}")
        return named


def _named(features: Sequence[FeatureSpec], target: LabelSpec | None) -> tuple[str, ...]:
    """Return the columns that an entry names, but for its keys."""
    return (*(feature.column for feature in features), *(target.columns if target else ()))


def _feature_names(nodes: Sequence[NodeSource]) -> dict[str, list[str]]:
    """Return the names and columns of each label's features, but of its target."""
    return {
        node.label: [
            name
            for feature in node.features
            if not node.target or feature.column != node.target.column
            for name in dict.fromkeys((feature.name, feature.column))
        ]
        for node in nodes
    }


def _joined(label: str) -> str:
    return join_labels(label.split(MULTI_LABEL_SEPARATOR))
