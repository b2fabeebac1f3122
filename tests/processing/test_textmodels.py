"""Where text models are found, and what is said of one that is not there."""

from pathlib import Path

import pytest

from neptuneml_plugin.errors import PreconditionsFailed
from neptuneml_plugin.processing.encoders.textmodels import find_model, require_model
from neptuneml_plugin.processing.encoders.vectors import WordMeans
from tests.processing.columns import column, fitted, spec
from tests.processing.text_models import write_vectors

WORD2VEC = spec("text_word2vec", language="en_core_web_lg")
FASTTEXT = spec("text_fasttext", language="fr")


@pytest.fixture(autouse=True)
def data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPTUNEML_DATA_ROOT", str(tmp_path / "data"))
    monkeypatch.delenv("NEPTUNEML_TEXT_MODELS", raising=False)


@pytest.mark.parametrize(
    ("feature", "name"),
    [
        (WORD2VEC, "en_core_web_lg.vec"),
        (WORD2VEC, "en_core_web_lg.txt.gz"),
        (FASTTEXT, "text_fasttext-fr.vec"),
        (FASTTEXT, "cc.fr.300.vec.gz"),
        (FASTTEXT, "wiki.fr.vec"),
    ],
)
def test_files_are_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, feature: object, name: str
) -> None:
    assert isinstance(feature, type(WORD2VEC))
    assert find_model(feature, tmp_path) is None
    path = write_vectors(tmp_path / name)
    assert find_model(feature, tmp_path) == path
    assert find_model(feature, None) is None
    monkeypatch.setenv("NEPTUNEML_TEXT_MODELS", str(tmp_path))
    assert find_model(feature, None) == path


def test_an_installed_package_has_a_sentence_model(tmp_path: Path) -> None:
    path = find_model(spec("text_sbert512"), tmp_path)
    assert path is not None
    assert (path / "modules.json").is_file()
    assert find_model(spec("text_sbert512"), tmp_path, installed=False) is None
    (tmp_path / "text_sbert").mkdir()
    assert find_model(spec("text_sbert512"), tmp_path) == tmp_path / "text_sbert"


@pytest.mark.parametrize(
    ("feature", "advice"),
    [
        (WORD2VEC, r"install the spaCy model 'en_core_web_lg', or put .* 'en_core_web_lg\.vec' into the folder"),
        (
            FASTTEXT,
            r"put fastText's model of the language, 'cc\.fr\.300\.bin' or .* into the folder",
        ),
    ],
)
def test_a_missing_model_is_named_with_how_to_get_it(tmp_path: Path, feature: object, advice: str) -> None:
    assert isinstance(feature, type(WORD2VEC))
    message = rf"feature 'x' \({feature.type}\) needs .*{advice}.* NEPTUNEML_TEXT_MODELS, names; or use text_tfidf"
    with pytest.raises(PreconditionsFailed, match=message):
        require_model(feature, tmp_path)


def test_a_model_that_moved_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "models"
    monkeypatch.setenv("NEPTUNEML_TEXT_MODELS", str(models))
    path = write_vectors(models / "en_core_web_lg.vec")
    encoder = fitted(WORD2VEC, ["the red fox"])
    assert isinstance(encoder, WordMeans)
    row = encoder.encode(column(["a red Fox"])).tolist()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path.rename(elsewhere / path.name)
    with pytest.raises(
        PreconditionsFailed, match=r"needs the text model 'en_core_web_lg'.*is not there; put it into"
    ):
        encoder.encode(column(["a red Fox"]))
    monkeypatch.setenv("NEPTUNEML_TEXT_MODELS", str(elsewhere))
    assert encoder.encode(column(["a red Fox"])).tolist() == row


def test_another_model_under_the_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPTUNEML_TEXT_MODELS", str(tmp_path))
    write_vectors(tmp_path / "en_core_web_lg.vec")
    encoder = fitted(WORD2VEC, ["the red fox"])
    write_vectors(tmp_path / "en_core_web_lg.vec", words={"red": (1.0, 2.0, 3.0)})
    with pytest.raises(PreconditionsFailed, match="holds another model of this name"):
        encoder.encode(column(["red"]))
