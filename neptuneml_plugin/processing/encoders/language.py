"""The language of a column of texts, for `auto`: by script, then by the commonest words of each language."""

import polars as pl

#: Distinct texts that are looked at.
_SAMPLE = 1000
#: Share of the letters in a script, and least share of the words that are a language's commonest.
_SCRIPT_SHARE, _COMMON_SHARE = 0.3, 0.08
_SCRIPTS = {"zh": r"\p{Han}", "hi": r"\p{Devanagari}"}
#: Japanese is written with Chinese characters and with its own.
_NOT_CHINESE = r"[\p{Hiragana}\p{Katakana}]"
_COMMON = {
    "en": "the of and to in is that for with as was on are be this by it from at or an which not",
    "es": "el la los las de del que y en un una por con para es se su al lo como más pero fue",
    "fr": "le la les des du de et est une un dans qui que pour pas sur au aux avec ce il elle sont",
    "de": "der die das und ist in den von zu mit ein eine nicht auf für im dem des sich auch als an",
    "it": "il la di che e un una per in con del della le non è si dei da al come più sono nel",
    "pt": "o a os as de do da que e em um uma para com não por se na no mais dos foi ao",
    "nl": "de het een en van is in op te dat die voor met niet zijn aan er om ook als bij",
}


def detect_language(texts: pl.Series) -> str | None:
    """Return an ISO 639-1 code; None: not one that this tells apart."""
    sample = texts.drop_nulls().unique(maintain_order=True).head(_SAMPLE).str.to_lowercase()
    letters = _count(sample, r"\p{L}")
    if not letters:
        return None
    if _count(sample, _NOT_CHINESE) > 0:
        return None
    for language, script in _SCRIPTS.items():
        if _count(sample, script) / letters > _SCRIPT_SHARE:
            return language
    words = sample.str.extract_all(r"[\p{L}\p{M}]+").explode().drop_nulls()
    shares = {
        language: words.is_in(common.split()).sum() / max(1, len(words)) for language, common in _COMMON.items()
    }
    best = max(shares, key=lambda language: shares[language])
    return best if shares[best] >= _COMMON_SHARE else None


def _count(texts: pl.Series, pattern: str) -> int:
    return int(texts.str.count_matches(pattern).sum())
