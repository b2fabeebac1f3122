"""Neighbourhoods that no graph has, for a worker to ask itself about: every part of a model is used by them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neptuneml_plugin.artifacts import ENCODERS, Manifest
from neptuneml_plugin.ids import IdColumn
from neptuneml_plugin.processing.encoders.categorical import Category
from neptuneml_plugin.processing.encoders.datetimes import Datetime
from neptuneml_plugin.processing.encoders.fitted import Encoder, FittedEncoders, read_encoders
from neptuneml_plugin.processing.encoders.numerical import Buckets, Numerical

#: Vertices of each label that a neighbourhood brings, beside those that are asked about and one that nobody knows.
NEIGHBOURS = 10


class Samples:
    """Makes neighbourhoods of an artifact's own vertices.

    Args:
        folder: the artifact.
        manifest: its manifest.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._manifest = manifest
        columns = {node.label: IdColumn(folder / f"nodes/{at}") for at, node in enumerate(manifest.schema.nodes)}
        self._ids = {
            label: [column.text(row) for row in range(max(0, len(column) - NEIGHBOURS), len(column))]
            for label, column in columns.items()
        }
        path = folder / ENCODERS
        self._encoders = read_encoders(path) if path.is_file() else FittedEncoders()

    def subgraph(self, seeds: Mapping[str, Sequence[str]], number: int) -> dict[str, Any]:
        """Return `data.subgraph`: seeds and other vertices of all labels, joined to the first ones.

        Args:
            seeds: vertex label -> ids that stand first.
            number: another one for other values.
        """
        ids = {
            label: list(dict.fromkeys((*seeds.get(label, ()), *known, f"new {number}")))
            for label, known in self._ids.items()
        }
        nodes = [
            {
                "type": label,
                "ids": names,
                "properties": _cells(self._encoders.nodes.get(label, ()), len(names), number),
            }
            for label, names in ids.items()
        ]
        return {
            "nodes": nodes,
            "edges": list(self._edges({label: len(names) for label, names in ids.items()}, number)),
        }

    def _edges(self, counts: Mapping[str, int], number: int) -> Iterable[dict[str, Any]]:
        target, encoders = self._manifest.target, dict(self._encoders.edges)
        for kind in (edge.type for edge in self._manifest.schema.edges if not edge.built):
            ends = [(source, 0) for source in range(counts[kind.source])]
            ends += [(0, end) for end in range(1, counts[kind.target])]
            properties = _cells(encoders.get(kind, ()), len(ends), number)
            if kind in target.edges and target.property_name is not None:
                labels = [str(label) for label in target.classes] or [str(number)]
                properties[target.property_name] = [labels[at % len(labels)] for at in range(len(ends))]
            for reverse in (False, True):
                yield {
                    "from": kind.source,
                    "label": kind.label,
                    "to": kind.target,
                    "reverse": reverse,
                    "sources": [source for source, _ in ends],
                    "targets": [end for _, end in ends],
                    "drawnFrom": [1] * len(ends),
                    "properties": properties,
                }


def _cells(encoders: Iterable[Encoder], count: int, number: int) -> dict[str, list[str]]:
    """Return a column of so many values for each property that is encoded."""
    return {encoder.column: [sample(encoder, number * count + at) for at in range(count)] for encoder in encoders}


def sample(encoder: Encoder, number: int) -> str:
    """Return a value that an encoder takes; another one for another number, where it takes many."""
    match encoder:
        case Numerical():
            return (encoder.separator or "").join([str(number)] * encoder.width)
        case Buckets():
            return str(number)
        case Datetime():
            return f"2000-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z"
        case Category() if encoder.categories:
            return encoder.categories[number % len(encoder.categories)]
        case _:
            return f"text {number}"
