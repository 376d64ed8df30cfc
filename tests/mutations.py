"""Single-rule faults planted in the engine, one at a time: each must be caught by the tests. `make mutations`.

Each fault is a text of one file and the text that replaces it. The repository is copied for each worker, so that no
fault is ever planted in the working copy.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
COPIED = ("assets", "cdp_pipelines", "expectations", "warehouse", "tests", "pyproject.toml", "workspace.yaml")
CONSENT = "cdp_pipelines/consent"
CHANNELS = "cdp_pipelines/channels"
# The quick ones first: a fault need only be caught once.
TESTS = [
    "tests/cdp_pipelines/consent/test_bases.py",
    "tests/cdp_pipelines/consent/test_decide.py",
    "tests/cdp_pipelines/consent/test_history.py",
    "tests/cdp_pipelines/consent/test_cases.py",
    "tests/cdp_pipelines/consent/test_merge_gate.py",
    "tests/cdp_pipelines/golden",
    "tests/cdp_pipelines/marts",
    "tests/cdp_pipelines/channels/test_elements.py",
    "tests/cdp_pipelines/consent/test_oracle.py",
]
OF_NIGHTS = ("tests/cdp_pipelines/purposes/test_company.py", "tests/cdp_pipelines/services/test_nights.py")
OF_RETENTION = ("tests/cdp_pipelines/services/test_retention.py", "-k", "share")
OF_GATES = ("tests/expectations/test_gate.py",)
OF_JSON = (
    "tests/cdp_pipelines/channels/formats/test_json_array.py",
    "tests/cdp_pipelines/channels/formats/test_json_records.py",
)
OF_PARQUET = ("tests/cdp_pipelines/channels/formats/test_parquet_records.py",)
OF_DATABASES = ("tests/assets/runtime/test_instance.py",)
OF_MARTS = ("tests/cdp_pipelines/services/test_marts.py", "-k", "lasting")
OF_UNRESOLVED = (
    "tests/cdp_pipelines/consent/test_unresolved.py",
    "tests/cdp_pipelines/standardise/test_stated_kind.py",
)
OF_NAMES = ("tests/cdp_pipelines/standardise/test_parse.py",)
OF_PRIVACY_STRINGS = ("tests/cdp_pipelines/standardise/test_consent_statement.py",)
OF_DROPS = ("tests/warehouse/sources",)
OF_GROWN_FILES = ("tests/cdp_pipelines/services/test_ingestion.py",)
OF_DOCTOR = ("tests/cdp_pipelines/services/test_doctor.py", "-k", "not runs_to_the_same")
OF_MART_SQL = ("tests/warehouse/test_mart_sql.py",)
OF_SILENCE = (
    "tests/cdp_pipelines/channels/test_continuity.py",
    "tests/cdp_pipelines/consent/test_silence.py",
    "tests/cdp_pipelines/services/test_silence.py",
)
OF_AGREEMENT = (
    "tests/cdp_pipelines/marts",
    "tests/cdp_pipelines/services/test_reconciliation.py",
    "tests/cdp_pipelines/services/test_simulation.py",
)
OF_DECODED_STRINGS = ("tests/cdp_pipelines/standardise/test_privacy_string.py",)
OF_FILES = (
    "tests/cdp_pipelines/channels/test_records.py",
    "tests/cdp_pipelines/channels/test_field_value.py",
    "tests/cdp_pipelines/channels/formats/test_encoding.py",
)
OF_HOSTILE_FILES = ("tests/cdp_pipelines/channels/formats/test_hostile_files.py",)
OF_GENERATIONS = ("tests/cdp_pipelines/identity/test_generations.py",)
OF_OUTPUT = ("tests/cdp_pipelines/cli/test_output.py",)
OF_GZIP = ("tests/cdp_pipelines/channels/test_records.py", "-k", "gzip")
OF_CONSENT_OF_DROPS = ("tests/warehouse/verify/test_consent.py", "-k", "every_format")
OF_CHANGES = ("tests/warehouse/delta/test_additions.py", "tests/cdp_pipelines/services/test_record_changes.py")
OF_MEMORY = ("tests/cdp_pipelines/services/test_step_memory.py",)
OF_CHANGED_ROWS = (
    "tests/expectations/test_changed_rows.py",
    "tests/cdp_pipelines/services/test_checked_write.py",
)
OF_CUSTOMERS = (
    "tests/cdp_pipelines/golden/test_golden_input.py",
    "tests/cdp_pipelines/services/test_customer_changes.py",
    "-m",
    "not slow",
)
STATEMENT = "cdp_pipelines/standardise/consent_statement.py"
WORKERS = 2


class Fault(NamedTuple):
    """What is planted: a name, the file, the text in it, the text that replaces it, and the tests that must notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = tuple(TESTS)


FAULTS = (
    Fault("vendor_consent_ignored", STATEMENT, "        vendor in permitted\n        and (", "        (", OF_PRIVACY_STRINGS),
    Fault("undisclosed_vendor_granted", STATEMENT, "disclosed is None or vendor in disclosed", "True", OF_PRIVACY_STRINGS),
    Fault("publisher_restriction_ignored", STATEMENT, "for restricted in forbidding)", "for restricted in ())", OF_PRIVACY_STRINGS),
    Fault("damaged_segment_grants", STATEMENT, "is_granted = is_whole and all(", "is_granted = all(", OF_PRIVACY_STRINGS),
    Fault("gpc_of_an_unknown_place_ignored", STATEMENT, ".fill_null(gpc.UNKNOWN)", ".fill_null(gpc.ELSEWHERE)", OF_PRIVACY_STRINGS),
    Fault("initials_taken_for_a_family_name", "cdp_pipelines/standardise/parse.py", "(capital_count and not _is_initials(words[0]))", "capital_count", OF_NAMES),
    Fault("marks_of_letters_lost", "cdp_pipelines/standardise/parse.py", '(kind == "M" or sign in _JOINERS)', "(sign in _JOINERS)", OF_NAMES),
    Fault("mark_of_an_emoji_kept", "cdp_pipelines/standardise/parse.py", ' and kept[-1:] not in {"", " "}', "", OF_NAMES),
    Fault("title_after_a_comma_is_a_first_name", "cdp_pipelines/standardise/parse.py", "segment.split(), 0 if at else 1", "segment.split(), 9 if at else 1", OF_NAMES),
    Fault("declared_title_ignored", "cdp_pipelines/standardise/parse.py", "if has_title and (is_family_name or words[0].islower())", "if has_title and words[0].islower()", OF_NAMES),
    Fault("name_not_composed", "cdp_pipelines/standardise/parse.py", 'unicodedata.normalize("NFC", text).split()', "text.split()", OF_NAMES),
    Fault("unnamed_event_not_listed", f"{CONSENT}/unresolved.py", "for frame in (*stated, asked))", "for frame in (*stated[1:], asked))", OF_UNRESOLVED),
    Fault("unknown_subject_not_listed", f"{CONSENT}/unresolved.py", "for frame in (*stated, asked))", "for frame in (*stated[:1], asked))", OF_UNRESOLVED),
    Fault("request_that_names_nobody_not_listed", f"{CONSENT}/unresolved.py", "for frame in (*stated, asked))", "for frame in stated)", OF_UNRESOLVED),
    Fault("subject_known_by_its_value_alone", f"{CONSENT}/unresolved.py", 'events.join(known, on=subject, how="anti")', 'events.join(known, on="subject_value", how="anti")', OF_UNRESOLVED),
    Fault("obeyed_event_listed_after_retention", f"{CONSENT}/unresolved.py", 'waiting = unnamed.join(ledger.select(CONSENT_EVENT.key), on=list(CONSENT_EVENT.key), how="anti")', "waiting = unnamed", OF_UNRESOLVED),
    Fault("clerk_grants", f"{CONSENT}/unresolved.py", 'events.filter(~pl.col("status").is_in(PERMISSIVE_STATUSES))', "events", OF_UNRESOLVED),
    Fault("resolved_event_counts_from_today", f"{CONSENT}/unresolved.py", 'pl.lit(night).alias("drop_date")', 'pl.lit(night).alias("drop_date"), pl.lit(night).alias("event_at")', OF_UNRESOLVED),
    Fault("first_resolution_applies", f"{CONSENT}/unresolved.py", 'resolutions.sort("resolution_number").unique(RECORD_KEY, keep="last"', 'resolutions.sort("resolution_number").unique(RECORD_KEY, keep="first"', OF_UNRESOLVED),
    Fault("resolved_request_keeps_its_text", f"{CONSENT}/unresolved.py", 'pl.coalesce("named_value", "subject_value")', 'pl.coalesce("subject_value", "named_value")', OF_UNRESOLVED),
    Fault("grant_of_another_kind_counts", "cdp_pipelines/standardise/consent_event.py", '            pl.when(pl.col("status").is_in(PERMISSIVE_STATUSES))\n            .then("subject_kind")', '            pl.when(pl.col("status").is_in(()))\n            .then("subject_kind")', OF_UNRESOLVED),
    Fault("denial_of_another_kind_unread", "cdp_pipelines/standardise/consent_event.py", "corrected = pl.when(is_other).then(pl.lit(other)).otherwise(corrected)", "corrected = corrected if is_other is not None else kind", OF_UNRESOLVED),
    Fault("grant_on_several_addresses_counts", "cdp_pipelines/standardise/consent_event.py", '(pl.col("subjects").list.len() == 1) | ~pl.col("status").is_in(PERMISSIVE_STATUSES)', 'pl.col("subjects").list.len() > 0', OF_UNRESOLVED),
    Fault("statement_without_a_subject_lost", "cdp_pipelines/standardise/consent_event.py", '.filter(pl.col("purpose").is_not_null(), pl.col("status").is_not_null())', '.filter(pl.col("purpose").is_not_null(), pl.col("status").is_not_null(), pl.col("subject_value").is_not_null())', OF_UNRESOLVED),
    Fault("permissive_event_wins_a_tie", f"{CONSENT}/events.py", 'RESTRICTIVENESS = {**dict.fromkeys(PERMISSIVE_STATUSES, 0), "denied": 1}', 'RESTRICTIVENESS = {**dict.fromkeys(PERMISSIVE_STATUSES, 3), "denied": 1}'),
    Fault("recorded_at_left_out_of_the_order", f"{CONSENT}/events.py", 'events.sort("event_at", "recorded_at", restrictiveness, "event_id")', 'events.sort("event_at", restrictiveness, "event_id")'),
    Fault("future_grant_accepted", f"{CONSENT}/events.py", "~(is_permissive & is_future), ~is_unproven", "~is_unproven"),
    Fault("future_withdrawal_dropped", f"{CONSENT}/events.py", "~(is_permissive & is_future)", "~is_future"),
    Fault("tolerance_too_wide", f"{CONSENT}/events.py", "TOLERANCE = timedelta(hours=24)", "TOLERANCE = timedelta(hours=48)"),
    Fault("known_at_ignored", f"{CONSENT}/events.py", 'ledger.filter(pl.col("recorded_at") <= known_at, ', "ledger.filter("),
    Fault("event_after_as_of_counts", f"{CONSENT}/events.py", '        .filter(pl.col("event_at") <= as_of)\n', ""),
    Fault("grant_without_notice_accepted", f"{CONSENT}/events.py", 'pl.col("notice_version").is_null() | pl.col("method").is_null()', 'pl.col("method").is_null()'),
    Fault("pre_ticked_accepted", f"{CONSENT}/events.py", 'INVALID_METHODS = ("bundled", "pre_ticked", "silence")', 'INVALID_METHODS = ("bundled", "silence")'),
    Fault("grant_over_a_probable_link_counts", f"{CONSENT}/events.py", 'is_sure = pl.col("is_certain") & pl.col("is_exclusive")', 'is_sure = pl.col("is_exclusive")'),
    Fault("grant_on_a_shared_identifier_counts", f"{CONSENT}/events.py", 'is_sure = pl.col("is_certain") & pl.col("is_exclusive")', 'is_sure = pl.col("is_certain")'),
    Fault("grant_on_one_email_allows_another", f"{CONSENT}/events.py", "is_for_customer = is_sure & ~is_on_point", "is_for_customer = is_sure"),
    Fault("denial_ignored", f"{CONSENT}/events.py", '_rank_where("denied", "withdrawn")', '_rank_where("withdrawn")'),
    Fault("withdrawal_ignored", f"{CONSENT}/events.py", '_rank_where("denied", "withdrawn")', '_rank_where("denied")'),
    Fault("lifting_on_a_shared_identifier_ends_a_restriction", f"{CONSENT}/events.py", '_rank_where("restriction_lifted", condition=is_sure)', '_rank_where("restriction_lifted")'),
    Fault("denial_of_another_holder_ignored", f"{CONSENT}/decision_units.py", 'pl.when("is_exclusive").then(name).otherwise(f"shared_{name}").alias(name)', "pl.col(name)"),
    Fault("grant_on_a_card_reaches_an_uncertain_point", f"{CONSENT}/decision_units.py", 'is_sure = pl.col("is_exclusive") & pl.col("is_certain")', 'is_sure = pl.col("is_exclusive")'),
    Fault("objection_never_ends", f"{CONSENT}/decision_units.py", 'pl.when(pl.col("objected") > ended)', 'pl.when(pl.col("objected") > NEVER)'),
    Fault("erasure_skipped", f"{CONSENT}/checks.py", 'Check("erased", pl.col("erased") > NEVER', 'Check("erased", pl.col("erased") < NEVER'),
    Fault("restriction_never_lifted", f"{CONSENT}/checks.py", 'pl.col("restricted") > pl.col("restriction_lifted")', 'pl.col("restricted") > NEVER'),
    Fault("restriction_blocks_a_legal_obligation", f"{CONSENT}/checks.py", 'SURVIVES_RESTRICTION = ("legal_obligation", "vital_interests")', 'SURVIVES_RESTRICTION = ("vital_interests",)'),
    Fault("suppression_skipped", f"{CONSENT}/checks.py", 'Check("suppressed", suppressed > NEVER, suppressed)', 'Check("suppressed", suppressed < NEVER, suppressed)'),
    Fault("suppression_survives_a_new_grant", f"{CONSENT}/checks.py", 'pl.col("unsubscribed") > pl.col("point_granted")', 'pl.col("unsubscribed") > NEVER'),
    Fault("complaint_ends_with_a_grant", f"{CONSENT}/checks.py", 'pl.col("complained") > pl.col("verified")', 'pl.col("complained") > pl.col("point_granted")'),
    Fault("bounce_skipped", f"{CONSENT}/checks.py", 'pl.col("bounced") > pl.col("verified")', 'pl.col("bounced") < NEVER'),
    Fault("of_age_one_day_late", f"{CONSENT}/subject_index.py", "return number <= day.year * 10_000", "return number < day.year * 10_000"),
    Fault("earlier_of_two_birth_dates_counts", f"{CONSENT}/subject_index.py", "descending=[True, False, False]", "descending=[False, False, False]"),
    Fault("required_purposes_skipped", f"{CONSENT}/decision_state.py", 'denies = (pl.col("reason") == "allowed") & pl.col("is_denied")', 'denies = (pl.col("reason") == "") & pl.col("is_denied")'),
    Fault("objection_to_interests_ignored", "cdp_pipelines/purposes/purpose.py", 'return self.direct_marketing or self.lawful_basis in {"legitimate_interests", "public_interest"}', 'return self.direct_marketing or self.lawful_basis in {"public_interest"}'),
    Fault("expiry_ignored", f"{CONSENT}/basis.py", 'is_grant & (pl.col("expires_at") <= evidence.as_of)', "is_grant & pl.lit(value=False)"),
    Fault("expires_one_instant_late", f"{CONSENT}/basis.py", 'pl.col("expires_at") <= evidence.as_of', 'pl.col("expires_at") < evidence.as_of'),
    Fault("old_notice_accepted", f"{CONSENT}/basis.py", '~pl.col("notice_version").is_in(accepted)', "pl.lit(value=False)"),
    Fault("opt_out_under_any_law", f"{CONSENT}/subject_index.py", '~pl.col("jurisdiction").is_in(list(laws))', "pl.lit(value=False)"),
    Fault("ended_case_allows", f"{CONSENT}/basis.py", 'pl.col("ends_at").is_null() | (pl.col("ends_at") > evidence.as_of)', "pl.lit(value=True)"),
    Fault("retention_one_instant_too_long", f"{CONSENT}/basis.py", '(add_duration(pl.col("record_at"), purpose.retention) > evidence.as_of)', '(add_duration(pl.col("record_at"), purpose.retention) >= evidence.as_of)'),
    Fault("refund_ignored", f"{CONSENT}/contracts.py", '.filter(pl.col("step") > 0, ~pl.col("is_ended"))', '.filter(pl.col("step") > 0)'),
    Fault("contract_never_ends", f"{CONSENT}/contracts.py", '        .filter(pl.col("ends_at") > as_of)\n', ""),
    Fault("in_force_too_early", f"{CONSENT}/checks.py", "pl.lit(purpose.in_force_at > as_of)", "pl.lit(value=False)"),
    Fault("gate_ignores_unification", f"{CONSENT}/merge_gate.py", '.when(reason != "allowed")', '.when(reason == "")'),
    Fault("gate_ignores_collection_purpose", f"{CONSENT}/merge_gate.py", 'pl.col("channel").is_in(list_non_linking(collected_for))', "pl.lit(value=False)"),
    Fault("gate_ignores_other_purposes", f"{CONSENT}/merge_gate.py", '.when(pl.col("has_purpose"))', ".when(pl.lit(value=True))"),
    Fault("mart_takes_denied_customers", "cdp_pipelines/marts/mart.py", 'profiled = current(decision).filter(pl.col("purpose") == purpose.key, "is_allowed")', 'profiled = current(decision).filter(pl.col("purpose") == purpose.key)'),
    Fault("mart_takes_values_of_other_purposes", "cdp_pipelines/marts/mart.py", 'provenance.filter(pl.col("collected_for").list.contains(purpose.key))', "provenance"),
    Fault("rectified_value_ranked_by_the_rules", "cdp_pipelines/golden/survivorship.py", '-pl.col("rectification_number").fill_null(0), ', ""),
    Fault("replaced_value_still_used", "cdp_pipelines/golden/survivorship.py", 'pl.when("is_replaced").then(pl.lit([], TEXTS)).otherwise("collected_for")', 'pl.col("collected_for")'),
    Fault("replacing_one_point_replaces_others", "cdp_pipelines/golden/survivorship.py", 'pl.col(group[0]) == pl.col("replaces")', "pl.lit(value=True)"),
    Fault("withdrawn_rectification_still_applies", "cdp_pipelines/golden/rectification.py", '        .join(ended, on="rectification_number", how="anti")\n', ""),
    Fault("rectified_outside_of_profiles", "cdp_pipelines/golden/rectification.py", 'crosswalk.filter("is_profiled")', "crosswalk"),
    Fault("parts_of_several_records", "cdp_pipelines/golden/customer.py", 'pl.col("rank").min().over("customer_id", "attribute_group")', 'pl.col("rank").min().over("customer_id", "attribute")'),
    Fault("bounced_is_verified", "cdp_pipelines/golden/contact_point.py", "pl.when(bounced).then(2)", "pl.when(bounced).then(0)"),
    Fault("point_allowed_by_another", "cdp_pipelines/golden/contact_point.py", '(pl.col("contact_point") == "") | (pl.col("contact_point") == pl.col("value"))', "pl.lit(value=True)"),
    Fault("group_of_one_less", "cdp_pipelines/marts/anonymity.py", "pl.len().over(columns) >= minimum if", "pl.len().over(columns) >= minimum - 1 if"),
    Fault("rest_of_a_group_left_too_small", "cdp_pipelines/marts/anonymity.py", "    if not result[PROTECTED].all():", "    if result.is_empty():"),
    Fault("small_cell_published", "cdp_pipelines/marts/aggregate.py", "(pl.col(PEOPLE) < minimum)", "(pl.col(PEOPLE) < minimum - 1)"),
    Fault("suppressed_cell_can_be_subtracted", "cdp_pipelines/marts/aggregate.py", "    while suppressed and len(suppressed) < len(counts):", "    while not counts:"),
    Fault("one_person_is_the_sum", "cdp_pipelines/marts/aggregate.py", "DOMINANT = 0.5", "DOMINANT = 1.0"),
    Fault("reference_without_its_evidence", "cdp_pipelines/marts/pseudonym.py", '"contact_point", "purpose_version", evidence, separator', '"contact_point", "purpose_version", separator'),
    Fault("record_without_elements_lost", f"{CHANNELS}/elements.py", "found = [_Element(record, {})] if split is None else split", "found = split or []"),
    Fault("element_outlives_its_list", "cdp_pipelines/standardise/latest.py", "current = raw.filter(delivery == newest)", 'current = current.unique("source_record_id", keep="last", maintain_order=True)'),
    Fault("element_of_a_wrong_form_accepted", f"{CHANNELS}/elements.py", "        if fault is None and not has_field:\n", "        if fault is not None and not has_field:\n"),
    Fault("list_in_place_of_a_consent_is_only_a_warning", f"{CHANNELS}/formats/json_records.py", "if path in self._consent_parents and item != []:", "if path in self._consent_parents and item == []:"),
    Fault("closed_row_is_current", "cdp_pipelines/schema/interval.py", "return history.filter(is_current())", "return history"),
    Fault("night_of_the_far_future_accepted", "cdp_pipelines/purposes/company.py", "elif night > today + timedelta(days=self.days_ahead):", "elif night > date.max:", OF_NIGHTS[:1]),
    Fault("night_of_long_ago_accepted", "cdp_pipelines/purposes/company.py", "if night < self.oldest:", "if night < date.min:", OF_NIGHTS[:1]),
    Fault("night_after_a_long_gap_accepted", "cdp_pipelines/purposes/company.py", "newest + timedelta(days=self.longest_gap_days):", "date.max:", OF_NIGHTS[:1]),
    Fault("implausible_night_hides_the_next", "cdp_pipelines/purposes/company.py", "            else:\n                newest = max(newest or night, night)", "            newest = max(newest or night, night)", OF_NIGHTS[:1]),
    Fault("any_share_removed_without_confirmation", "cdp_pipelines/retention/rules.py", "return removed_count > max(self.row_count, self.share * total_count)", "return removed_count > total_count", OF_RETENTION),
    Fault("small_table_needs_confirmation", "cdp_pipelines/retention/rules.py", "return removed_count > max(self.row_count, self.share * total_count)", "return removed_count > self.share * total_count", OF_RETENTION),
    Fault("unconfirmed_removal_is_logged", "cdp_pipelines/services/retention.py", 'expired.filter(~pl.col("table").is_in(list(unconfirmed)))', "expired", OF_RETENTION),
    Fault("first_night_needs_confirmation", "cdp_pipelines/services/retention.py", "is_limited=not (is_confirmed or lake.scan(RUN).limit(1).collect().is_empty())", "is_limited=not is_confirmed", OF_RETENTION),
    Fault("result_of_other_rows_counts_again", "expectations/gate.py", "rows = frame.hash_rows().sum() if frame.width else 0", "rows = 0", OF_GATES),
    Fault("result_of_another_suite_counts_again", "expectations/batch.py", "{suite!r} {declared}", "{declared}", OF_GATES),
    Fault("failed_result_counts_again", "expectations/gate.py", "earlier is not None and earlier.passed and", "earlier is not None and", OF_GATES),
    Fault("reader_of_parquet_outlives_its_parent", "cdp_pipelines/channels/formats/parquet_records.py", "        parent.join()\n    os._exit(0)", "        parent.join()", OF_PARQUET),
    Fault("file_refused_because_no_child_starts", "cdp_pipelines/channels/formats/parquet_records.py", "    worker.submit(os.getpid).result()\n", "", OF_PARQUET),
    Fault("half_made_database_counts_as_whole", "assets/runtime/instance.py", 'is_sound and opened.execute("SELECT 1 FROM alembic_version").fetchone() is not None', "is_sound", OF_DATABASES),
    Fault("right_that_ended_is_served_from_yesterday", "cdp_pipelines/services/marts.py", "        return select_publishable(lake, purpose, rows, decisions)", "        return rows", OF_MARTS),
    Fault("aggregate_counts_a_right_that_ended", "cdp_pipelines/services/marts.py", 'how="anti").collect().is_empty() else rows.clear()', 'how="anti").collect().is_empty() else rows', OF_MARTS),
    Fault("link_out_of_the_drop_folder_followed", "warehouse/sources/drop_folder.py", "os.path.realpath(entry.path)]) != root", "os.path.realpath(entry.path)]) == entry.path", OF_DROPS),
    Fault("folder_settles_by_the_stamps_of_its_files", "warehouse/sources/drop_folder.py", "stat.st_ctime if stat.st_ctime <= now else 0.0", "stat.st_mtime", OF_DROPS),
    Fault("file_that_still_changes_is_whole", "warehouse/sources/arrival.py", "state != self.states.get(file)", "file not in self.states", OF_DROPS),
    Fault("digest_of_the_manifest_not_compared", "warehouse/sources/arrival.py", "None if entry.sha256 == sha256 else", "None if entry.sha256 else", OF_DROPS),
    Fault("rows_of_a_grown_file_stay_beside_the_new", "cdp_pipelines/services/ingestion.py", "others = lake.scan(table).filter(~own).collect()", "others = lake.scan(table).collect()", OF_GROWN_FILES),
    Fault("records_of_a_grown_file_are_duplicates", "cdp_pipelines/services/ingestion.py", 'new = received.join(stored, on=["file_sha256", "row_number"], how="anti")', "new, stored = received, stored.clear()", OF_GROWN_FILES),
    Fault("ledger_that_is_gone_is_begun_anew", "cdp_pipelines/services/ledger.py", "        if newest < expected:", "        if newest < 0:", OF_DOCTOR),
    Fault("signing_key_made_anew", "warehouse/keys.py", "(lake / HEAD).exists() or (lake / _SEALS).exists()", "False", OF_DOCTOR),
    Fault("secret_of_marts_made_anew", "warehouse/keys.py", 'any(lake.glob("mart/*/_delta_log"))', "False", OF_DOCTOR),
    Fault("damaged_ledger_removed_by_repair", "cdp_pipelines/services/doctor.py", "partial(shutil.rmtree, folder)) if can_be_made_again(table) else", "partial(shutil.rmtree, folder)) if name else", OF_DOCTOR),
    Fault("repaired_mart_stops_later_nights", "warehouse/delta/versions.py", "with suppress(DeltaError):", "with suppress(ZeroDivisionError):", ("tests/warehouse/delta/test_lake.py",)),
    Fault("handle_without_network", "cdp_pipelines/standardise/party.py", "pl.when(handle.str.contains(_HANDLE)).then(handle)", "handle", OF_NAMES),
    Fault("damaged_served_file_stops_the_night", "warehouse/serving/mart_file.py", "    except duckdb.Error:\n        return {}", "    except ZeroDivisionError:\n        return {}", ("tests/warehouse/serving/test_mart_file.py",)),
    Fault("full_disk_counts_as_damage", "assets/runtime/instance.py", "if primary_code in _FAULTS_OF_DISK and", "if primary_code not in _FAULTS_OF_DISK and", OF_DATABASES),
    Fault("lost_table_goes_on", "cdp_pipelines/services/lake_tables.py", "    if lost:", "    if not lost and missing:", ("tests/cdp_pipelines/services/test_lake_tables.py",)),
    Fault("table_without_log_not_missing", "cdp_pipelines/services/lake_tables.py", '.glob("_delta_log/*.json")', '.glob("*")', ("tests/cdp_pipelines/services/test_lake_tables.py",)),
    Fault("short_file_is_read", "warehouse/delta/versions.py", "if (found := file.stat().st_size) != size:", "if (found := file.stat().st_size) > size:", ("tests/warehouse/delta/test_lake.py",)),
    Fault("panic_shows_its_message", "assets/runtime/redaction.py", 'type(error).__name__ != "PanicException"', 'type(error).__name__ != "Panic"', ("tests/assets/runtime/test_redaction.py",)),
    Fault("invisible_subject_is_null", "cdp_pipelines/standardise/consent_event.py", "return [] if identifier is None else [identifier]", "return [identifier]", OF_DECODED_STRINGS),
    Fault("id_may_be_an_object", "cdp_pipelines/standardise/admission.py", "for name in sorted({contract.key, *_list_statement_fields(contract)}):", "for name in sorted(_list_statement_fields(contract)):", ("tests/cdp_pipelines/standardise/test_admission.py",)),
    Fault("subject_may_be_a_list", "cdp_pipelines/standardise/admission.py", "for value in (consent.subject_value, consent.purpose, consent.status)", "for value in (consent.purpose, consent.status)", ("tests/cdp_pipelines/standardise/test_admission.py",)),
    Fault("damaged_page_not_found", "cdp_pipelines/services/doctor.py", "found = sum(batch.num_rows for batch in pq.ParquetFile(file).iter_batches())", "found = row_count", OF_DOCTOR),
    Fault("mart_sql_takes_a_sample", "warehouse/mart_sql.py", 'if node.get("sample"):', 'if node.get("samples"):', OF_MART_SQL),
    Fault("mart_sql_reads_the_clock", "warehouse/mart_sql.py", "        if _is_a_function(connection, name):", "        if not _is_a_function(connection, name):", OF_MART_SQL),
    Fault("mart_sql_calls_anything", "warehouse/mart_sql.py", "sorted(called - ALLOWED)", "sorted(called & {'random', 'now'})", OF_MART_SQL),
    Fault("grant_after_a_gap_counts", f"{CONSENT}/silence.py", '(pl.col("drop_date") >= since)', '(pl.col("drop_date") < since)', OF_SILENCE),
    Fault("denial_after_a_gap_does_not_count", f"{CONSENT}/silence.py", 'pl.col("status").is_in(PERMISSIVE_STATUSES) & ', "", OF_SILENCE),
    Fault("gap_is_never_found", f"{CHANNELS}/continuity.py", "            if following > last + 1:", "            if following < last:", OF_SILENCE),
    Fault("missing_night_is_no_gap", f"{CHANNELS}/continuity.py", ".days > self.heartbeat_days:", ".days > 2 * self.heartbeat_days:", OF_SILENCE),
    Fault("refused_file_closes_a_gap", "cdp_pipelines/services/silence.py", ', pl.col("outcome").is_in(READ_OUTCOMES))', ")", OF_SILENCE),
    Fault("empty_file_is_no_heartbeat", "cdp_pipelines/services/ingestion.py", "if contract.continuity and (sha256,", "if not contract.continuity and (sha256,", OF_SILENCE),
    Fault("shared_contact_point_has_two_rows", "cdp_pipelines/marts/mart.py", '        .unique("value", keep="first", maintain_order=True)\n', "", OF_AGREEMENT[:1]),
    Fault("customer_with_fewer_attributes_chosen", "cdp_pipelines/marts/mart.py", "descending=[False, True, False, False]", "descending=[False, False, False, False]", OF_AGREEMENT[:1]),
    Fault("sum_of_one_person_published", "cdp_pipelines/marts/aggregate.py", "hidden[PEOPLE] | dominated", "hidden[PEOPLE]", OF_AGREEMENT[:1]),
    Fault("sum_can_be_derived", "cdp_pipelines/marts/aggregate.py", "if high - low < widths[cell]", "if high - low < 0", OF_AGREEMENT[:1]),
    Fault("lost_membership_not_noticed", "cdp_pipelines/services/reconciliation.py", 'counts = {"membership": members.get(key, 0), "mart": in_mart}', 'counts = {"mart": in_mart}', OF_AGREEMENT[1:2]),
    Fault("lost_served_row_not_noticed", "cdp_pipelines/services/reconciliation.py", "for group in (counts, served):", "for group in (counts,):", OF_AGREEMENT[1:2]),
    Fault("funnel_of_the_future_ignores_expiry", "cdp_pipelines/services/funnel.py", "decide_lake(lake, instant)", "decide_lake(lake, nights.last_as_of)", OF_AGREEMENT[2:]),
    Fault("unreadable_tc_string_says_nothing", STATEMENT, "        if not strings and is_whole:", "        if not strings:", OF_PRIVACY_STRINGS),
    Fault("unreadable_gpp_string_says_nothing", STATEMENT, "return [] if _states_nothing(text) else", "return [] if text else", OF_DECODED_STRINGS),
    Fault("undefined_opt_out_ignored", "cdp_pipelines/standardise/privacy_string.py", "if value in {_OPTED_OUT, _UNDEFINED}", "if value == _OPTED_OUT", OF_DECODED_STRINGS),
    Fault("unreadable_section_opts_out_of_nothing", "cdp_pipelines/standardise/privacy_string.py", "            chosen.update(_list_possible_opt_outs(section_id))\n", "", OF_DECODED_STRINGS),
    Fault("decimal_point_becomes_thousands", f"{CHANNELS}/field_value.py", 'pl.when(~text.str.contains(".", literal=True)).then(text.str.replace(",", ".", literal=True))', 'text.str.replace(",", ".", literal=True)', OF_FILES),
    Fault("undecodable_byte_taken_for_a_letter", f"{CHANNELS}/formats/encoding.py", "chr(0xDC00 + byte) for byte in kept", "chr(byte) for byte in kept", OF_FILES),
    Fault("utf8_read_as_the_declared_encoding", f"{CHANNELS}/formats/encoding.py", 'if not declared.startswith("utf") and not data.isascii():', 'if declared == "" and not data.isascii():', OF_FILES),
    Fault("long_field_accepted", f"{CHANNELS}/formats/csv_records.py", "if fault is None and max(map(len, values)) > contract.longest_field:", "if fault is None and max(map(len, values)) < 0:", OF_FILES),
    Fault("large_file_accepted", f"{CHANNELS}/records.py", "if len(data) > contract.largest_file:", "if len(data) < 0:", OF_HOSTILE_FILES),
    Fault("null_token_is_a_value", f"{CHANNELS}/formats/csv_records.py", '"" if value in contract.null_tokens else value', "value", OF_FILES),
    Fault("nan_of_parquet_is_a_text", f"{CHANNELS}/formats/parquet_records.py", "pl.when(series.is_finite()).then(series)", "series", OF_FILES),
    Fault("father_and_son_are_one", "cdp_pipelines/identity/score.py", "policy.min_log_odds, 0.0)", "0.0, 0.0)", OF_GENERATIONS),
    Fault("placeholder_is_a_birth_date", "cdp_pipelines/identity/values.py", "~texts.is_in(_PLACEHOLDER_DATES)", "texts.is_not_null()", OF_GENERATIONS),
    Fault("formula_written_as_it_is", "cdp_pipelines/cli/output.py", "isinstance(cell, str) and not keep_formulas and", "isinstance(cell, str) and keep_formulas and", OF_OUTPUT),
    Fault("repeated_name_silently_last", f"{CHANNELS}/formats/json_records.py", "if not _is_same(item, value[name]):", "if value[name] is None:", OF_JSON),
    Fault("broken_element_swallows_a_sound_one", f"{CHANNELS}/formats/json_damage.py", "return None if position in reading.doubtful else reading.ends[position]", "return reading.ends[position]", OF_JSON),
    Fault("array_that_breaks_off_is_silent", f"{CHANNELS}/formats/json_array.py", "        if is_inside:\n", "        if not is_inside:\n", OF_JSON),
    Fault("rows_of_parquet_passed_over", f"{CHANNELS}/formats/parquet_records.py", "if rows.height != row_count:", "if rows.height > row_count:", OF_PARQUET),
    Fault("last_line_of_csv_lost", f"{CHANNELS}/formats/csv_records.py", "_LINE.finditer(text, start)", '_LINE.finditer(text, start, text.rfind("\\n", 0, -1) + 1)', OF_CONSENT_OF_DROPS),
    Fault("last_line_of_json_lost", f"{CHANNELS}/formats/json_records.py", 'enumerate(text.split("\\n"), 1)', 'enumerate(text.split("\\n")[:-2], 1)', OF_CONSENT_OF_DROPS),
    Fault("refused_records_lost", "cdp_pipelines/standardise/admission.py", '            checked.filter(pl.col("rule").is_not_null()),', '            checked.filter(pl.col("rule") == "missing_id"),', OF_CONSENT_OF_DROPS),
    Fault("no_read_as_yes", f"{CHANNELS}/words.py", "dict.fromkeys(_NO, False)", "dict.fromkeys(_NO, True)", OF_CONSENT_OF_DROPS),
    Fault("unreadable_answer_states_nothing", STATEMENT, ".then(pl.lit(denials[0])).otherwise(status) if denials else status", ".then(None).otherwise(status) if denials else status", OF_CONSENT_OF_DROPS),
    Fault("tc_denial_read_as_grant", STATEMENT, 'status = "granted" if is_granted else "denied"', 'status = "granted"', OF_CONSENT_OF_DROPS),
    Fault("opt_out_of_gpp_lost", STATEMENT, 'if not gpp["opt_outs"].isdisjoint(opt_outs)', 'if not gpp["opt_outs"]', OF_CONSENT_OF_DROPS),
    Fault("second_subject_of_a_denial_lost", "cdp_pipelines/standardise/consent_event.py", "pl.when(found.list.len() > 0).then(found)", "pl.when(found.list.len() > 0).then(found.list.head(1))", OF_CONSENT_OF_DROPS),
    Fault("renewed_denial_lost", f"{CONSENT}/ledger.py", "pl.concat([on_other_subject, after_grant.select(events.columns)])", "on_other_subject", OF_CONSENT_OF_DROPS),
    Fault("denial_of_a_new_address_lost", f"{CONSENT}/ledger.py", "pl.concat([on_other_subject, after_grant.select(events.columns)])", "after_grant.select(events.columns)", OF_CONSENT_OF_DROPS),
    Fault("request_of_an_unreadable_subject_not_listed", f"{CONSENT}/unresolved.py", "for frame in (*stated, asked))", "for frame in stated)", OF_CONSENT_OF_DROPS),
    Fault("records_before_a_damage_lost", f"{CHANNELS}/formats/gzip_stream.py", "        content += _read_up_to_damage(before, data[position : position + BLOCK])\n", "", OF_GZIP),
    Fault("damaged_file_without_a_record_lost", f"{CHANNELS}/records.py", " or (damage is not None and not content)", "", OF_GZIP),
    Fault("replaced_rows_not_noticed", "warehouse/delta/additions.py", 'if any("remove" in action for action in actions):', "if not actions:", OF_CHANGES),
    Fault("restored_table_taken_for_the_one_before", "warehouse/delta/additions.py", "newest < seen or _name_entry(folder, seen) != since", "newest < seen", OF_CHANGES),
    Fault("end_of_use_not_noticed", "cdp_pipelines/services/record_changes.py", "    if as_of > cursor.as_of:", "    if as_of < cursor.as_of:", OF_CHANGES),
    Fault("late_removal_not_noticed", "cdp_pipelines/services/record_changes.py", "    if added.has_removals:", "    if not added.rows:", OF_CHANGES),
    Fault("changed_contract_not_noticed", "cdp_pipelines/services/record_changes.py", "{contract!r} {retention!r}", "{retention!r}", OF_CHANGES),
    Fault("resolved_record_not_read_again", "cdp_pipelines/services/ledger.py", "[each.include(resolutions) for each in find_record_changes", "[each for each in find_record_changes", OF_CHANGES),
    Fault("table_of_another_writer_taken_for_ours", "cdp_pipelines/services/cursor.py", "return cursor if is_unchanged else None", "return cursor", OF_CHANGES),
    Fault("step_recalled_under_another_key", "cdp_pipelines/services/step_memory.py", "digest_keys(lake.path), str(as_of)", "str(as_of)", OF_MEMORY),
    Fault("step_recalled_as_of_another_instant", "cdp_pipelines/services/step_memory.py", "digest_keys(lake.path), str(as_of)", "digest_keys(lake.path)", OF_MEMORY),
    Fault("step_recalled_over_other_rows", "cdp_pipelines/services/step_memory.py", 'return stored["did"] if is_same else None', 'return stored["did"]', OF_MEMORY),
    Fault("failed_step_remembered", "cdp_pipelines/services/step_memory.py", "if all(check.is_passed or check.is_warning for check in report.checks):", "if report:", OF_MEMORY),
    Fault("history_of_a_lost_contact_point_not_hidden", "cdp_pipelines/services/decision_history.py", '        changes = changes.include(find_unused_contact_points(stored, in_use)["customer_id"])', "        pass", OF_CUSTOMERS),
    Fault("customer_without_rows_not_noticed", "cdp_pipelines/services/customer_changes.py", "pl.concat([new, gone])", "new", OF_CUSTOMERS),
    Fault("later_run_not_noticed", "cdp_pipelines/services/customer_changes.py", 'if not is_known or datetime.fromisoformat(about["as_of"]) > as_of:', "if not is_known:", OF_CUSTOMERS),
    Fault("other_evidence_not_noticed", f"{CONSENT}/decide.py", '            "evidence",\n            "since_at",\n        )\n        parts', "        )\n        parts", OF_CUSTOMERS),
    Fault("decision_not_noticed_by_the_merge_gate", f"{CONSENT}/merge_gate.py", "pl.concat([digests, decisions])", "digests", OF_CUSTOMERS),
    Fault("preference_not_noticed", "cdp_pipelines/golden/golden_input.py", "            self.preference,\n            self.granted", "            self.granted", OF_CUSTOMERS),
    Fault("bounce_not_noticed", "cdp_pipelines/golden/golden_input.py", 'self.states.select("kind", "value", "doubt")', 'self.states.select("kind", "value")', OF_CUSTOMERS),
    Fault("rectification_not_noticed", "cdp_pipelines/golden/golden_input.py", "for frame in of_records), self.rectified])", "for frame in of_records)])", OF_CUSTOMERS),
    Fault("newly_suppressed_cell_not_protected", "cdp_pipelines/marts/aggregate.py", "unsure = more.union(narrow)", "unsure = set(narrow)", ("tests/cdp_pipelines/marts/test_aggregate.py",)),
    Fault("missing_value_counted_as_checked", "expectations/changed_rows.py", "rows.height - missing[each.reads[0]]", "rows.height", OF_CHANGED_ROWS),
    Fault("removed_rows_still_counted", "expectations/batch.py", "then + more - less", "then + more", OF_CHANGED_ROWS),
    Fault("shared_key_not_noticed", "expectations/batch.py", "rows.hash_rows().is_duplicated()", "rows.hash_rows().is_null()", OF_CHANGED_ROWS),
    Fault("share_of_rows_ignored", "expectations/batch.py", '>= float(str(each.kwargs.get("mostly", 1)))', ">= 1", OF_CHANGED_ROWS),
    Fault("other_slices_not_counted", "expectations/gate.py", "for other in others:", "for other in others[:0]:", ("tests/expectations/test_suites.py",)),
    Fault("keys_of_other_slices_not_noticed", "expectations/gate.py", "frame.lazy()) if each.type in EQUALITY", "frame.head(1).lazy()) if each.type in EQUALITY", ("tests/expectations/test_suites.py",)),
    Fault("decision_not_noticed_by_its_mart", "cdp_pipelines/services/mart_inputs.py", "(self.decided.get(purpose.key, 0), ", "(", ("tests/cdp_pipelines/services/test_mart_build.py",)),
    Fault("value_not_noticed_by_its_mart", "cdp_pipelines/services/mart_inputs.py", "self.value_digests.filter(is_usable).sum(), ", "", ("tests/cdp_pipelines/services/test_mart_build.py",)),
    Fault("window_not_noticed_by_its_mart", "cdp_pipelines/services/mart_build.py", "as_of if _has_measures(purpose) else None", "None", ("tests/cdp_pipelines/services/test_mart_build.py",)),
    Fault("run_goes_back_in_time", "cdp_pipelines/services/nights.py", "max(requested, known or requested)", "requested", ("tests/cdp_pipelines/services/test_intraday.py",)),
    Fault("withdrawal_within_a_day_waits", "assets/defs/serving.py", "_withdraw(lake.open) if is_due else {}", "{}", ("tests/assets/defs/test_serving.py",)),
    Fault("split_rows_withdrawn_before_corrections", "assets/defs/serving.py", "is_due = lake.is_within_night(context) and list_split_customers(lake.open, lake.as_of(context)).is_empty()", "is_due = lake.is_within_night(context)", ("tests/assets/defs/test_serving.py",)),
    Fault("day_removed_in_parts", "cdp_pipelines/services/retention.py", "    as_of = as_of.replace(hour=0, minute=0, second=0, microsecond=0)\n", "", ("tests/cdp_pipelines/services/test_retention.py",)),
    Fault("instant_within_a_night_forgotten", "cdp_pipelines/services/night_record.py", "pl.concat([within, RUN", "pl.concat([within.clear(), RUN", ("tests/cdp_pipelines/services/test_intraday.py",)),
    Fault("result_of_a_refused_frame_taken", "cdp_pipelines/services/checked_write.py", '"result": digest}', '"result": None}', OF_CHANGED_ROWS),
    Fault("rows_that_stay_not_judged", "cdp_pipelines/services/checked_write.py", "kept = stored.filter(~staged.replaced)", "kept = stored.clear()", OF_CHANGED_ROWS),
)  # fmt: skip


def copy_repository(folder: Path) -> Path:
    """Copy what the tests need of the repository; the folder."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def passes(copy: Path, tests: Sequence[str]) -> bool:
    """Whether these tests pass on this copy; `RuntimeError` where they cannot be run at all."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    # A fault may break an import: pytest then exits with 2, or with 4 where conftest does not load.
    if done.returncode not in {0, 1, 2, 4}:
        raise RuntimeError(done.stdout + done.stderr)
    return done.returncode == 0


def is_caught(fault: Fault, copy: Path) -> tuple[bool, float]:
    """Plant the fault in a copy, run the tests on it, restore the file: whether they failed, and the seconds."""
    file = copy / fault.file
    text = file.read_text()
    started = time.perf_counter()
    file.write_text(text.replace(fault.old, fault.new))
    try:
        return not passes(copy, fault.tests), time.perf_counter() - started
    finally:
        file.write_text(text)


def main() -> int:
    """Print each fault and whether it was caught; 1 where one survived or its text does not occur exactly once."""
    out = Console()
    if misplaced := [each.name for each in FAULTS if (ROOT / each.file).read_text().count(each.old) != 1]:
        out.print(f"the text of these faults does not occur exactly once in its file: {', '.join(misplaced)}")
        return 1
    copies: Queue[Path] = Queue()
    with tempfile.TemporaryDirectory() as name:
        for worker in range(WORKERS):
            copies.put(copy_repository(Path(name) / str(worker)))
        failing = {
            test for tests in {fault.tests for fault in FAULTS} if not passes(copies.queue[0], tests) for test in tests
        }
        if failing:
            out.print(f"tests fail without any fault; they are among: {', '.join(sorted(failing))}")
            return 1

        def try_fault(fault: Fault) -> tuple[Fault, bool, float]:
            copy = copies.get()
            try:
                return fault, *is_caught(fault, copy)
            finally:
                copies.put(copy)

        table = Table("fault", "file", "", "seconds", box=None)
        survived = 0
        with ThreadPoolExecutor(WORKERS) as pool:
            for fault, caught, seconds in pool.map(try_fault, FAULTS):
                survived += not caught
                table.add_row(fault.name, fault.file, "caught" if caught else "[bold red]SURVIVED", f"{seconds:.0f}")
                out.print(f"{fault.name}: {'caught' if caught else 'SURVIVED'}", highlight=False)
    out.print(table)
    out.print(f"{len(FAULTS)} faults planted, {len(FAULTS) - survived} caught", highlight=False)
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
