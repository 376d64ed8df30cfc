"""Every kind of tampering is found and located; the verifier shares no code with what it verifies."""

import ast
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cdp_pipelines.cli import app
from cdp_pipelines.consent import extend_ledger, seal_events
from cdp_pipelines.consent.merkle import compute_merkle_root, hash_leaf, is_included
from cdp_pipelines.consent.seal import encode_events
from cdp_pipelines.schema import CONSENT_EVENT, LEDGER, SEAL
from warehouse.delta.lake import Lake
from warehouse.keys import HEAD, PUBLIC, LedgerKey, store_head
from warehouse.verify import ledger as ledger_check
from warehouse.verify.ledger import Finding, verify_ledger

START = datetime(2024, 1, 1, tzinfo=UTC)
KEY = LedgerKey(Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = LedgerKey(Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
PER_NIGHT = 7


def build_events(night_count):
    return pl.DataFrame(
        [
            {
                **dict.fromkeys(CONSENT_EVENT.schema),
                "event_id": f"crm:{n:02}",
                "channel": "crm",
                "source_record_id": f"{n:02}",
                "purpose": "email_marketing",
                "status": "granted",
                "subject_kind": "email",
                "subject_value": f'"Ana\\{n}"\n@ţ.example\x1f',
                "drop_date": (START + timedelta(days=n // PER_NIGHT)).date(),
                "event_at": START,
                "recorded_at": START + timedelta(microseconds=n),
            }
            for n in range(night_count * PER_NIGHT)
        ],
        schema=CONSENT_EVENT.schema,
    )


def write_sealed_lake(path, night_count=4):
    lake = Lake(path)
    events = extend_ledger(LEDGER.empty(), build_events(night_count))
    seals = seal_events(SEAL.empty(), LEDGER.empty(), events, KEY)
    lake.replace(CONSENT_EVENT, build_events(night_count))
    lake.append(LEDGER, events)
    lake.append(SEAL, seals)
    store_head(path, seals.row(-1, named=True))
    return lake


@pytest.fixture(scope="module")
def sealed_lake(tmp_path_factory):
    return write_sealed_lake(tmp_path_factory.mktemp("sealed") / "lake").path


@pytest.fixture
def lake(sealed_lake, tmp_path):
    shutil.copytree(sealed_lake, tmp_path / "lake")
    return Lake(tmp_path / "lake")


def find_places(lake, **options):
    return [
        (f.seal_number, f.position, f.event_id, f.problem.split(":")[0])
        for f in verify_ledger(lake.path, **options).findings
    ]


def change_event(position, column, value):
    """The ledger with one cell changed."""
    return lambda rows: rows.with_columns(
        pl.when(pl.col("position") == position)
        .then(pl.lit(value, LEDGER.schema[column]))
        .otherwise(column)
        .alias(column)
    )


def move(old, new):
    return lambda rows: rows.with_columns(pl.col("position").replace(dict(zip(old, new, strict=True))))


def insert(position, *, shift):
    def change(rows):
        new = change_event(position, "event_id", "crm:new")(rows).filter(pl.col("position") == position)
        rest = rows.with_columns(pl.col("position") + (pl.col("position") >= position).cast(pl.Int64) * int(shift))
        return pl.concat([rest, new])

    return change


def drop(position, *, shift):
    return lambda rows: rows.filter(pl.col("position") != position).with_columns(
        pl.col("position") - (pl.col("position") > position).cast(pl.Int64) * int(shift)
    )


def test_an_untouched_ledger_has_no_findings(lake):
    verdict = verify_ledger(lake.path, public_key=lake.path / PUBLIC)
    assert (verdict.seal_count, verdict.event_count, verdict.findings, verdict.notes) == (4, 28, [], [])
    assert verdict.public_keys == [KEY.public_key]


@pytest.mark.parametrize("column", [name for name in LEDGER.schema if name != "position"])
def test_a_changed_value_of_any_column_is_located(lake, column):
    before = lake.read(LEDGER).row(9, named=True)[column]
    value = {"drop_date": datetime(2020, 1, 1, tzinfo=UTC).date()}.get(column, "other")
    if column.endswith("_at"):
        value = (before or START) + timedelta(microseconds=1)
    lake.replace(LEDGER, change_event(10, column, value)(lake.read(LEDGER)))
    [(batch, position, event_id, what)] = find_places(lake)
    assert (batch, position, what) == (2, 10, "changed")
    assert event_id == ("other" if column == "event_id" else "crm:09")


def test_a_value_set_to_null_is_located(lake):
    lake.replace(LEDGER, change_event(28, "subject_value", None)(lake.read(LEDGER)))
    assert find_places(lake) == [(4, 28, "crm:27", "changed")]


# (change to the ledger, findings that must be there, number of findings)
TAMPERED_LEDGERS = [
    pytest.param(drop(10, shift=False), [(2, 10, "crm:09", "dropped")], 1, id="dropped"),
    pytest.param(drop(28, shift=False), [(4, 28, "crm:27", "dropped")], 1, id="newest_dropped"),
    pytest.param(drop(10, shift=True), [(2, 10, "crm:09", "dropped"), (2, 10, "crm:10", "moved")], 19, id="dropped_and_closed"),
    pytest.param(insert(10, shift=False), [(2, 10, "crm:new", "inserted")], 1, id="inserted"),
    pytest.param(insert(10, shift=True), [(2, 10, "crm:new", "inserted"), (2, 11, "crm:09", "moved")], 20, id="inserted_and_pushed"),
    pytest.param(move([10, 12], [12, 10]), [(2, 10, "crm:11", "moved"), (2, 12, "crm:09", "moved")], 2, id="reordered"),
    pytest.param(move([7, 28], [28, 7]), [(1, 7, "crm:27", "moved"), (4, 28, "crm:06", "moved")], 2, id="reordered_across_seals"),
    pytest.param(move([10], [29]), [(0, 29, "crm:09", "moved")], 1, id="moved_behind_the_end"),
    pytest.param(lambda rows: pl.concat([rows, rows[9:10]]), [(2, 10, "crm:09", "inserted")], 1, id="twice"),
    pytest.param(
        lambda rows: pl.concat([rows, rows[9:10].with_columns(pl.lit(29, pl.Int64).alias("position"))]),
        [(0, 29, "crm:09", "inserted")],
        1,
        id="appended",
    ),
    pytest.param(lambda rows: rows.clear(), [(1, 1, "", "dropped"), (4, 28, "", "dropped")], 28, id="emptied"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected", "finding_count"), TAMPERED_LEDGERS)
def test_tampered_events_are_located(lake, change, expected, finding_count):
    lake.replace(LEDGER, change(lake.read(LEDGER)))
    found = find_places(lake)
    if expected[0][2] == "":
        found = [(*each[:2], "", each[3]) for each in found]
    assert set(expected) <= set(found)
    assert len(found) == finding_count


def change_seal(seal_number, column, value):
    return lambda rows: rows.with_columns(
        pl.when(pl.col("seal_number") == seal_number)
        .then(pl.lit(value, SEAL.schema[column]))
        .otherwise(column)
        .alias(column)
    )


def sign_by_another_key(rows):
    head = bytes.fromhex(rows["head"][1])
    return change_seal(2, "public_key", OTHER.public_key)(change_seal(2, "signature", OTHER.sign(head).hex())(rows))


TAMPERED_SEALS = [
    *(
        pytest.param(change_seal(2, column, value), 2, "changed", id=f"changed_{column}")
        for column, value in {
            "drop_date": START.date(),
            "first_position": 7,
            "last_position": 15,
            "event_count": 6,
            "merkle_root": "0" * 64,
            "previous_head": "0" * 64,
            "head": "0" * 64,
            "leaf_hashes": bytes(7 * 32),
        }.items()
    ),
    pytest.param(change_seal(2, "signature", "0" * 128), 2, "wrong signature", id="wrong_signature"),
    pytest.param(change_seal(2, "signature", "none"), 2, "wrong signature", id="no_signature"),
    pytest.param(change_seal(2, "public_key", OTHER.public_key), 2, "wrong signature", id="another_public_key"),
    pytest.param(sign_by_another_key, 2, "wrong signature", id="signed_by_another"),
    pytest.param(lambda rows: rows.filter(pl.col("seal_number") != 2), 2, "the seal was removed (positions 8 to 14 have no seal any more)", id="removed"),
    pytest.param(lambda rows: rows.filter(pl.col("seal_number") != 1), 1, "the seal was removed (positions 1 to 7 have no seal any more)", id="first_removed"),
    pytest.param(lambda rows: pl.concat([rows, rows[1:2]]), 2, "inserted", id="twice"),
    pytest.param(lambda rows: rows.filter(pl.col("seal_number") < 4), 4, "cut off", id="cut_off"),
    pytest.param(lambda rows: rows.clear(), 1, "cut off", id="emptied"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "seal_number", "problem"), TAMPERED_SEALS)
def test_a_tampered_seal_is_located(lake, change, seal_number, problem):
    lake.replace(SEAL, change(lake.read(SEAL)))
    found = find_places(lake)
    assert (seal_number, 0, "", problem) in found
    # The events are untouched, so no finding names one.
    assert {each[1] for each in found} == {0}


def test_a_removed_newest_seal_is_found_by_a_head_stored_elsewhere(lake, tmp_path):
    shutil.copy(lake.path / HEAD, tmp_path / "kept.json")
    lake.replace(SEAL, lake.read(SEAL).filter(pl.col("seal_number") < 4))
    lake.replace(LEDGER, lake.read(LEDGER).filter(pl.col("position") <= 21))
    assert find_places(lake) == [(4, 0, "", "cut off")]
    store_head(lake.path, lake.read(SEAL).row(-1, named=True))
    assert find_places(lake) == []
    assert find_places(lake, head=tmp_path / "kept.json") == [(4, 0, "", "cut off")]


def test_an_older_head_stored_elsewhere_still_verifies(lake, tmp_path):
    store_head(tmp_path, lake.read(SEAL).row(1, named=True))
    assert find_places(lake, head=tmp_path / HEAD) == []


def test_a_ledger_sealed_again_with_another_key_is_found(lake, tmp_path):
    shutil.copytree(lake.path / "audit", tmp_path / "kept")
    ledger = change_event(10, "status", "denied")(lake.read(LEDGER))
    seals = seal_events(SEAL.empty(), LEDGER.empty(), ledger, OTHER)
    lake.replace(LEDGER, ledger)
    lake.replace(SEAL, seals)
    store_head(lake.path, seals.row(-1, named=True))
    assert find_places(lake) == []
    signed = [(n, 0, "", "wrong signature") for n in range(1, 5)]
    assert set(find_places(lake, public_key=tmp_path / "kept" / "ledger_key.pem")) >= set(signed)
    assert (4, 0, "", "changed") in find_places(lake, head=tmp_path / "kept" / "ledger_head.json")


def test_a_missing_head_is_reported(lake):
    (lake.path / HEAD).unlink()
    assert [str(each) for each in verify_ledger(lake.path).findings] == [
        "the ledger: audit/ledger_head.json is missing: a removed newest seal cannot be detected"
    ]


def test_a_forged_head_is_reported(lake):
    head = json.loads((lake.path / HEAD).read_text())
    (lake.path / HEAD).write_text(json.dumps({**head, "head": "0" * 64}))
    assert find_places(lake) == [(4, 0, "", "the signed head cannot be relied upon")]


def test_a_finding_as_text():
    assert str(Finding(3, 17, "crm:1", "changed: x")) == "seal 3, position 17, event crm:1: changed: x"


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)


@given(st.lists(st.tuples(TEXT, st.none() | TEXT, st.datetimes(timezones=st.just(UTC))), min_size=1, max_size=9))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_pipeline_and_verifier_encode_an_event_alike(rows):
    frame = pl.DataFrame(
        [
            {**dict.fromkeys(LEDGER.schema), "position": n, "event_id": a, "method": b, "event_at": t, "drop_date": t.date()}
            for n, (a, b, t) in enumerate(rows)
        ],
        schema=LEDGER.schema,
    )  # fmt: skip
    ours = encode_events(frame)
    assert ours == ledger_check.encode_events(frame.to_arrow())
    for entry, (a, b, t) in zip(ours, rows, strict=True):
        decoded = json.loads(entry)
        assert (decoded["event_id"], decoded.get("method")) == (a, b)
        assert decoded["event_at"] == t.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        assert entry == ledger_check.canonical_json(decoded)


@given(st.lists(st.binary(max_size=3), max_size=40))
def test_pipeline_and_verifier_compute_the_same_merkle_root(data):
    leaves = [hash_leaf(entry) for entry in data]
    assert ledger_check.compute_merkle_root(leaves) == compute_merkle_root(leaves)


def prove(lake, n):
    return ledger_check.prove_event(lake.path, f"crm:{n:02}")


@pytest.mark.parametrize("n", range(PER_NIGHT, 2 * PER_NIGHT))
def test_a_proof_of_every_event_holds(lake, n):
    proof = json.loads(json.dumps(prove(lake, n)))
    assert ledger_check.find_proof_problems(proof, lake.path / HEAD, lake.path / PUBLIC) == []
    [each] = proof["proofs"]
    leaf = hash_leaf(ledger_check.canonical_json(each["event"]))
    path = [bytes.fromhex(node) for node in each["audit_path"]]
    assert is_included(leaf, each["leaf_index"], each["tree_size"], path, bytes.fromhex(each["seal"]["merkle_root"]))


FORGERIES = [
    pytest.param(lambda p: p["event"].update(status="denied"), "not under the merkle_root of the seal", id="event"),
    pytest.param(lambda p: p["event"].update(event_id="crm:1"), "of another event", id="event_id"),
    pytest.param(lambda p: p.update(leaf_index=0), "not its place", id="index"),
    pytest.param(lambda p: p.update(tree_size=8), "another size", id="size"),
    pytest.param(lambda p: p["audit_path"].pop(), "not under the merkle_root of the seal", id="short_path"),
    pytest.param(lambda p: p["audit_path"].append("00" * 32), "not under the merkle_root of the seal", id="long_path"),
    pytest.param(lambda p: p["seal"].update(merkle_root="00" * 32), "does not give its head", id="merkle_root"),
    pytest.param(lambda p: p["seal"].update(signature="00" * 64), "wrong signature", id="signature"),
    pytest.param(
        lambda p: p["seal"].update(
            public_key=OTHER.public_key, signature=OTHER.sign(bytes.fromhex(p["seal"]["head"])).hex()
        ),
        "not a trusted key",
        id="key",
    ),
]


@pytest.mark.parametrize(("forge", "problem"), FORGERIES)
def test_a_forged_proof_does_not_hold(lake, forge, problem):
    proof = prove(lake, 9)
    forge(proof["proofs"][0])
    problems = ledger_check.find_proof_problems(proof, public_key=lake.path / PUBLIC)
    assert any(problem in found for found in problems), problems


def run_cdp(*arguments):
    return CliRunner().invoke(app, ["verify", "ledger", *map(str, arguments)])


def test_the_command_line(lake, tmp_path):
    done = run_cdp("--lake", lake.path)
    assert (done.exit_code, done.stdout.split(" in ")[0]) == (0, "4 seals, 28 events checked")
    proof = tmp_path / "proof.json"
    assert run_cdp("--lake", lake.path, "--proof", "crm:09", "--output", proof).exit_code == 0
    assert run_cdp("--lake", tmp_path / "gone", "--check-proof", proof).stdout == "the proof holds\n"
    proof.write_text(proof.read_text().replace("granted", "denied"))
    assert run_cdp("--check-proof", proof).exit_code == 1
    lake.replace(LEDGER, change_event(10, "status", "denied")(lake.read(LEDGER)))
    done = run_cdp("--lake", lake.path)
    assert done.exit_code == 1
    assert "seal 2, position 10, event crm:09: changed" in done.stdout
    assert run_cdp("--lake", lake.path, "--proof", "crm:09").exit_code == 1
    assert run_cdp("--lake", lake.path, "--proof", "crm:none").exit_code == 2
    assert run_cdp("--lake", tmp_path / "gone").exit_code == 2
    assert run_cdp("--lake", lake.path, "--head", tmp_path / "gone.json").exit_code == 2


def test_the_file_runs_alone_and_imports_nothing_of_the_project(lake, tmp_path):
    source = Path(ledger_check.__file__)
    alone = tmp_path / "verify_ledger.py"
    shutil.copy(source, alone)
    script = (
        "import runpy, sys\nsys.argv = sys.argv[1:]\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as done:\n    assert done.code == 0, done.code\n"
        "ours = {name.split('.')[0] for name in sys.modules} & {'cdp_pipelines', 'assets', 'warehouse', 'expectations', 'polars'}\n"
        "assert not ours, ours\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, alone, lake.path], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    imported = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            imported |= {each.name.split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module.split(".")[0])
    assert imported <= set(sys.stdlib_module_names) | {"pyarrow", "deltalake", "cryptography"}
