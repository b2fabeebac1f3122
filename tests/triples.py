"""Knowledge graphs as export folders: vertices without properties, and one file of edges per relation.

A graph is a mapping from part (`train`, `valid`, `test`) to its triples of head, relation and tail. Every vertex
is a `thing`, but where a mapping from id to label says otherwise.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from neptuneml_plugin.artifacts import PARTS

Triple = tuple[str, str, str]
Parts = Mapping[str, Sequence[Triple]]
CONFIGURATION = "training-data-configuration.json"


def write_triples(folder: Path, parts: Parts, labels: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Write the export of a link prediction over every relation, split as the parts say."""

    def label(name: str) -> str:
        return labels.get(name, "thing")

    edges: dict[Triple, dict[str, list[tuple[str, str]]]] = {}
    for part, triples in parts.items():
        for head, relation, tail in triples:
            of_type = edges.setdefault((label(head), relation, label(tail)), {name: [] for name in PARTS})
            of_type[part].append((head, tail))
    ids = sorted({end for triples in parts.values() for head, _, tail in triples for end in (head, tail)})
    nodes = [_write_nodes(folder, kind, [name for name in ids if label(name) == kind]) for kind in kinds(edges)]
    entries = [_write_edges(folder, number, kind, edges[kind]) for number, kind in enumerate(sorted(edges))]
    document = {"version": "v2.0", "query_engine": "gremlin", "graph": {"nodes": nodes, "edges": entries}}
    (folder / CONFIGURATION).write_text(json.dumps(document), encoding="utf-8")
    return folder


def kinds(edges: Iterable[Triple]) -> list[str]:
    """Return the labels at the ends of edge types."""
    return sorted({end for source, _, target in edges for end in (source, target)})


def _write_nodes(folder: Path, kind: str, ids: Iterable[str]) -> dict[str, object]:
    _write(folder / f"nodes/{kind}.csv", ("~id", "~label"), ((name, kind) for name in ids))
    return {"file_name": f"nodes/{kind}.csv", "separator": ",", "node": ["~id", kind], "features": []}


def _write_edges(
    folder: Path, number: int, kind: Triple, parts: Mapping[str, Sequence[tuple[str, str]]]
) -> dict[str, object]:
    source, relation, target = kind
    pairs = [pair for part in parts.values() for pair in part]
    rows = ((f"{number}-{at}", relation, *pair) for at, pair in enumerate(pairs))
    _write(folder / f"edges/{number}.csv", ("~id", "~label", "~from", "~to"), rows)
    files = {part: f"{number}-{part}.csv" for part in PARTS}
    for part, name in files.items():
        _write(folder / name, ("~from", "~to"), parts[part])
    return {
        "file_name": f"edges/{number}.csv",
        "separator": ",",
        "source": ["~from", source],
        "relation": ["", relation],
        "dest": ["~to", target],
        "features": [],
        "labels": [
            {"label": ["", "link_prediction"], "custom_split_filenames": files, "split": {"keep_pairs": False}}
        ],
    }


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(header), *(",".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
