"""Texts: what their terms, words and sentences are encoded as."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from neptuneml_plugin.errors import InvalidData
from neptuneml_plugin.processing.encoders.columns import Dropped
from neptuneml_plugin.processing.encoders.fitted import FittedEncoders, read_encoders, write_encoders
from neptuneml_plugin.processing.encoders.sentencemodels import _batches, load_sentence_model
from neptuneml_plugin.processing.encoders.sentences import Sentences
from neptuneml_plugin.processing.encoders.tfidf import TfIdf, Vocabulary, learn_vocabulary
from neptuneml_plugin.processing.encoders.words import blocks, terms
from tests.processing.columns import column, encode, fitted, learn, spec
from tests.processing.text_models import write_vectors

# terms


def vocabulary(cells: list[str | None], **members: object) -> dict[str, int]:
    learnt = learn_vocabulary([column(cells).values], spec("text_tfidf", **members))
    return dict(zip(learnt.terms, learnt.counts, strict=True))


def test_words_of_any_script() -> None:
    found = terms(column(["Don't STOP, naïve_2!", "中文字abc", "हिन्दी भाषा", "...", None]).values, (1, 1))
    assert found["word"].to_list() == ["don", "t", "stop", "naïve_2", "中", "文", "字", "abc", "हिन्दी", "भाषा"]
    assert found["row"].to_list() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]


def test_sequences_end_with_their_text() -> None:
    found = terms(column(["a b c", "d", "e f"]).values, (2, 3))
    assert sorted(found.rows()) == [(0, "a b"), (0, "a b c"), (0, "b c"), (2, "e f")]


def test_vocabulary_by_its_limits() -> None:
    cells: list[str | None] = ["a a b", "a c", "A", "b", None]
    assert vocabulary(cells, min_df=1) == {"a": 3, "b": 2, "c": 1}
    assert vocabulary(cells) == {"a": 3, "b": 2}
    assert vocabulary(cells, max_features=1) == {"a": 3}
    assert vocabulary(["x y", "y x"], max_features=1) == {"x": 2}
    assert vocabulary(["a a b", "a a"], ngram_range=(2, 2)) == {"a a": 2}


def test_repeated_texts_count_as_often_as_they_stand() -> None:
    assert vocabulary(["a b", "a b", "a b", "b"], min_df=3) == {"a": 3, "b": 4}


def test_weights_are_those_of_the_guide() -> None:
    # Twice in the text, in four texts: 2/4; once, in two texts: 1/2. A row has length 1.
    cells = ["go go home", "go", "go", "go home"]
    row = fitted(spec("text_tfidf"), cells).encode(column(cells[:1]))[0]
    np.testing.assert_allclose(row, np.array([0.5, 0.5]) / np.sqrt(0.5), rtol=1e-6)


def test_terms_are_learnt_on_training_rows() -> None:
    cells, training = ["a b", "a b", "c", "c"], [True, True, False, False]
    encoder = fitted(spec("text_tfidf"), cells, training)
    assert isinstance(encoder, TfIdf)
    assert encoder.vocabulary == Vocabulary(("a", "b"), (2, 2))
    assert encoder.encode(column(["c", None, "a"])).tolist() == [[0, 0], [0, 0], [1, 0]]


def test_no_term_is_frequent_enough() -> None:
    assert learn(spec("text_tfidf"), ["a", "b"]) == Dropped("no term stands in 2 or more training texts (min_df)")


def test_projection_keeps_texts_apart() -> None:
    cells = [" ".join(f"w{(i * 7 + j * j) % 900}" for j in range(12)) for i in range(600)]
    encoder = fitted(spec("text_tfidf", min_df=1), cells)
    assert isinstance(encoder, TfIdf)
    assert len(encoder.vocabulary.terms) > 500
    rows = encoder.encode(column(cells)).astype(np.float64)
    assert rows.shape == (600, 100)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)
    # Cosines are those of the weights themselves, but for the projection's error.
    exact = TfIdf("x", "x", encoder.vocabulary, (1, 1))
    exact.__dict__["_projection"] = np.eye(len(encoder.vocabulary.terms))
    weights = exact._encode(column(cells).values).astype(np.float64)
    error = rows @ rows.T - weights @ weights.T
    assert np.sqrt(np.mean(error**2)) < 1.5 / np.sqrt(100)


def test_blocks_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neptuneml_plugin.processing.encoders.words._BLOCK_BYTES", 10)
    texts = column(["abc"] * 7 + ["a long text of more than ten"] + ["ab"] * 9).values
    found = list(blocks(texts, 4))
    assert [part for _, texts in found for part in texts.to_list()] == texts.to_list()
    assert max(len(part) for _, part in found) <= 4
    assert sum(len(part) for _, part in found[:1]) == 3
    cells = [f"{i} {i % 5} x" for i in range(40)]
    whole = encode(spec("text_tfidf"), cells)
    monkeypatch.undo()
    assert encode(spec("text_tfidf"), cells) == whole


# words


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("small", "cc.en.300"):
        write_vectors(tmp_path / f"{name}.vec")
    monkeypatch.setenv("NEPTUNEML_TEXT_MODELS", str(tmp_path))
    monkeypatch.setenv("NEPTUNEML_DATA_ROOT", str(tmp_path / "data"))


@pytest.mark.usefixtures("words")
def test_word2vec_is_the_mean_of_known_words() -> None:
    cells = ["the red fox", "red, RED unheard", "unheard", None, "Fox fox"]
    assert encode(spec("text_word2vec", language="small"), cells) == [
        pytest.approx([3.5 / 3, 4 / 3, 2 / 3]),
        [3, 4, 0],
        [0, 0, 0],
        [0, 0, 0],
        [0, 0.5, 1],
    ]


@pytest.mark.usefixtures("words")
def test_fasttext_is_the_mean_of_directions() -> None:
    cells = ["red the fox", "unheard red fox", None]
    feature = spec("text_fasttext", language="en", max_length=2)
    assert encode(feature, cells) == [pytest.approx([0.8, 0.4, 0]), pytest.approx([0.6, 0.8, 0]), [0, 0, 0]]


# sentences

TEXTS = ["A cat sits on the mat", "A kitten rests on a rug", "Interest rates rise again", None]


@pytest.fixture(scope="module")
def sentences() -> Sentences:
    encoder = fitted(spec("text_sbert"), TEXTS)
    assert isinstance(encoder, Sentences)
    return encoder


def test_sentences_that_mean_the_same_are_near(sentences: Sentences) -> None:
    rows = sentences.encode(column(TEXTS))
    assert rows.shape == (4, sentences.width)
    similar, other = rows[0] @ rows[1], rows[0] @ rows[2]
    assert similar > 0.4 > other
    assert not rows[3].any()


def test_a_sentence_alone_is_encoded_as_among_others(sentences: Sentences, tmp_path: Path) -> None:
    write_encoders(tmp_path / "e.json", FittedEncoders({"a": (sentences,)}))
    (loaded,) = read_encoders(tmp_path / "e.json").nodes["a"]
    assert loaded == sentences
    rows = sentences.encode(column([*TEXTS, "x " * 90]))
    for text, row in zip([*TEXTS, "x " * 90], rows, strict=True):
        assert (loaded.encode(column([text]))[0] == row).all()


def test_a_sentence_in_a_batch_of_any_size_is_encoded_alike(
    sentences: Sentences, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [f"{'word ' * (i % 9)}number {i}" for i in range(150)]
    rows = sentences.encode(column(cells))
    assert (rows[::-1] == sentences.encode(column(cells[::-1]))).all()
    assert (rows[40:47] == sentences.encode(column(cells[40:47]))).all()
    monkeypatch.setattr("neptuneml_plugin.processing.encoders.sentencemodels._BATCH_TOKENS", 60)
    assert (rows == sentences.encode(column(cells))).all()


def test_batches_of_sentences_are_of_one_length_and_bounded(sentences: Sentences) -> None:
    model, _ = load_sentence_model(Path(sentences.model.path))
    cells = ["a b c", "d", "e f g", "word " * 300, *["h"] * 1500]
    found = list(_batches(cells, None, model))
    assert sorted(place for batch in found for place in batch) == list(range(len(cells)))
    assert found[0] == [3]
    assert [0, 2] in found
    ones = [len(batch) for batch in found if len(cells[batch[0]]) == 1]
    assert ones == [2048 // 3, 2048 // 3, 1501 - 2 * (2048 // 3)]


def test_batches_give_what_the_library_gives(sentences: Sentences) -> None:
    library = SentenceTransformer(sentences.model.path, device="cpu")
    library.max_seq_length = sentences.max_length
    cells = [*TEXTS[:3], "x " * 90, "word " * 200]
    np.testing.assert_allclose(sentences.encode(column(cells)), library.encode(cells), atol=1e-6)


def test_models_of_other_modules_read_one_text_at_a_time() -> None:
    static = torch.nn.Sequential(torch.nn.EmbeddingBag(3, 2))
    assert list(_batches(["a", "a", "b"], None, static)) == [[0], [1], [2]]


def test_sentences_are_read_up_to_their_limit(sentences: Sentences) -> None:
    long = [f"{'word ' * 200}{end}" for end in ("cat", "bank")]
    first, second = sentences.encode(column(long))
    assert (first == second).all()
    wide = fitted(spec("text_sbert512"), TEXTS)
    first, second = wide.encode(column(long))
    assert not (first == second).all()


def test_other_folders_are_no_sentence_models(tmp_path: Path) -> None:
    from neptuneml_plugin.processing.encoders.sentences import fit_sentences

    (tmp_path / "text_sbert").mkdir()
    (tmp_path / "text_sbert" / "config.json").write_text("{}")
    with pytest.raises(InvalidData, match="cannot be read as a sentence model"):
        fit_sentences(spec("text_sbert"), tmp_path / "text_sbert")


def test_sentence_models_are_imported_only_for_sentences(tmp_path: Path) -> None:
    assert importlib.util.find_spec("sentence_transformers")
    script = (
        "import sys; import neptuneml_plugin.serving.inductive, neptuneml_plugin.processing.process;"
        "print({'sentence_transformers', 'transformers', 'spacy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "set()"
