"""What `auto` stands for, and why."""

from pathlib import Path

import pytest

from neptuneml_plugin.processing.encoders.categorical import Category
from neptuneml_plugin.processing.encoders.columns import Dropped
from neptuneml_plugin.processing.encoders.inference import Inferred, infer
from neptuneml_plugin.processing.encoders.numerical import Numerical
from tests.processing.columns import column, fitted, learn, spec
from tests.processing.text_models import write_vectors

AUTO: dict[str, tuple[list[str | None], str]] = {
    "numbers": (["1", "2.5", None], "numerical"),
    "few numbers of many": (["1", "2"] * 50, "category"),
    "digits of truth": (["1", "0", None, "1"], "category"),
    "truth": (["true", "False"], "category"),
    "dates": (["2020-01-01", "2021-05-05T10:00:00Z"], "datetime"),
    "words": (["red", "green", "red"], "category"),
    "number and word": (["1", "one", "1"], "category"),
    "repeated sentences": (["the red one", "the green one"] * 20, "category"),
}


@pytest.mark.parametrize("name", AUTO)
def test_auto(name: str) -> None:
    cells, kind = AUTO[name]
    inferred = infer(spec("auto"), column(cells), None)
    assert isinstance(inferred, Inferred)
    assert inferred.spec.type == kind
    assert inferred.reason


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([None, None], "it has no values"),
        (["x1", "x2", None], "every row has a value of its own, like an id"),
        (["NaN", None], "it has no values"),
        (
            ["1", "2", "n/a", None],
            "every row has a value of its own, like an id; 1 of 3 values are no numbers, such as 'n/a'",
        ),
    ],
)
def test_auto_leaves_out(cells: list[str | None], reason: str) -> None:
    assert learn(spec("auto"), cells) == Dropped(reason)


def test_auto_lists() -> None:
    assert isinstance(fitted(spec("auto", separator=";"), ["1;2", None, "3;4"]), Numerical)
    assert isinstance(fitted(spec("auto", separator=";"), ["1;2", "3"]), Category)
    assert isinstance(learn(spec("auto", separator=";"), [";", None]), Dropped)


ENGLISH = [f"the red fox is on the hill, and number {i} of it" for i in range(20)]
SPANISH = [f"el zorro rojo está en la colina, y es el número {i} de los suyos" for i in range(20)]
GERMAN = [f"der rote Fuchs ist auf dem Hügel und das ist die Nummer {i}" for i in range(20)]


def test_text_without_a_model_is_encoded_by_its_terms(tmp_path: Path) -> None:
    inferred = infer(spec("auto", imputer="median"), column(ENGLISH), tmp_path)
    assert isinstance(inferred, Inferred)
    assert (inferred.spec.type, inferred.spec.imputer) == ("text_tfidf", None)
    assert inferred.reason.startswith("free text, of language en; no model for text_fasttext in a folder")
    assert inferred.warning == f"is {inferred.reason}"


def test_text_is_encoded_by_its_language(tmp_path: Path) -> None:
    write_vectors(tmp_path / "cc.es.300.vec.gz")
    (tmp_path / "text_sbert").mkdir()
    found = {}
    for name, cells in {"en": ENGLISH, "es": SPANISH, "de": GERMAN}.items():
        inferred = infer(spec("auto"), column(cells), tmp_path)
        assert isinstance(inferred, Inferred)
        found[name] = (inferred.spec.type, inferred.spec.language)
    assert found == {"en": ("text_tfidf", ""), "es": ("text_fasttext", "es"), "de": ("text_sbert", "")}


def test_what_is_installed_does_not_decide(tmp_path: Path) -> None:
    inferred = infer(spec("auto"), column(GERMAN), tmp_path)
    assert isinstance(inferred, Inferred)
    assert inferred.spec.type == "text_tfidf"


def test_errors_are_carried_over() -> None:
    strict = infer(spec("auto", on_error="raise"), column(["1", "2", None]), None)
    assert isinstance(strict, Inferred)
    assert strict.spec.required
    filled = infer(spec("auto", imputer="median"), column(["a", "b", "a"]), None)
    assert isinstance(filled, Inferred)
    assert (filled.spec.type, filled.spec.imputer) == ("category", None)
