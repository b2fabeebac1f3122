"""fastText's binary models, beside what fastText itself says of the same one."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.encoders.fasttext import FastTextModel
from neptuneml_plugin.processing.encoders.textmodels import find_model
from neptuneml_plugin.processing.encoders.vectors import WordMeans
from neptuneml_plugin.processing.encoders.wordvectors import CACHE, open_word_vectors
from tests.processing.columns import column, encode, fitted, spec
from tests.processing.text_models import write_vectors

GOLDEN = Path(__file__).parents[1] / "golden" / "fasttext"
EXPECTED = json.loads((GOLDEN / "tiny.json").read_text(encoding="utf-8"))
#: Where the header's members stand, from fastText's source.
VERSION, MODEL, BUCKETS, LONGEST, ENTRIES, PRUNED = 4, 36, 40, 48, 64, 84


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEPTUNEML_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.setenv("NEPTUNEML_TEXT_MODELS", str(tmp_path))
    shutil.copy(GOLDEN / "tiny.bin", tmp_path / "cc.en.300.bin")
    return tmp_path


def opened(path: Path) -> FastTextModel:
    model = open_word_vectors(path)
    assert isinstance(model, FastTextModel)
    return model


def vectors(model: FastTextModel, words: list[str]) -> list[list[float]]:
    rows: list[list[float]] = model.vectors_of(words, model.rows(words)).tolist()
    return rows


def test_words_have_the_vectors_of_fasttext(models: Path) -> None:
    model = opened(models / "cc.en.300.bin")
    words = list(EXPECTED["words"])
    assert sorted(np.flatnonzero(model.rows(words) < 0)) == list(range(len(words) - 9, len(words)))
    np.testing.assert_allclose(vectors(model, words), list(EXPECTED["words"].values()), rtol=1e-5, atol=1e-7)


def test_texts_have_the_vectors_of_fasttext() -> None:
    texts = list(EXPECTED["sentences"])
    # fastText splits at spaces alone; it does not take Chinese characters apart.
    spaced = [text for text in texts if "中" not in text]
    rows = encode(spec("text_fasttext", language="en"), spaced)
    expected = [EXPECTED["sentences"][text] for text in spaced]
    np.testing.assert_allclose(rows, expected, rtol=1e-5, atol=1e-7)


def test_a_word_alone_has_the_vector_that_it_has_among_others(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(models / "cc.en.300.bin")
    words = [f"unseen{i}" for i in range(50)] + ["red", "ü", "x"]
    whole = vectors(model, words)
    monkeypatch.setattr("neptuneml_plugin.processing.encoders.fasttext._BLOCK_WORDS", 7)
    assert vectors(model, words) == whole
    assert [row for word in words for row in vectors(model, [word])] == whole


def test_words_are_found_in_lower_case_before_their_parts_are() -> None:
    upper, lower, unknown = encode(spec("text_fasttext", language="en"), ["RED", "red", "REDDER"])
    assert upper == lower != unknown
    assert any(unknown)


def test_the_binary_model_comes_before_its_text(models: Path) -> None:
    write_vectors(models / "cc.en.300.vec")
    assert find_model(spec("text_fasttext", language="en"), models) == models / "cc.en.300.bin"


def test_the_dictionary_is_read_once_and_the_matrix_is_mapped(models: Path) -> None:
    path = models / "cc.en.300.bin"
    model = opened(path)
    assert isinstance(model.vectors, np.memmap)
    assert str(model.vectors.filename) == str(path)
    (folder,) = (models / "data" / CACHE).iterdir()
    assert sum(file.stat().st_size for file in folder.glob("*")) < 2500
    assert opened(path) is model


def test_an_encoder_needs_the_model_of_the_same_content(models: Path) -> None:
    encoder = fitted(spec("text_fasttext", language="en"), ["a red fox"])
    assert isinstance(encoder, WordMeans)
    before = encoder.encode(column(["foxy"])).tolist()
    (models / "moved").mkdir()
    (models / "cc.en.300.bin").rename(models / "moved" / "cc.en.300.bin")
    assert encoder.model.fingerprint == opened(models / "moved" / "cc.en.300.bin").fingerprint
    shutil.copy(models / "moved" / "cc.en.300.bin", models)
    assert encoder.encode(column(["foxy"])).tolist() == before


def changed(offset: int, form: str, value: int) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into(form, data, offset, value)


def quantised(data: bytearray) -> None:
    # The flag before the matrix of 4 columns, whose shape stands behind it.
    shape = data.find(struct.pack("<q", 4), ENTRIES)
    data[shape - 9] = 1


def cut(length: int) -> Callable[[bytearray], None]:
    return lambda data: data.__delitem__(slice(length, None))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (changed(0, "<i", 1), "it does not start as such; save word2vec's binary format as text"),
        (changed(VERSION, "<i", 13), "it is of version 13, not 11 or 12"),
        (changed(BUCKETS, "<i", 98), r"its matrix of \d+ x 4 numbers is not whole"),
        (changed(PRUNED, "<q", 3), "it is quantised; take the .bin that it was made from"),
        (quantised, "it is quantised"),
        (cut(0), "it ends before its matrix"),
        (cut(50), "it ends before its matrix"),
        (cut(100), "it ends before its matrix"),
        (cut(600), r"its matrix of \d+ x 4 numbers is not whole"),
    ],
)
def test_other_files_are_refused(models: Path, change: Callable[[bytearray], None], problem: str) -> None:
    data = bytearray((GOLDEN / "tiny.bin").read_bytes())
    change(data)
    (models / "other.bin").write_bytes(data)
    with pytest.raises(InvalidData, match=rf"other\.bin cannot be read as a binary model of fastText: {problem}"):
        open_word_vectors(models / "other.bin")


def test_models_without_parts_know_their_words_alone(models: Path) -> None:
    data = bytearray((GOLDEN / "tiny.bin").read_bytes())
    struct.pack_into("<i", data, VERSION, 11)
    struct.pack_into("<i", data, MODEL, 3)  # supervised, of a version that trained them without parts
    (models / "supervised.bin").write_bytes(data)
    model = opened(models / "supervised.bin")
    known, unknown = vectors(model, ["red", "foxy"])
    assert known == model.vectors[int(model.rows(["red"])[0])].tolist()
    assert not any(unknown)


def test_words_of_cut_characters_are_passed_over(models: Path) -> None:
    data = (GOLDEN / "tiny.bin").read_bytes()
    broken = data.replace("größe".encode(), b"gr\xc3\xc3\xc3\xe9e").replace("naïve".encode(), b"na\xc3\xc3ve")
    (models / "broken.bin").write_bytes(broken)
    model = opened(models / "broken.bin")
    assert model.rows(["red"])[0] >= 0
    assert (model.rows(["größe", "naïve"]) == -1).all()
