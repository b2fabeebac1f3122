"""Vectors of words are read once from any of their forms, and mapped from then on."""

from pathlib import Path

import numpy as np
import pytest
import spacy

from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.encoders.wordvectors import CACHE, convert, open_word_vectors
from tests.processing.text_models import WORDS, write_vectors


@pytest.fixture(autouse=True)
def data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEPTUNEML_DATA_ROOT", str(tmp_path / "data"))
    return tmp_path / "data"


def read(path: Path) -> dict[str, tuple[float, ...]]:
    model = open_word_vectors(path)
    texts = model.words.texts()
    assert model.words.rows(texts).tolist() == list(range(len(texts)))
    return {text: tuple(vector) for text, vector in zip(texts, model.vectors.tolist(), strict=True)}


@pytest.mark.parametrize(("name", "header"), [("a.vec", True), ("a.txt", False), ("a.vec.gz", True)])
def test_text_formats(tmp_path: Path, name: str, *, header: bool) -> None:
    assert read(write_vectors(tmp_path / name, header=header)) == WORDS


def test_what_real_files_hold(tmp_path: Path) -> None:
    # Spaces at the end, as fastText writes them; quotes; a word twice; no newline at the end.
    (tmp_path / "a.vec").write_text('4 2\n" 1 2 \nä 3 4 \nä 5 6 \nb -1e-3 .5', encoding="utf-8")
    assert read(tmp_path / "a.vec") == {
        '"': (1, 2),
        "ä": (3, 4),
        "b": (pytest.approx(-1e-3), 0.5),
    }


def test_blocks_of_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neptuneml_plugin.processing.encoders.wordvectors._BLOCK_BYTES", 7)
    assert read(write_vectors(tmp_path / "a.vec")) == WORDS


def test_text_is_read_once(tmp_path: Path, data_root: Path) -> None:
    path = write_vectors(tmp_path / "a.vec")
    first = open_word_vectors(path)
    (folder,) = (data_root / CACHE).iterdir()
    assert open_word_vectors(path).fingerprint == first.fingerprint
    assert [folder] == list((data_root / CACHE).iterdir())
    assert read(folder) == WORDS  # our own form is a model too
    changed = write_vectors(tmp_path / "a.vec", words={"a": (1.0, 2.0)})
    assert open_word_vectors(changed).fingerprint != first.fingerprint


def test_the_same_content_has_the_same_fingerprint_in_every_form(tmp_path: Path) -> None:
    paths = [write_vectors(tmp_path / "a.vec"), write_vectors(tmp_path / "b.vec.gz")]
    convert(paths[0], tmp_path / "ours")
    assert len({open_word_vectors(path).fingerprint for path in [*paths, tmp_path / "ours"]}) == 1


def test_spacy_models(tmp_path: Path) -> None:
    language = spacy.blank("en")
    for word, vector in WORDS.items():
        language.vocab.set_vector(word, np.array(vector, np.float32))  # type: ignore[arg-type]  # thinc.types.Floats1d
    language.to_disk(tmp_path / "small")
    assert read(tmp_path / "small") == WORDS


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no vectors of words"),
        ("2 3\n", "holds no vectors of words"),
        ("1 x\na 1\n", "the first line is no header"),
        ("1 2\na 1 x\n", r"could not parse|'a' has no 2 finite numbers"),
        ("1 2\na 1\n", "cannot be read as vectors of words"),
        ("2 2\na 1 2\nb 1\n", "'b' has no 2 finite numbers"),
        ("1 2\na 1 inf\n", "'a' has no 2 finite numbers"),
        ("just words\n", r"could not parse|cannot be read|has no"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "a.vec").write_text(text)
    with pytest.raises(InvalidData, match=problem) as caught:
        open_word_vectors(tmp_path / "a.vec")
    assert str(tmp_path) in str(caught.value)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(InvalidData, match="cannot be read as vectors of words"):
        open_word_vectors(tmp_path / "model")
    (tmp_path / "model" / "vectors.json").write_text('{"words": 3}')
    with pytest.raises(InvalidData, match=r"does not hold vectors of words .*; remove it"):
        open_word_vectors(tmp_path / "model")
