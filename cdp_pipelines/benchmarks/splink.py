"""Splink 5 on a file of party records, tuned as its documentation advises; run by a Python that has splink 5.0.0.

Usage: python splink.py PARTY.parquet CLUSTERS.parquet. Splink's run belongs here; it imports nothing of ours.
Comparisons are those of its comparison library for each kind of field, with term frequencies where values are skewed; u
from random pairs, m by expectation maximisation on several blocking rules; clusters at a probability of 0.95, its
tutorial's threshold. Clusters at other thresholds are written beside, as CLUSTERS.parquet.<threshold>, after the clock
has stopped. Comparisons are on the fields that ours uses, and blocking is on pairs of fields as in its guide.
"""

import json
import logging
import resource
import sys
import time

import duckdb
import splink.comparison_library as cl
from splink import Linker, SettingsCreator, block_on
from splink.backends.duckdb import DuckDBAPI

THRESHOLD = 0.95
OTHER_THRESHOLDS = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999, 0.999999)
FIELDS = (
    "first_name",
    "last_name",
    "birth_date",
    "email",
    "phone",
    "street",
    "postal_code",
    "loyalty_card",
    "device_id",
)
COMPARISONS = {
    "first_name": cl.NameComparison("first_name").configure(term_frequency_adjustments=True),
    "last_name": cl.NameComparison("last_name").configure(term_frequency_adjustments=True),
    "birth_date": cl.DateOfBirthComparison("birth_date", input_is_string=False),
    "email": cl.EmailComparison("email"),
    "phone": cl.ExactMatch("phone").configure(term_frequency_adjustments=True),
    "street": cl.JaroWinklerAtThresholds("street", [0.95, 0.88]).configure(term_frequency_adjustments=True),
    "loyalty_card": cl.DamerauLevenshteinAtThresholds("loyalty_card", [1, 2]),
    "device_id": cl.ExactMatch("device_id"),
}
RULES = (
    ("email",),
    ("phone",),
    ("device_id",),
    ("loyalty_card",),
    ("last_name", "street"),
    ("first_name", "last_name", "postal_code"),
    ("first_name", "birth_date"),
    ("last_name", "birth_date"),
    ("first_name", "street"),
    ("postal_code", "birth_date"),
)
SURE = (
    ("email",),
    ("loyalty_card",),
    ("first_name", "birth_date"),
    ("last_name", "birth_date"),
    ("first_name", "street"),
)
TRAINING = (("first_name", "last_name"), ("birth_date",), ("email",), ("street",))


def main(party: str, clusters: str) -> None:
    """Read, train, predict, cluster, write; print seconds, GiB and pairs as JSON."""
    started = time.perf_counter()
    con = duckdb.connect()
    con.execute("SET enable_progress_bar = false")
    letters = "nullif(regexp_replace(lower(strip_accents({0})), '[^a-z]', '', 'g'), '') AS {0}"
    names = ", ".join(letters.format(name) for name in ("first_name", "last_name"))
    con.execute(
        f"CREATE TABLE people AS SELECT row_number() OVER () AS unique_id, channel, source_record_id, {names}, "
        f"{', '.join(FIELDS[2:])} FROM read_parquet('{party}')"
    )
    has_values = {name: con.execute(f"SELECT count({name}) FROM people").fetchall()[0][0] > 0 for name in FIELDS}

    def known(rules: tuple[tuple[str, ...], ...]) -> list:
        return [block_on(*rule) for rule in rules if all(has_values[name] for name in rule)]

    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[comparison for name, comparison in COMPARISONS.items() if has_values[name]],
        blocking_rules_to_generate_predictions=known(RULES),
        retain_intermediate_calculation_columns=False,
        retain_matching_columns=False,
    )
    linker = Linker(DuckDBAPI(con).register("people"), settings, log_level=logging.ERROR)
    linker.training.estimate_probability_two_random_records_match(known(SURE), recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for rule in known(TRAINING):
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    predicted = linker.inference.predict(threshold_match_probability=0.01)
    found = linker.clustering.cluster_pairwise_predictions_at_threshold(
        predicted, threshold_match_probability=THRESHOLD
    )
    _write(con, found.physical_name, clusters)
    seconds = time.perf_counter() - started
    # Counted after the clock has stopped, for Splink keeps no count.
    blocked = linker.inference.compute_blocked_pairs_for_predict()
    pairs = con.execute(f"SELECT count(*) FROM {blocked.physical_name}").fetchall()[0][0]
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    for other in OTHER_THRESHOLDS:
        found = linker.clustering.cluster_pairwise_predictions_at_threshold(
            predicted, threshold_match_probability=other
        )
        _write(con, found.physical_name, f"{clusters}.{other}")
    sys.stdout.write(json.dumps({"seconds": seconds, "gib": gib, "pairs": pairs}) + "\n")


def _write(con: duckdb.DuckDBPyConnection, table: str, file: str) -> None:
    con.execute(
        "COPY (SELECT channel, source_record_id, CAST(cluster_id AS VARCHAR) AS customer_id "
        f"FROM {table}) TO '{file}' (FORMAT parquet)"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
