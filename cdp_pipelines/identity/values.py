"""Distinct records: what records state about a person, in standard form, each distinct value once and as a number.

Normalising values and deduplicating records belong here. Which records form pairs belongs in `pairs`, how two values
compare belongs in `compare`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jellyfish
import polars as pl
from anyascii import anyascii

from cdp_pipelines.schema import RECORD_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from cdp_pipelines.identity.policy import IdentityPolicy
    from cdp_pipelines.schema import PartyRows

NAMES = ("first_name", "last_name")
# The earliest record comes first; this order is total.
_ORDER = ["drop_date", *RECORD_KEY]
_IDENTIFYING = ("first_name", "birth_date")
_PERSONAL_FIELDS = ("first_name", "middle_name", "last_name", "birth_date", "street", "postal_code")
_SEPARATE = "separate"
# Kinds of streets in full, and their abbreviations.
_STREETS = {
    "street": "st", "avenue": "ave", "av": "ave", "road": "rd", "drive": "dr", "lane": "ln", "court": "ct",
    "boulevard": "blvd", "place": "pl", "circle": "cir", "terrace": "ter", "parkway": "pkwy", "strasse": "str",
    "north": "n", "south": "s", "east": "e", "west": "w",
}  # fmt: skip
# Dates that programs write where none is known: the first days of spreadsheets, databases and clocks.
_PLACEHOLDER_DATES = ("1900-01-01", "1901-01-01", "1904-01-01", "1970-01-01")
PHONE_TAIL_LENGTH = 7
HOUSE_NUMBER, EMAIL_LOCAL = r"^(\d+)", "^([^@]+)@"


@dataclass(frozen=True, slots=True)
class DistinctRecords:
    """Records that state the same about a person, once; the vertices of the link graph, numbered from 0.

    `records`: drop_date, channel and source_record_id of each record, and `distinct`, the number of its distinct
    record; earliest first. `texts`: distinct, and the normalised fields as texts. `codes`: distinct, and each field as
    the number of its value, null if absent. `values`: field to its values (`value`) and their digests (`digest`), in
    the order of their numbers. `digests`: one row per distinct record: `content`, the digest of all fields, and the
    digest of each field and part that blocking and linking use; digests are equal in every night. `non_linking`: per
    distinct record, whether its channel's data may not unify profiles.
    """

    records: pl.DataFrame
    codes: pl.DataFrame
    values: Mapping[str, pl.DataFrame]
    texts: pl.DataFrame
    digests: pl.DataFrame
    non_linking: pl.Series

    @property
    def count(self) -> int:
        """The number of distinct records."""
        return self.texts.height

    @property
    def is_identifying(self) -> pl.Series:
        """Per distinct record, whether it has a first name or a birth date; only these are compared."""
        return self.digests.select(is_identifying()).to_series()

    @property
    def identifying_codes(self) -> pl.DataFrame:
        """The rows of `codes` of identifying distinct records."""
        return self.codes.filter(self.is_identifying)


def is_identifying() -> pl.Expr:
    """Whether a row of values, or of their digests, has a first name or a birth date."""
    return pl.any_horizontal(pl.col(name).is_not_null() for name in _IDENTIFYING)


def list_digest_fields(policy: IdentityPolicy) -> list[str]:
    """Columns of `PARTY` that tell two people apart or link their records."""
    return list(dict.fromkeys([*_PERSONAL_FIELDS, *policy.exact, *policy.shareable, *policy.compared]))


def build_distinct_records(
    party: PartyRows, policy: IdentityPolicy, separate: pl.DataFrame, non_linking: Collection[str] = ()
) -> DistinctRecords:
    """Deduplicate the records of `PARTY` by their normalised fields.

    `separate`: records (channel, source_record_id) that stay distinct records of their own, because a clerk decided
    that they differ from another record. `non_linking`: channels whose data may not unify profiles; their records are
    never deduplicated with those of other channels.
    """
    fields = [*list_digest_fields(policy), _SEPARATE]
    own = separate.unique().with_columns(pl.concat_str(*RECORD_KEY, separator=":").alias(_SEPARATE))
    is_non_linking = pl.col("channel").is_in(list(non_linking))
    ordered = party.join(own, on=list(RECORD_KEY), how="left").sort(_ORDER)
    ordered = ordered.with_columns(pl.coalesce(_SEPARATE, pl.when(is_non_linking).then("channel")))
    ordered = ordered.select(*_ORDER, *fields)
    numbered = {name: _number_values(ordered[name], _NORMALISE.get(name)) for name in fields}
    values = {name: value.to_frame().with_columns(_digest_values(value)) for name, (_, value) in numbered.items()}
    codes = pl.DataFrame({name: numbers for name, (numbers, _) in numbered.items()})
    first = codes.with_row_index("row").unique(fields, keep="first", maintain_order=True)
    first = first.with_row_index("distinct").cast({"distinct": pl.Int64})
    number = codes.join(first, on=fields, how="left", nulls_equal=True, maintain_order="left")["distinct"]
    earliest = ordered.select(_ORDER)[first["row"]]
    texts = first.select("distinct", *(values[name]["value"].gather(first[name]).alias(name) for name in fields))
    digests = first.select(values[name]["digest"].gather(first[name]).alias(name) for name in fields)
    content = digests.hash_rows(seed=0).reinterpret(signed=True).alias("content")
    blocking = {name for rule in (*policy.blocking, policy.refine_by) for name in rule}
    parts = [
        _digest_values(take_part(values[field]["value"])).gather(first[field]).alias(name)
        for name, (field, take_part) in _PARTS.items()
        if name in blocking
    ]
    return DistinctRecords(
        records=ordered.select(*_ORDER, number),
        codes=first.select("distinct", *list_digest_fields(policy)),
        values=values,
        texts=texts,
        digests=digests.drop(_SEPARATE).with_columns(content, *parts),
        non_linking=earliest.select(is_non_linking).to_series(),
    )


def _number_values(
    column: pl.Series, normalise: Callable[[pl.Series], pl.Series] | None
) -> tuple[pl.Series, pl.Series]:
    """A column as numbers, null for absent, and its distinct values in that order; each is normalised once."""
    written = column.drop_nulls().unique(maintain_order=True)
    numbers = _find_positions(column, written)
    if normalise is None:
        return numbers, written.alias("value")
    normal = normalise(written)
    distinct = normal.drop_nulls().unique(maintain_order=True)
    return _find_positions(normal, distinct).gather(numbers), distinct.alias("value")


def _find_positions(column: pl.Series, distinct: pl.Series) -> pl.Series:
    positions = distinct.to_frame("value").with_row_index("number")
    return column.to_frame("value").join(positions, on="value", how="left", maintain_order="left")["number"]


def _digest_values(values: pl.Series) -> pl.Series:
    digests = values.hash(seed=0).reinterpret(signed=True)
    return pl.select(pl.when(values.is_not_null()).then(digests).alias("digest")).to_series()


def normalise_names(names: pl.Series) -> pl.Series:
    """Words of plain lower-case letters; null if none is left."""
    letters = pl.col("text").str.replace_all(r"['`.]", "").str.replace_all("[^a-z]+", " ").str.strip_chars()
    return _transliterate(names).select(pl.when(letters != "").then(letters)).to_series()


def abbreviate_streets(streets: pl.Series) -> pl.Series:
    """Streets with their kind abbreviated; null without a house number, because too many people share those."""
    # Two blanks between words: each replacement needs a blank of its own on either side.
    spaced = pl.col("text").str.replace_all("[., ]+", "  ")
    words = pl.concat_str(pl.lit(" "), spaced, pl.lit(" ")).str.replace_many(
        [f" {word} " for word in _STREETS], [f" {short} " for short in _STREETS.values()]
    )
    short = _transliterate(streets).select(words.str.replace_all(" +", " ").str.strip_chars(" ").alias("street"))
    return short.select(pl.when(pl.col("street").str.contains(r"\d")).then("street")).to_series()


def write_dates(dates: pl.Series) -> pl.Series:
    """Dates as YYYY-MM-DD; null for one that stands for no date, because it would make strangers alike."""
    texts = pl.col("text").dt.strftime("%Y-%m-%d")
    known = pl.when(~texts.is_in(_PLACEHOLDER_DATES)).then(texts)
    return dates.alias("text").to_frame().select(known.alias("text")).to_series()


def _transliterate(texts: pl.Series) -> pl.DataFrame:
    """Column `text`: every script in lower-case ASCII letters."""
    other = texts.filter(texts.str.len_bytes() != texts.str.len_chars()).unique()
    spelt = texts.replace(other, pl.Series([anyascii(text) for text in other.to_list()], dtype=pl.String))
    return spelt.str.to_lowercase().to_frame("text")


def _sound_out(names: pl.Series) -> pl.Series:
    """The sound of each name (Russell's Soundex)."""
    return pl.Series([jellyfish.soundex(name.replace(" ", "")) for name in names.to_list()], dtype=pl.String)


# The standard form of each field in which values are compared; fields that are not listed are taken as they are.
_NORMALISE: Mapping[str, Callable[[pl.Series], pl.Series]] = {
    **dict.fromkeys(NAMES, normalise_names),
    "street": abbreviate_streets,
    "middle_name": lambda names: names.str.to_lowercase().str.head(1),
    "birth_date": write_dates,
}
# The parts of fields that blocking may use (`policy.Part`): the field, and how the part is taken.
_PARTS: Mapping[str, tuple[str, Callable[[pl.Series], pl.Series]]] = {
    "first_initial": ("first_name", lambda names: names.str.head(1)),
    "first_sound": ("first_name", _sound_out),
    "last_sound": ("last_name", _sound_out),
    "house_number": ("street", lambda streets: streets.str.extract(HOUSE_NUMBER)),
    "email_local": ("email", lambda emails: emails.str.extract(EMAIL_LOCAL)),
    "phone_tail": ("phone", lambda phones: phones.str.tail(PHONE_TAIL_LENGTH)),
}
