"""The configuration of version 1, `training-job-configuration.json`: one flat list of files.

The schema and a job go in, the document comes out; nothing is read or written here. Data types decide less than in
version 2: numbers are `numerical`, texts and booleans `category`, dates nothing; on edges all is `numerical`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.export.files.entry import Entry, Members
from neptuneml_plugin.export.request.feature_types import FeatureRequest
from neptuneml_plugin.export.request.layout import Layout
from neptuneml_plugin.export.request.targets import LearningJob, TargetRequest
from neptuneml_plugin.export.schema import PropertyColumn, TypeTable
from neptuneml_plugin.export.values import BOOLEAN, NUMBERS, STRING

#: Types that replace what the data type suggests, where they refine that -> the data types.
_REFINEMENTS = {"word2vec": (STRING, BOOLEAN), "bucket_numerical": NUMBERS}


def document(tables: Sequence[TypeTable], job: LearningJob, layout: Layout) -> dict[str, Any]:
    """Return the whole document; names of the job are those of the tables."""
    warnings: list[str] = []
    return {"graph": [_Entry(table, job, layout, warnings).members() for table in tables], "warnings": warnings}


class _Entry(Entry):
    """Writes the entry of one file."""

    def members(self) -> Members:
        if self.is_edge and not self.table.columns:
            edges: Members = {"edge_spec_type": "edge", "cols": self._keys, **self._type()}
            return self.head() | {"edges": [edges]}
        labels = {"labels": [self._label(target) for target in self.targets]} if self.targets else {}
        written = [*self._inferred(), *self._overrides()]
        return self.head() | labels | ({"features": written} if self.columns else {})

    def _label(self, target: TargetRequest) -> Members:
        task = "class" if target.type == "classification" else "regression"
        return {
            "label_type": self._kind,
            "sub_label_type": f"{self._kind}_{task}_label",
            "cols": [*self._keys, target.property_name],
            "split_rate": list(target.split_rate or self.job.split_rate),
            **self.separator(self.table.columns[target.property_name]),
            **self._type(),
        }

    def _inferred(self) -> Iterator[Members]:
        plain = [feature for feature in self.asked if feature.type not in _REFINEMENTS]
        overridden = {name for feature in plain for name in feature.properties}
        for column in self.columns:
            if column.name not in overridden:
                yield from self._of_edges(column) if self.is_edge else self._of_nodes(column)

    def _of_edges(self, column: PropertyColumn) -> Iterator[Members]:
        if not column.is_multi_value:
            yield self._feature("numerical", column.name, norm="min-max")

    def _of_nodes(self, column: PropertyColumn) -> Iterator[Members]:
        refined = next(self._refinements(column), None)
        is_number = column.data_type in NUMBERS
        if is_number and column.is_multi_value:
            self._warn_of_several(column.name, refined.type if refined else "numerical")
        elif refined is not None:
            yield self._feature(refined.type, column.name, **refined.parameters)
        elif is_number:
            yield self._feature("numerical", column.name, norm="min-max")
        elif column.data_type in {STRING, BOOLEAN}:
            yield self._feature("category", column.name, **self.separator(column))

    def _refinements(self, column: PropertyColumn) -> Iterator[FeatureRequest]:
        for feature in self.asked:
            if feature.type in _REFINEMENTS and column.name in feature.properties:
                if column.data_type in _REFINEMENTS[feature.type]:
                    yield feature
                else:
                    self.warn(column.name, f"{feature.type} does not fit {column.data_type}; inferred instead")

    def _overrides(self) -> Iterator[Members]:
        for feature in self.asked:
            if not self.is_usable(feature) or feature.type in _REFINEMENTS:
                continue
            columns = [column for column in self.columns if column.name in feature.properties]
            if self.is_edge and feature.type == "category":
                self.warn(feature.property_name, "category is for nodes only; left out")
            elif feature.type == "numerical" and any(column.is_multi_value for column in columns):
                self._warn_of_several(feature.property_name, "numerical")
            else:
                names = [column.name for column in columns]
                separator = self.separator(columns[0]) if len(columns) == 1 else {}
                yield self._feature(feature.type, *names, **{**separator, **feature.parameters})

    def _warn_of_several(self, name: str, kind: str) -> None:
        self.warn(name, f"{kind} takes single values only; left out")

    def _feature(self, kind: str, *names: str, **parameters: Any) -> Members:
        head = {"feat_type": self._kind, "sub_feat_type": kind, "cols": [*self._keys, *names]}
        return {**head, **parameters, **self._type()}

    @property
    def _kind(self) -> str:
        return "edge" if self.is_edge else "node"

    @property
    def _keys(self) -> list[str]:
        return ["~from", "~to"] if self.is_edge else ["~id"]

    def _type(self) -> Members:
        kind = self.table.type
        return {"edge_type": list(kind.triple)} if isinstance(kind, EdgeType) else {"node_type": kind}
