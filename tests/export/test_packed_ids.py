"""Ids in little memory: what goes in comes out, with its class."""

import sys
import uuid
from typing import Any

import pytest
from gremlin_python.statics import long
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.export.readers import packed_ids
from neptuneml_plugin.export.readers.packed_ids import PackedIds

ONE = st.one_of(
    st.integers(),
    st.integers(-(2**63), 2**63 - 1).map(long),
    st.booleans(),
    st.text(),
    st.uuids(),
    st.floats(allow_nan=False),
    st.tuples(st.integers(0, 3), st.text(max_size=2)),
)
KINDS = [st.lists(each, max_size=40) for each in (st.integers(0, 9).map(long), st.text(), st.uuids())]


@given(ids=st.one_of(st.lists(ONE, max_size=40), *KINDS), first=st.integers(0, 45), size=st.integers(0, 45))
def test_ids_come_back_with_their_classes(ids: list[Any], first: int, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed_ids, "_CHUNK", 7)
        packed = PackedIds(iter(ids))
        assert typed(packed) == typed(ids)
        assert len(packed) == len(ids)
        assert typed(packed[first : first + size]) == typed(ids[first : first + size])
        if first < len(ids):
            assert typed([packed[first], packed[-1 - first]]) == typed([ids[first], ids[-1 - first]])


def typed(ids: Any) -> list[tuple[type, Any]]:
    return [(type(each), each) for each in ids]


def test_an_id_beyond_the_last_one() -> None:
    with pytest.raises(IndexError):
        PackedIds([1, 2])[2]


@pytest.mark.parametrize("make", [long, lambda number: uuid.UUID(int=number)])
def test_ids_take_at_most_16_bytes_each(make: Any) -> None:
    packed = PackedIds(make(number) for number in range(100_000))
    assert sum(chunk.stored.nbytes for chunk in packed._chunks) <= 16 * 100_000  # type: ignore[union-attr]
    assert sys.getsizeof(packed._chunks) < 1000
