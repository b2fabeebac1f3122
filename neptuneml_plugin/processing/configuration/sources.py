"""What a configuration says of the files of one vertex label or edge type."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from neptuneml_plugin.artifacts import EdgeType
from neptuneml_plugin.trainingdata.features import FeatureSpec
from neptuneml_plugin.trainingdata.splits import SplitSpec

Rates = tuple[float, float, float]


@dataclass(frozen=True)
class LabelSpec:
    """What is predicted, and how its rows are split."""

    #: Empty for link prediction.
    column: str
    #: `classification`, `regression` or `link_prediction`.
    kind: str
    split_rate: Rates
    #: `train`, `valid`, `test` -> file name, instead of the rates.
    split_files: Mapping[str, str] = field(default_factory=dict)
    #: Set: a row may have several classes.
    separator: str | None = None
    split: SplitSpec = field(default_factory=SplitSpec)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read for it."""
        return tuple(filter(None, (self.column, self.split.property)))


@dataclass(frozen=True)
class SourceFile:
    """One file, by an entry of the configuration."""

    name: str
    delimiter: str
    #: Columns that the entry names, so that the file must have them.
    columns: tuple[str, ...] = ()
    #: Path of the entry, for messages.
    entry: str = ""


@dataclass(frozen=True)
class _Files:
    """The files of one type, whose rows are one table; a row lacks the columns that its file lacks."""

    files: tuple[SourceFile, ...]

    @property
    def file_name(self) -> str:
        """The files, for messages."""
        return ", ".join(file.name for file in self.files)

    @property
    def delimiter(self) -> str:
        """What separates the cells of the first file, and of split files."""
        return self.files[0].delimiter


@dataclass(frozen=True)
class NodeSource(_Files):
    """The files of vertices of one label."""

    id_column: str
    label: str
    features: tuple[FeatureSpec, ...] = ()
    target: LabelSpec | None = None

    keys = ("node",)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The column of the ids."""
        return (self.id_column,)


@dataclass(frozen=True)
class EdgeSource(_Files):
    """The files of edges of one type, or of one type for each value of a column."""

    source_column: str
    target_column: str
    type: EdgeType
    features: tuple[FeatureSpec, ...] = ()
    target: LabelSpec | None = None
    #: Its values name the edges' types, behind the label of `type`; empty: all are of that type.
    relation_column: str = ""

    keys = ("source", "dest", "relation")

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns of both ends and of the relation, which may be empty."""
        return (self.source_column, self.target_column, self.relation_column)


Source = NodeSource | EdgeSource
