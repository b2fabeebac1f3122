"""What both versions of the configuration need to write the entry of one file."""

from typing import Any

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.errors import nearest
from neptuneml_plugin.export.request.feature_types import FeatureRequest
from neptuneml_plugin.export.request.layout import Layout
from neptuneml_plugin.export.request.targets import LearningJob
from neptuneml_plugin.export.schema import PropertyColumn, TypeTable

Members = dict[str, Any]


class Entry:
    """One file's table, what a job asks of it, and the warnings about that."""

    def __init__(self, table: TypeTable, job: LearningJob, layout: Layout, warnings: list[str]) -> None:
        self.table = table
        self.job = job
        self.layout = layout
        self.targets = [target for target in job.targets if target.element == table.type]
        self.asked = [feature for feature in job.features if feature.element == table.type]
        self._warnings = warnings

    @property
    def is_edge(self) -> bool:
        """Whether the file holds edges."""
        return isinstance(self.table.type, EdgeType)

    @property
    def columns(self) -> list[PropertyColumn]:
        """The columns that may be features."""
        return [column for column in self.table.columns.values() if not self.is_target(column.name)]

    def is_target(self, name: str) -> bool:
        """Whether the property is predicted."""
        return any(name == target.property_name for target in self.targets)

    def is_usable(self, feature: FeatureRequest) -> bool:
        """Whether a feature's properties are there and may be features; warn otherwise."""
        for name in feature.properties:
            if self.is_target(name):
                self.warn(name, "is the target, and so no feature")
                return False
            if name not in self.table.columns:
                self.warn(name, f"no element has it{nearest(name, self.table.columns)}")
                return False
        return True

    def head(self) -> Members:
        """Return the members that name the file."""
        return {"file_name": self.layout.file_name(self.table), "separator": ","}

    def separator(self, column: PropertyColumn) -> Members:
        """Return the member that says what joins several values, where there are."""
        return {"separator": self.layout.separator} if column.is_multi_value else {}

    def warn(self, name: str, message: str) -> None:
        """Warn of a property."""
        self._warnings.append(f"{self.table.name}.{name}: {message}")
