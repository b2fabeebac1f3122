from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.ids import IdColumn, write_ids

ID_TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), unique=True, max_size=60)


@given(ids=ID_TEXTS, others=ID_TEXTS)
def test_rows_and_texts_are_inverse(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], others: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("ids")
    write_ids(folder, ids)
    column = IdColumn(folder)
    assert len(column) == len(ids)
    assert column.texts() == ids
    assert [column.text(row) for row in range(len(ids))] == ids
    assert column.rows(ids).tolist() == list(range(len(ids)))
    unknown = [other for other in others if other not in ids]
    assert column.rows(unknown).tolist() == [-1] * len(unknown)
    hashes = [xxhash.xxh64_intdigest(text.encode()) for text in ids + unknown]
    assert column.rows_of(np.array(hashes, np.uint64)).tolist() == column.rows(ids + unknown).tolist()


def test_the_hashes_are_those_that_the_jar_computes(tmp_path: Path) -> None:
    write_ids(tmp_path, ["airport", "1", "movie_12"])
    hashes = np.load(tmp_path / "id_hashes.npy")
    assert hashes.dtype == np.uint64
    assert hashes.tolist() == sorted(xxhash.xxh64_intdigest(text) for text in (b"airport", b"1", b"movie_12"))
    assert xxhash.xxh64_intdigest(b"airport") == 0xF4F8802CED944C4C


def test_a_column_longer_than_a_block(tmp_path: Path) -> None:
    texts = pl.Series([f"é{i}" for i in range(70_000)])
    write_ids(tmp_path, texts)
    column = IdColumn(tmp_path)
    assert column.texts() == texts.to_list()
    assert column.rows(["é69999", "é65536", "e1"]).tolist() == [69_999, 65_536, -1]


def test_twins_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="ids '1' and '1' of one label"):
        write_ids(tmp_path, ["1", "2", "1"])
