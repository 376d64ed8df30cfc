"""Words of a field whose spelling does not matter: compared without case, invisible characters and extra blanks."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Words for yes and no in the exports of databases, spreadsheets, forms and consent tools, in lower case.
_YES = """
    true t yes y 1 1.0 on checked selected enabled active x \u2713 \u2714 \u2611 opt-in opt_in optin opted-in opted_in
    subscribed accepted accept agreed agree allowed allow granted given wahr ja j vrai oui verdadero s\u00ed si vero sim
    tak da \u0434\u0430 \u306f\u3044 \u662f evet kyll\u00e4
""".split()  # noqa: SIM905
_NO = """
    false f no n 0 0.0 -0 off unchecked unselected disabled inactive \u2717 \u2718 \u2610 opt-out opt_out optout
    opted-out opted_out unsubscribed declined decline rejected reject refused refuse denied deny disallowed
    withdrawn revoked falsch nein faux non falso n\u00e3o nie \u043d\u0435\u0442 \u3044\u3044\u3048 \u5426 hay\u0131r ei
""".split()  # noqa: SIM905
_BOOLEANS = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)


def normalise_words(text: pl.Expr) -> pl.Expr:
    """Words in compatibility form (NFKC) and lower case, one blank between them, without invisible characters."""
    plain = text.str.normalize("NFKC").str.replace_all(r"\p{Cf}", "").str.replace_all(r"\s+", " ")
    return plain.str.strip_chars().str.to_lowercase()


def read_boolean(text: pl.Expr) -> pl.Expr:
    """Yes or no in any of the words that exports use; null for any other text."""
    return normalise_words(text).replace_strict(_BOOLEANS, default=None, return_dtype=pl.Boolean)


def is_one_of(text: pl.Expr, words: Iterable[str]) -> pl.Expr:
    """Whether a text is one of these words, however it is spelt; null stays null."""
    return normalise_words(text).is_in([_normalise_word(word) for word in words])


def translate_words(text: pl.Expr, meanings: Mapping[str, str]) -> pl.Expr:
    """The meaning of a word, however it is spelt; null for a word without one.

    Where the words are `true` and `false` alone, any word for yes or no is read as one of them.
    """
    if meanings.keys() <= {"true", "false"}:
        text = read_boolean(text).cast(pl.String)
    spelling = {_normalise_word(word): meaning for word, meaning in meanings.items()}
    return normalise_words(text).replace_strict(spelling, default=None, return_dtype=pl.String)


def _normalise_word(word: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", word).split()).lower()
