"""What the layers compute of a subgraph: the wanted rows come out as if all had been computed, and no others."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.serving.hops import Channel, parts


def channel(ends: tuple[int, int], messages: list[tuple[int, int]]) -> Channel:
    senders, receivers = (np.array([message[end] for message in messages], np.int64) for end in (0, 1))
    return Channel(None, ends, senders, receivers)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Channel], list[int], list[Any]]:
    """Channels over two node types, how many nodes these have, and some of them."""
    counts = [draw(st.integers(0, 6)) for _ in range(2)]
    channels = []
    for ends in draw(st.lists(st.sampled_from([(0, 0), (0, 1), (1, 0), (1, 1)]), max_size=4)):
        sender, receiver = (st.integers(0, max(0, counts[kind] - 1)) for kind in ends)
        most = 8 if counts[ends[0]] and counts[ends[1]] else 0
        channels.append(channel(ends, draw(st.lists(st.tuples(sender, receiver), max_size=most))))
    wanted = [
        np.flatnonzero(draw(st.lists(st.booleans(), min_size=n, max_size=n))).astype(np.int64) for n in counts
    ]
    return channels, counts, wanted


def whole(channels: list[Channel], vectors: list[Any], layers: int) -> list[Any]:
    """Return the vectors of all rows: in each layer three times themselves, and what they receive."""
    for _ in range(layers):
        out = [3 * h for h in vectors]
        for each in channels:
            np.add.at(out[each.ends[1]], each.receivers, vectors[each.ends[0]][each.senders])
        vectors = out
    return vectors


@given(graphs(), st.integers(1, 3))
def test_wanted_rows_come_out_as_if_all_were_computed(
    graph: tuple[list[Channel], list[int], list[Any]], layers: int
) -> None:
    channels, counts, wanted = graph
    first = [np.arange(count) * 10 + kind + 1 for kind, count in enumerate(counts)]
    vectors = first
    for part in parts(channels, counts, wanted, layers):
        out = [3 * h[kept] for h, kept in zip(vectors, part.kept, strict=True)]
        for each, taken in zip(channels, part.taken, strict=True):
            np.add.at(out[each.ends[1]], taken.receivers, vectors[each.ends[0]][taken.senders])
        vectors = out
    for found, full, rows in zip(vectors, whole(channels, first, layers), wanted, strict=True):
        np.testing.assert_array_equal(found, full[rows])


def test_only_what_the_wanted_row_depends_on() -> None:
    # 0 <- 1 <- 2 <- 3, and 4 on its own.
    chain = channel((0, 0), [(1, 0), (2, 1), (3, 2), (0, 4)])
    first, last = parts([chain], [5], [np.array([0])], 2)
    assert [first.kept[0].tolist(), last.kept[0].tolist()] == [[0, 1], [0]]
    assert [first.taken[0].at.tolist(), last.taken[0].at.tolist()] == [[0, 1], [0]]
    assert (first.taken[0].senders.tolist(), first.taken[0].receivers.tolist()) == ([1, 2], [0, 1])
    assert (last.taken[0].senders.tolist(), last.taken[0].receivers.tolist()) == ([1], [0])


def test_nothing_wanted() -> None:
    (part,) = parts([channel((0, 0), [(0, 1)])], [2], [np.zeros(0, np.int64)], 1)
    assert (len(part.kept[0]), len(part.taken[0].at)) == (0, 0)
