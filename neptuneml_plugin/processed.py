"""A processed folder, opened: its description and its arrays, memory-mapped (`artifacts.ProcessedGraph`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from neptuneml_plugin.arrays import Array, map_array
from neptuneml_plugin.artifacts import (
    GRAPH,
    HELD_OUT,
    IDS,
    INFO_PICKLE,
    LATER,
    PARTS,
    PROCESSED,
    EdgeSchema,
    NodeType,
    ProcessedGraph,
    edge_folder,
    node_folder,
    read_record,
)
from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.filerecords import check_files
from neptuneml_plugin.ids import IdColumn


@dataclass(frozen=True)
class Columns:
    """The arrays of one node or edge type."""

    #: Name of the feature -> float32 (rows, width).
    features: Mapping[str, Array]
    #: Part of the split -> bool (rows,); empty where the type is no target.
    masks: Mapping[str, Array]
    #: None where the type has no answers.
    labels: Array | None


class ProcessedFolder:
    """What a processed folder holds; types go by their positions in the schema."""

    def __init__(self, folder: Path, record: ProcessedGraph) -> None:
        self.folder = folder
        self.record = record

    def node(self, position: int) -> Columns:
        """Return the arrays of a node type."""
        kind = self.record.schema.nodes[position]
        return self._columns(node_folder(position), kind, is_target=kind.label == self.record.target.node)

    def edge(self, position: int) -> Columns:
        """Return the arrays of an edge type."""
        kind = self.record.schema.edges[position]
        return self._columns(edge_folder(position), kind, is_target=kind.type in self.record.target.edges)

    def ends(self, position: int) -> tuple[Array, Array]:
        """Return the rows of sources and targets of an edge type, (edges,) each."""
        count, folder = self.record.schema.edges[position].count, edge_folder(position)
        return self._rows(f"{folder}/sources.npy", count), self._rows(f"{folder}/targets.npy", count)

    def ids(self, position: int) -> IdColumn:
        """Return the ids of a node type."""
        path = self.folder / IDS / str(position)
        try:
            ids = IdColumn(path)
        except (OSError, ValueError) as error:
            raise self._damaged(f"{path} holds no whole ids ({error})") from None
        if len(ids) != self.record.schema.nodes[position].count:
            raise self._damaged(f"{path} holds {len(ids)} ids, {PROCESSED} says otherwise")
        return ids

    def held_out(self, position: int) -> Array | None:
        """Return which nodes of a type a training must not see, bool (rows,); None where it may see all."""
        kind = self.record.schema.nodes[position]
        if not any(kind.label in report.held_out for report in self.record.splits):
            return None
        return self._rows(f"{node_folder(position)}/{HELD_OUT}", kind.count)

    def later(self, position: int) -> Array | None:
        """Return which edges of a type carry no message in a training, bool (edges,); None where all may."""
        kind = self.record.schema.edges[position]
        if not any(str(kind.type) in report.later for report in self.record.splits):
            return None
        return self._rows(f"{edge_folder(position)}/{LATER}", kind.count)

    def _columns(self, folder: str, kind: NodeType | EdgeSchema, *, is_target: bool) -> Columns:
        features = {
            feature.name: self._rows(f"{folder}/features/{position}.npy", kind.count)
            for position, feature in enumerate(kind.features)
        }
        if not is_target:
            return Columns(features, {}, None)
        masks = {part: self._rows(f"{folder}/{part}_mask.npy", kind.count) for part in PARTS}
        answered = self.record.target.property_name is not None
        return Columns(features, masks, self._rows(f"{folder}/labels.npy", kind.count) if answered else None)

    def _rows(self, name: str, count: int) -> Array:
        try:
            array = map_array(self.folder / name)
        except (OSError, ValueError) as error:
            raise self._damaged(f"{self.folder / name} is no whole array ({error})") from None
        if len(array) != count:
            raise self._damaged(f"{self.folder / name} has {len(array)} rows, {PROCESSED} says {count}")
        return array

    def _damaged(self, problem: str) -> InvalidData:
        return InvalidData(f"{problem}; run `process` again")


def open_processed(folder: Path, *, verify: bool = True) -> ProcessedFolder:
    """Read the description of a processed folder and check the files that are read from it.

    Args:
        folder: the output of `process`.
        verify: compare the files' hashes; without it only their sizes.

    Raises:
        InvalidData: missing, incomplete, truncated or changed; the message names the file.
    """
    record = read_record(folder / PROCESSED, ProcessedGraph)
    files = {name: file for name, file in record.files.items() if name not in {GRAPH, INFO_PICKLE}}
    check_files(folder, files, "process", verify=verify)
    return ProcessedFolder(folder, record)
