"""`training-data-configuration.json`, version 2: which columns are features, which are labels.

The schema and a job go in, the document comes out; nothing is read or written here. A target property is never a
feature.
"""

from collections.abc import Sequence
from typing import Any

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.export.files.entry import Entry, Members
from neptuneml_plugin.export.request.feature_types import LANGUAGES, OVERRIDES, FeatureRequest
from neptuneml_plugin.export.request.layout import Layout
from neptuneml_plugin.export.request.targets import LearningJob, TargetRequest
from neptuneml_plugin.export.schema import PropertyColumn, TypeTable
from neptuneml_plugin.export.values import DATE, NUMBERS
from neptuneml_plugin.trainingdata.splits import REGRESSION

_INFERRED_PARTS = ("year", "month", "weekday", "hour")
#: Several entries for one column are written in this order.
_COLUMN_TYPES = (
    "none", "text_tfidf", "datetime", "text_word2vec", "text_fasttext",
    "text_sbert", "text_sbert128", "text_sbert512", "bucket_numerical",
)  # fmt: skip
_SINGLE_VALUED_ONLY = frozenset(_COLUMN_TYPES) - {"none"}


def document(tables: Sequence[TypeTable], job: LearningJob, layout: Layout) -> dict[str, Any]:
    """Return the whole document; names of the job are those of the tables."""
    warnings: list[str] = []
    graph: dict[str, list[Members]] = {"nodes": [], "edges": []}
    for table in tables:
        graph[table.element].append(_Entry(table, job, layout, warnings).members())
    similar = {"similar": list(job.similar)} if job.similar else {}
    return {
        "version": job.version.value,
        "query_engine": "gremlin",
        "graph": graph,
        **similar,
        "warnings": warnings,
    }


class _Entry(Entry):
    """Writes the entry of one file."""

    def members(self) -> Members:
        entry = self.head() | self._type()
        if self.job.edge_features or not self.is_edge:
            entry["features"] = self._features()
        if self.targets:
            entry["labels"] = [self._label(target) for target in self.targets]
        return entry

    def _type(self) -> Members:
        kind = self.table.type
        if isinstance(kind, EdgeType):
            ends = {"source": ["~from", kind.source], "relation": ["", kind.label], "dest": ["~to", kind.target]}
            return dict(ends)
        return {"node": ["~id", kind]}

    def _label(self, target: TargetRequest) -> Members:
        label: Members = {
            "label": [target.property_name, target.type],
            "split_rate": list(target.split_rate or self.job.split_rate),
            **({} if target.split is None else {"split": target.split}),
        }
        if target.separator:
            return {**label, "separator": target.separator}
        column = self.table.columns.get(target.property_name)
        if column is None:
            return label
        if target.type == REGRESSION:
            self._warn_of_regression(column)
        return {**label, **self.separator(column)}

    def _warn_of_regression(self, column: PropertyColumn) -> None:
        if column.is_multi_value:
            of = "several values per element"
        elif column.data_type in {*NUMBERS, None}:
            return
        else:
            of = f"values of the type {column.data_type}"
        self.warn(column.name, f"regression of {of}; a value that is no number stops the data processing")

    def _features(self) -> list[Members]:
        if not self.job.encode:
            for feature in self.asked:
                self.warn(feature.property_name, "without effect, as feature_encoding is 'none'")
            return [_feature(column.name, "none") for column in self.columns]
        usable = [feature for feature in self.asked if self.is_usable(feature)]
        written: list[Members] = []
        for column in self.columns:
            written += self._of_column(column, [f for f in usable if f.property_name == column.name])
        overrides = [feature for feature in usable if feature.type in OVERRIDES and not self._is_void(feature)]
        return written + [self._override(feature) for feature in overrides]

    def _is_void(self, feature: FeatureRequest) -> bool:
        """Whether the entry has no effect, as `auto` on edges in Neptune's exporter."""
        return feature.type == "auto" and self.is_edge

    def _of_column(self, column: PropertyColumn, asked: Sequence[FeatureRequest]) -> list[Members]:
        overridden = [feature for feature in asked if feature.type in OVERRIDES]
        if overridden and not all(self._is_void(feature) for feature in overridden):
            return []
        for _ in overridden:
            self.warn(column.name, "auto has no effect on edges; inferred from the data type")
        explicit = [feature for feature in asked if feature.type not in OVERRIDES]
        if not explicit:
            self._warn_of_dates(column)
            return self._inferred(column)
        written: list[Members] = []
        for feature in sorted(explicit, key=lambda feature: _COLUMN_TYPES.index(feature.type)):
            if column.is_multi_value and feature.type in _SINGLE_VALUED_ONLY:
                self.warn(column.name, f"{feature.type} takes single values only; inferred instead")
                written += [item for item in self._inferred(column) if item not in written]
            else:
                self._warn_of_parameters(feature)
                written.append(_feature(column.name, feature.type, **feature.parameters))
        return written

    def _warn_of_dates(self, column: PropertyColumn) -> None:
        if column.data_type == DATE and column.is_multi_value:
            self.warn(column.name, "several dates per element are no datetime feature; left to auto")

    def _warn_of_parameters(self, feature: FeatureRequest) -> None:
        name, kind = feature.property_name, feature.type
        if kind == "bucket_numerical" and "imputer" not in feature.parameters:
            self.warn(name, "no imputer; a missing value will stop the data processing")
        given = feature.parameters.get("language", [])
        for language in [given] if isinstance(given, str) else given:
            if language not in LANGUAGES.get(kind, ()):
                self.warn(name, f"{kind} does not know the language '{language}'")

    def _inferred(self, column: PropertyColumn) -> list[Members]:
        """Return what the data type alone suggests; nothing where no value was seen."""
        kind, name = column.data_type, column.name
        if kind is None:
            return []
        if column.is_multi_value:
            imputer = {"imputer": "median"} if kind in NUMBERS else {}
            return [_feature(name, "auto", **self.separator(column), **imputer)]
        if kind in NUMBERS:
            return [_feature(name, "numerical", norm="min-max", imputer="median")]
        if kind == DATE:
            return [_feature(name, "datetime", datetime_parts=list(_INFERRED_PARTS))]
        return [_feature(name, "auto")]

    def _override(self, feature: FeatureRequest) -> Members:
        column = self.table.columns[feature.property_name]
        return _feature(column.name, feature.type, **{**self.separator(column), **feature.parameters})


def _feature(name: str, kind: str, **parameters: Any) -> Members:
    return {"feature": [name, name, kind], **parameters}
