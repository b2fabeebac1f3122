"""The one place that imports DGL and touches its graph files.

Import DGL as `from neptuneml_plugin.dgl_graph import dgl`: here its backend is fixed and its import is quiet.
DGL's C++ writer does not look at the result of closing its file, and its reader takes a file that lacks its last
bytes, so a file is recognised as whole by the marker that DGL writes last.
"""

import os
import struct
import warnings
from pathlib import Path
from typing import Any

import torch

from neptuneml_plugin.errors import InvalidData

# Without a backend named, importing DGL writes ~/.dgl/config.json.
os.environ["DGLBACKEND"] = "pytorch"
with warnings.catch_warnings():
    # A docstring of DGL 1.1.3, seen whenever Python compiles it anew.
    warnings.filterwarnings("ignore", message="invalid escape sequence", category=DeprecationWarning)
    import dgl

__all__ = ["dgl", "load_graph", "save_graph"]

# Layout of `save_graphs` for heterographs (DGL 1.1.3, src/graph/heterograph_serialize.cc): this number first;
# last the graphs' offsets as a counted list, and the length of that list in bytes.
_MAGIC = 0xDD2E4FF046B4A13F
_HEAD = struct.Struct("<Q")
_TAIL = struct.Struct("<QQQ")
_ONE_GRAPH, _LIST_BYTES = 1, 16


def save_graph(path: Path, graph: dgl.DGLGraph) -> None:
    """Write one graph with its node and edge data.

    Raises:
        OSError: the file could not be written whole, such as on a full disk.
    """
    try:
        dgl.save_graphs(str(path), [graph])
    except dgl.DGLError as error:
        raise OSError(f"{path} could not be written: {_first_line(error)}; is the disk full?") from None
    problem = _problem(path)
    if problem:
        raise OSError(f"{path} could not be written whole ({problem}); is the disk full?")
    # DGL does not sync; whoever renames the folder afterwards relies on the bytes being there.
    with path.open("rb") as file:
        os.fsync(file.fileno())


def load_graph(path: Path) -> dgl.DGLGraph:
    """Read the graph that `save_graph` wrote.

    Raises:
        InvalidData: missing, truncated, or not a file of one DGL graph.
    """
    if not path.is_file():
        raise InvalidData(f"{path} is missing; is {path.parent} the output of `process`?")
    problem = _problem(path)
    if problem:
        raise InvalidData(f"{path} is no whole graph ({problem}); run `process` again")
    try:
        (graph,), _ = dgl.load_graphs(str(path))
    except (dgl.DGLError, ValueError) as error:
        raise InvalidData(f"{path} is no whole graph ({_first_line(error)}); run `process` again") from None
    for columns in _columns(graph):
        for name in [name for name in columns if columns[name].dtype == torch.uint8]:
            columns[name] = columns[name].bool()  # DGL's file has no bool
    return graph


def _columns(graph: dgl.DGLGraph) -> list[Any]:
    """Return the data of every node and edge type."""
    nodes = [graph.nodes[label].data for label in graph.ntypes]
    return nodes + [graph.edges[triple].data for triple in graph.canonical_etypes]


def _problem(path: Path) -> str | None:
    """Say what tells that the file is not whole, if anything."""
    size = path.stat().st_size
    if size < _HEAD.size + _TAIL.size:
        return f"only {size} bytes"
    with path.open("rb") as file:
        (magic,) = _HEAD.unpack(file.read(_HEAD.size))
        file.seek(-_TAIL.size, os.SEEK_END)
        count, offset, list_bytes = _TAIL.unpack(file.read(_TAIL.size))
    if magic != _MAGIC:
        return "not written by DGL"
    if (count, list_bytes) != (_ONE_GRAPH, _LIST_BYTES) or offset >= size:
        return "its end is missing"
    return None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rpartition("] ")[2]
