"""What each layer of a model computes of a subgraph: the rows that the wanted vertices depend on, and no others.

Of two layers the last computes the wanted vertices alone, and the first their neighbours, which are few beside the
neighbours of these.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neptuneml_plugin.serving.subgraph import EdgeColumns, Ints

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Channel:
    """Messages of one edge type in one direction: from rows of one node type to rows of another."""

    edges: EdgeColumns | None
    #: Node type of the senders and of the receivers.
    ends: tuple[int, int]
    senders: Ints
    receivers: Ints

    @classmethod
    def of(cls, edges: EdgeColumns | None, ends: tuple[int, int], *, reverse: bool) -> "Channel":
        """Return the messages along edges between these node types, or against them."""
        nothing = np.zeros(0, np.int64)
        sources, targets = (nothing, nothing) if edges is None else (edges.sources, edges.targets)
        if reverse:
            return cls(edges, ends[::-1], targets, sources)
        return cls(edges, ends, sources, targets)

    def degrees(self, count: int) -> Floats:
        """Return how many such edges each of `count` receivers has, or 0 where none was drawn."""
        degrees = np.zeros(count)
        if self.edges is not None:
            degrees[self.receivers] = self.edges.drawn_from
        return degrees

    def seen_degrees(self, opposite: "Channel", count: int) -> Floats:
        """Return the degrees that the subgraph shows of the `count` nodes of the senders' type.

        A sender that was expanded itself has said how many such edges it has; of others, those seen are counted.
        """
        degrees = np.bincount(self.senders, minlength=count).astype(np.float64)
        if opposite.edges is not None:
            degrees[opposite.receivers] = opposite.edges.drawn_from
        return degrees


@dataclass(frozen=True)
class Taken:
    """The messages of a channel that a layer takes."""

    #: Which of them.
    at: Ints
    #: Rows in the layer before.
    senders: Ints
    #: Rows in this layer.
    receivers: Ints


@dataclass(frozen=True)
class Part:
    """What one layer computes."""

    #: Per node type, the row in the layer before of each row of this one.
    kept: Sequence[Ints]
    #: One per channel.
    taken: Sequence[Taken]


def parts(channels: Sequence[Channel], counts: Sequence[int], wanted: Sequence[Ints], layers: int) -> list[Part]:
    """Return what each layer computes, the first one first; it starts from every row of the subgraph.

    Args:
        channels: all messages.
        counts: how many rows there are, per node type.
        wanted: rows of the last layer, ascending, per node type.
        layers: how many.
    """
    found: list[Part] = []
    for layer in reversed(range(layers)):
        into = [_positions(rows, count) for rows, count in zip(wanted, counts, strict=True)]
        chosen = [np.flatnonzero(into[channel.ends[1]][channel.receivers] >= 0) for channel in channels]
        before = _before(channels, chosen, wanted, counts) if layer else [np.arange(count) for count in counts]
        out_of = [_positions(rows, count) for rows, count in zip(before, counts, strict=True)]
        taken = [
            Taken(at, out_of[channel.ends[0]][channel.senders[at]], into[channel.ends[1]][channel.receivers[at]])
            for channel, at in zip(channels, chosen, strict=True)
        ]
        found.append(Part([places[rows] for places, rows in zip(out_of, wanted, strict=True)], taken))
        wanted = before
    return found[::-1]


def _before(
    channels: Sequence[Channel], chosen: Sequence[Ints], wanted: Sequence[Ints], counts: Sequence[int]
) -> list[Ints]:
    """Return the rows that the wanted ones are computed from: themselves, and who sends them messages."""
    needed = [np.zeros(count, np.bool_) for count in counts]
    for kind, rows in enumerate(wanted):
        needed[kind][rows] = True
    for channel, at in zip(channels, chosen, strict=True):
        needed[channel.ends[0]][channel.senders[at]] = True
    return [np.flatnonzero(rows) for rows in needed]


def _positions(rows: Ints, count: int) -> Ints:
    """Return the position of each of `count` rows among some, -1 for the others."""
    positions = np.full(count, -1, np.int64)
    positions[rows] = np.arange(len(rows))
    return positions
