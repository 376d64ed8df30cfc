"""What records say, made comparable: plain letters, addresses in parts, each distinct value once, as a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import jellyfish
import polars as pl
from anyascii import anyascii

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from cdp_pipelines.identity.policy import IdentityPolicy

RECORD = ["drop_date", "channel", "source_record_id"]
NAMES = ("first_name", "last_name")
_WHO = ("first_name", "birth_date")
_TOLD = ("first_name", "middle_name", "last_name", "birth_date", "street", "postal_code")
_ALONE = "alone"
# Kinds of streets in full, and as they are written short.
_STREETS = {
    "street": "st", "avenue": "ave", "av": "ave", "road": "rd", "drive": "dr", "lane": "ln", "court": "ct",
    "boulevard": "blvd", "place": "pl", "circle": "cir", "terrace": "ter", "parkway": "pkwy", "strasse": "str",
    "north": "n", "south": "s", "east": "e", "west": "w",
}  # fmt: skip
TAIL = 7
HOUSE, LOCAL = r"^(\d+)", "^([^@]+)@"


@dataclass(frozen=True, slots=True)
class DistinctRecords:
    """What there is to tell apart, each once.

    `records`: each record of `RECORD` with its node; `says`: node (from 0, in order of their first records) and what
    it says, as texts; `frame`: the same, each value as a number, null where there is none; `values`: field to its
    distinct values (`value`) and their digests (`digest`), in the order of their numbers; `digest`: per node, in turn,
    `content`, a digest of all that it says, and of each value that blocking and linking use, and of parts of values,
    the same in every night; `bound`: per node, whether its records may be linked for the purposes of their own channel
    alone.
    """

    records: pl.DataFrame
    frame: pl.DataFrame
    values: Mapping[str, pl.DataFrame]
    says: pl.DataFrame
    digest: pl.DataFrame
    bound: pl.Series

    @property
    def who(self) -> pl.Series:
        """Whether each node says who somebody is: the others are joined by what they share alone."""
        return self.digest.select(is_identifying()).to_series()

    @property
    def among(self) -> pl.DataFrame:
        """The rows of `frame` that say who somebody is."""
        return self.frame.filter(self.who)


def is_identifying() -> pl.Expr:
    """Whether a row of values, or of their digests, says who somebody is."""
    return pl.any_horizontal(pl.col(name).is_not_null() for name in _WHO)


def digest_fields(policy: IdentityPolicy) -> list[str]:
    """Columns of `PARTY` that tell who a record is about."""
    return list(dict.fromkeys([*_TOLD, *policy.exact, *policy.shareable, *policy.comparisons]))


def build_distinct_records(
    party: pl.DataFrame, policy: IdentityPolicy, alone: pl.DataFrame, bound: Collection[str] = ()
) -> DistinctRecords:
    """Records of `PARTY` that say the same of a person are one node; those of `alone` (channel, id) have their own.

    So have those of each of the channels `bound`, whose data may not join profiles.
    """
    says = [*digest_fields(policy), _ALONE]
    own = alone.unique().with_columns(pl.concat_str("channel", "source_record_id", separator=":").alias(_ALONE))
    is_bound = pl.col("channel").is_in(list(bound))
    read = party.join(own, on=["channel", "source_record_id"], how="left").sort(RECORD)
    read = read.with_columns(pl.coalesce(_ALONE, pl.when(is_bound).then("channel"))).select(*RECORD, *says)
    numbered = {name: _numbered(read[name], _SPELT.get(name)) for name in says}
    values = {name: value.to_frame().with_columns(_digest(value)) for name, (_, value) in numbered.items()}
    coded = pl.DataFrame({name: numbers for name, (numbers, _) in numbered.items()})
    distinct = coded.with_row_index("row").unique(says, keep="first", maintain_order=True)
    distinct = distinct.with_row_index("node").cast({"node": pl.Int64})
    node = coded.join(distinct, on=says, how="left", nulls_equal=True, maintain_order="left")["node"]
    of_node = read.select(RECORD)[distinct["row"]]
    said = distinct.select("node", *(values[name]["value"].gather(distinct[name]).alias(name) for name in says))
    whole = distinct.select(values[name]["digest"].gather(distinct[name]).alias(name) for name in says)
    content = whole.hash_rows(seed=0).reinterpret(signed=True).alias("content")
    asked = {name for fields in (*policy.blocking, policy.cut_by) for name in fields}
    parts = [
        _digest(cut(values[of]["value"])).gather(distinct[of]).alias(name)
        for name, (of, cut) in _PARTS.items()
        if name in asked
    ]
    digest = whole.drop(_ALONE).with_columns(content, *parts)
    frame = distinct.select("node", *digest_fields(policy))
    return DistinctRecords(
        read.select(*RECORD, node), frame, values, said, digest, of_node.select(is_bound).to_series()
    )


def _numbered(column: pl.Series, spell: Callable[[pl.Series], pl.Series] | None) -> tuple[pl.Series, pl.Series]:
    """A column as numbers, null for none, and its distinct values in the order of their numbers; each is spelt once."""
    written = column.drop_nulls().unique(maintain_order=True)
    numbers = _places(column, written)
    if spell is None:
        return numbers, written.alias("value")
    spelt = spell(written)
    distinct = spelt.drop_nulls().unique(maintain_order=True)
    return _places(spelt, distinct).gather(numbers), distinct.alias("value")


def _places(column: pl.Series, distinct: pl.Series) -> pl.Series:
    of_value = distinct.to_frame("value").with_row_index("number")
    return column.to_frame("value").join(of_value, on="value", how="left", maintain_order="left")["number"]


def _digest(values: pl.Series) -> pl.Series:
    digests = values.hash(seed=0).reinterpret(signed=True)
    return pl.select(pl.when(values.is_not_null()).then(digests).alias("digest")).to_series()


def normalise_names(names: pl.Series) -> pl.Series:
    """Words of plain small letters; null where none is left."""
    letters = pl.col("text").str.replace_all(r"['`.]", "").str.replace_all("[^a-z]+", " ").str.strip_chars()
    return _in_ascii(names).select(pl.when(letters != "").then(letters)).to_series()


def abbreviate_streets(streets: pl.Series) -> pl.Series:
    """Streets with the short form of their kind; null without a house number, for too many share such a one."""
    # Each word between blanks of its own, for no two may claim one.
    apart = pl.col("text").str.replace_all("[., ]+", "  ")
    words = pl.concat_str(pl.lit(" "), apart, pl.lit(" ")).str.replace_many(
        [f" {word} " for word in _STREETS], [f" {short} " for short in _STREETS.values()]
    )
    short = _in_ascii(streets).select(words.str.replace_all(" +", " ").str.strip_chars(" ").alias("street"))
    return short.select(pl.when(pl.col("street").str.contains(r"\d")).then("street")).to_series()


def _in_ascii(texts: pl.Series) -> pl.DataFrame:
    """Column `text`: every script spelt in small letters of ASCII."""
    other = texts.filter(texts.str.len_bytes() != texts.str.len_chars()).unique()
    spelt = texts.replace(other, pl.Series([anyascii(each) for each in other.to_list()], dtype=pl.String))
    return spelt.str.to_lowercase().to_frame("text")


def _sound(names: pl.Series) -> pl.Series:
    """How each name sounds (Russell's Soundex)."""
    return pl.Series([jellyfish.soundex(each.replace(" ", "")) for each in names.to_list()], dtype=pl.String)


# How what records say is spelt, so that it can be compared.
_SPELT: Mapping[str, Callable[[pl.Series], pl.Series]] = {
    **dict.fromkeys(NAMES, normalise_names),
    "street": abbreviate_streets,
    "middle_name": lambda names: names.str.to_lowercase().str.head(1),
    "birth_date": lambda dates: dates.dt.strftime("%Y-%m-%d"),
}
# What blocking may use of a field (`policy.Part`) besides the whole.
_PARTS: Mapping[str, tuple[str, Callable[[pl.Series], pl.Series]]] = {
    "first_initial": ("first_name", lambda names: names.str.head(1)),
    "first_sound": ("first_name", _sound),
    "last_sound": ("last_name", _sound),
    "house_number": ("street", lambda streets: streets.str.extract(HOUSE)),
    "email_local": ("email", lambda emails: emails.str.extract(LOCAL)),
    "phone_tail": ("phone", lambda phones: phones.str.tail(TAIL)),
}
