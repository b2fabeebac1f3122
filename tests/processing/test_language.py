"""Which language a column of texts is in."""

import polars as pl
import pytest

from neptuneml_plugin.processing.encoders.language import detect_language

TEXTS = {
    "en": ["A thriller about the end of the world", "The story of two friends and their dog"],
    "es": ["Una historia de amor en los tiempos de la guerra", "El viaje de un niño por el mundo"],
    "fr": ["Une histoire d'amour dans les rues de Paris", "Le voyage d'un enfant et de sa mère"],
    "de": ["Die Geschichte von zwei Freunden und einem Hund", "Der lange Weg in die Stadt"],
    "zh": ["关于世界末日的惊悚片", "两个朋友和一只狗的故事 (2001)"],
    "hi": ["दो दोस्तों और उनके कुत्ते की कहानी", "दुनिया के अंत के बारे में"],
}


@pytest.mark.parametrize("language", TEXTS)
def test_language(language: str) -> None:
    assert detect_language(pl.Series(TEXTS[language])) == language


@pytest.mark.parametrize(
    "texts",
    [["世界の終わりについての物語", "二人の友達と犬"], ["xqz wrt plk", "mnb vcx"], ["12 34", "5"], [], [None]],
)
def test_no_language_that_is_told_apart(texts: list[str | None]) -> None:
    assert detect_language(pl.Series(texts, dtype=pl.String)) is None
