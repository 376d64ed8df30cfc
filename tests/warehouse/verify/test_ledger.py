"""Every kind of tampering is found and its place named; the verifier shares no code with what it verifies."""

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
from cdp_pipelines.consent.merkle import is_included, leaf_hash, merkle_root
from cdp_pipelines.consent.seal import encode_events
from cdp_pipelines.schema import CONSENT_EVENT, LEDGER, SEAL
from warehouse.delta.lake import Lake
from warehouse.keys import HEAD, PUBLIC, LedgerKey, store_head
from warehouse.verify import ledger as verify_ledger
from warehouse.verify.ledger import Finding, verify

START = datetime(2024, 1, 1, tzinfo=UTC)
KEY = LedgerKey(Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = LedgerKey(Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
PER_NIGHT = 7


def wills(night_count):
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


def fill(path, night_count=4):
    lake = Lake(path)
    events = extend_ledger(LEDGER.empty(), wills(night_count))
    batches = seal_events(SEAL.empty(), LEDGER.empty(), events, KEY)
    lake.replace(CONSENT_EVENT, wills(night_count))
    lake.append(LEDGER, events)
    lake.append(SEAL, batches)
    store_head(path, batches.row(-1, named=True))
    return lake


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("sealed") / "lake").path


@pytest.fixture
def lake(made, tmp_path):
    shutil.copytree(made, tmp_path / "lake")
    return Lake(tmp_path / "lake")


def places(lake, **given):
    return [(f.batch, f.position, f.event_id, f.what.split(":")[0]) for f in verify(lake.path, **given).findings]


def at(position, column, value):
    """The ledger with one cell changed."""
    return lambda rows: rows.with_columns(
        pl.when(pl.col("position") == position)
        .then(pl.lit(value, LEDGER.schema[column]))
        .otherwise(column)
        .alias(column)
    )


def moved(old, new):
    return lambda rows: rows.with_columns(pl.col("position").replace(dict(zip(old, new, strict=True))))


def inserted(position, *, shift):
    def change(rows):
        new = at(position, "event_id", "crm:new")(rows).filter(pl.col("position") == position)
        rest = rows.with_columns(pl.col("position") + (pl.col("position") >= position).cast(pl.Int64) * int(shift))
        return pl.concat([rest, new])

    return change


def dropped(position, *, shift):
    return lambda rows: rows.filter(pl.col("position") != position).with_columns(
        pl.col("position") - (pl.col("position") > position).cast(pl.Int64) * int(shift)
    )


def test_what_was_sealed_is_found_so(lake):
    verdict = verify(lake.path, public_key=lake.path / PUBLIC)
    assert (verdict.seal_count, verdict.event_count, verdict.findings, verdict.notes) == (4, 28, [], [])
    assert verdict.keys == [KEY.public_key]


@pytest.mark.parametrize("column", [name for name in LEDGER.schema if name != "position"])
def test_a_flipped_field_of_any_column(lake, column):
    before = lake.read(LEDGER).row(9, named=True)[column]
    value = {"drop_date": datetime(2020, 1, 1, tzinfo=UTC).date()}.get(column, "other")
    if column.endswith("_at"):
        value = (before or START) + timedelta(microseconds=1)
    lake.replace(LEDGER, at(10, column, value)(lake.read(LEDGER)))
    [(batch, position, event_id, what)] = places(lake)
    assert (batch, position, what) == (2, 10, "changed")
    assert event_id == ("other" if column == "event_id" else "crm:09")


def test_a_field_made_null(lake):
    lake.replace(LEDGER, at(28, "subject_value", None)(lake.read(LEDGER)))
    assert places(lake) == [(4, 28, "crm:27", "changed")]


# (what is done to the ledger, places that must be named, places that may follow from it)
LEDGERS = [
    pytest.param(dropped(10, shift=False), [(2, 10, "crm:09", "dropped")], 1, id="dropped"),
    pytest.param(dropped(28, shift=False), [(4, 28, "crm:27", "dropped")], 1, id="newest_dropped"),
    pytest.param(dropped(10, shift=True), [(2, 10, "crm:09", "dropped"), (2, 10, "crm:10", "moved")], 19, id="dropped_and_closed"),
    pytest.param(inserted(10, shift=False), [(2, 10, "crm:new", "inserted")], 1, id="inserted"),
    pytest.param(inserted(10, shift=True), [(2, 10, "crm:new", "inserted"), (2, 11, "crm:09", "moved")], 20, id="inserted_and_pushed"),
    pytest.param(moved([10, 12], [12, 10]), [(2, 10, "crm:11", "moved"), (2, 12, "crm:09", "moved")], 2, id="reordered"),
    pytest.param(moved([7, 28], [28, 7]), [(1, 7, "crm:27", "moved"), (4, 28, "crm:06", "moved")], 2, id="reordered_across_batches"),
    pytest.param(moved([10], [29]), [(0, 29, "crm:09", "moved")], 1, id="moved_behind_the_end"),
    pytest.param(lambda rows: pl.concat([rows, rows[9:10]]), [(2, 10, "crm:09", "inserted")], 1, id="twice"),
    pytest.param(
        lambda rows: pl.concat([rows, rows[9:10].with_columns(pl.lit(29, pl.Int64).alias("position"))]),
        [(0, 29, "crm:09", "inserted")],
        1,
        id="appended",
    ),
    pytest.param(lambda rows: rows.clear(), [(1, 1, "", "dropped"), (4, 28, "", "dropped")], 28, id="emptied"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "named", "place_count"), LEDGERS)
def test_the_place_of_a_tampered_event_is_named(lake, change, named, place_count):
    lake.replace(LEDGER, change(lake.read(LEDGER)))
    found = places(lake)
    if named[0][2] == "":
        found = [(*each[:2], "", each[3]) for each in found]
    assert set(named) <= set(found)
    assert len(found) == place_count


def cell(batch, column, value):
    return lambda rows: rows.with_columns(
        pl.when(pl.col("batch") == batch).then(pl.lit(value, SEAL.schema[column])).otherwise(column).alias(column)
    )


def signed_by_another(rows):
    head = bytes.fromhex(rows["head"][1])
    return cell(2, "public_key", OTHER.public_key)(cell(2, "signature", OTHER.sign(head).hex())(rows))


BATCHES = [
    *(
        pytest.param(cell(2, column, value), 2, "changed", id=f"changed_{column}")
        for column, value in {
            "drop_date": START.date(),
            "first_position": 7,
            "last_position": 15,
            "event_count": 6,
            "root": "0" * 64,
            "previous": "0" * 64,
            "head": "0" * 64,
            "leaves": bytes(7 * 32),
        }.items()
    ),
    pytest.param(cell(2, "signature", "0" * 128), 2, "wrong signature", id="wrong_signature"),
    pytest.param(cell(2, "signature", "none"), 2, "wrong signature", id="no_signature"),
    pytest.param(cell(2, "public_key", OTHER.public_key), 2, "wrong signature", id="another_public_key"),
    pytest.param(signed_by_another, 2, "wrong signature", id="signed_by_another"),
    pytest.param(lambda rows: rows.filter(pl.col("batch") != 2), 2, "the batch was removed (with it the seals of positions 8 to 14)", id="removed"),
    pytest.param(lambda rows: rows.filter(pl.col("batch") != 1), 1, "the batch was removed (with it the seals of positions 1 to 7)", id="first_removed"),
    pytest.param(lambda rows: pl.concat([rows, rows[1:2]]), 2, "inserted", id="twice"),
    pytest.param(lambda rows: rows.filter(pl.col("batch") < 4), 4, "cut off", id="cut_off"),
    pytest.param(lambda rows: rows.clear(), 1, "cut off", id="emptied"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "batch", "what"), BATCHES)
def test_the_tampered_batch_is_named(lake, change, batch, what):
    lake.replace(SEAL, change(lake.read(SEAL)))
    found = places(lake)
    assert (batch, 0, "", what) in found
    # The events are as they were: none is accused.
    assert {each[1] for each in found} == {0}


def test_the_newest_batch_cut_off_with_its_events_and_the_lakes_own_head(lake, tmp_path):
    shutil.copy(lake.path / HEAD, tmp_path / "kept.json")
    lake.replace(SEAL, lake.read(SEAL).filter(pl.col("batch") < 4))
    lake.replace(LEDGER, lake.read(LEDGER).filter(pl.col("position") <= 21))
    assert places(lake) == [(4, 0, "", "cut off")]
    store_head(lake.path, lake.read(SEAL).row(-1, named=True))
    assert places(lake) == []
    assert places(lake, head=tmp_path / "kept.json") == [(4, 0, "", "cut off")]


def test_an_older_head_kept_elsewhere_holds(lake, tmp_path):
    store_head(tmp_path, lake.read(SEAL).row(1, named=True))
    assert places(lake, head=tmp_path / HEAD) == []


def test_everything_sealed_anew_by_another_key_is_found_by_the_public_key_or_the_head(lake, tmp_path):
    shutil.copytree(lake.path / "audit", tmp_path / "kept")
    ledger = at(10, "status", "denied")(lake.read(LEDGER))
    batches = seal_events(SEAL.empty(), LEDGER.empty(), ledger, OTHER)
    lake.replace(LEDGER, ledger)
    lake.replace(SEAL, batches)
    store_head(lake.path, batches.row(-1, named=True))
    assert places(lake) == []
    signed = [(n, 0, "", "wrong signature") for n in range(1, 5)]
    assert set(places(lake, public_key=tmp_path / "kept" / "ledger_key.pem")) >= set(signed)
    assert (4, 0, "", "changed") in places(lake, head=tmp_path / "kept" / "ledger_head.json")


def test_a_missing_head_is_told(lake):
    (lake.path / HEAD).unlink()
    assert [str(each) for each in verify(lake.path).findings] == [
        "the ledger: audit/ledger_head.json is missing: a cut-off newest batch could not be seen"
    ]


def test_a_forged_head_is_no_head(lake):
    told = json.loads((lake.path / HEAD).read_text())
    (lake.path / HEAD).write_text(json.dumps({**told, "head": "0" * 64}))
    assert places(lake) == [(4, 0, "", "the signed head cannot be relied upon")]


def test_a_finding_reads_as_a_place():
    assert str(Finding(3, 17, "crm:1", "changed: x")) == "batch 3, position 17, event crm:1: changed: x"


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)


@given(st.lists(st.tuples(TEXT, st.none() | TEXT, st.datetimes(timezones=st.just(UTC))), min_size=1, max_size=9))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_pipeline_and_verifier_write_an_event_alike_and_as_json(rows):
    frame = pl.DataFrame(
        [
            {**dict.fromkeys(LEDGER.schema), "position": n, "event_id": a, "method": b, "event_at": t, "drop_date": t.date()}
            for n, (a, b, t) in enumerate(rows)
        ],
        schema=LEDGER.schema,
    )  # fmt: skip
    ours = encode_events(frame)
    assert ours == verify_ledger.entries_of(frame.to_arrow())
    for entry, (a, b, t) in zip(ours, rows, strict=True):
        told = json.loads(entry)
        assert (told["event_id"], told.get("method")) == (a, b)
        assert told["event_at"] == t.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
        assert entry == verify_ledger.canonical(told)


@given(st.lists(st.binary(max_size=3), max_size=40))
def test_both_merkle_roots_are_one(data):
    leaves = [leaf_hash(entry) for entry in data]
    assert verify_ledger.merkle_root(leaves) == merkle_root(leaves)


def proof_of(lake, n):
    return verify_ledger.prove(lake.path, f"crm:{n:02}")


@pytest.mark.parametrize("n", range(PER_NIGHT, 2 * PER_NIGHT))
def test_a_proof_holds_for_every_event(lake, n):
    proof = json.loads(json.dumps(proof_of(lake, n)))
    assert verify_ledger.proof_problems(proof, lake.path / HEAD, lake.path / PUBLIC) == []
    [each] = proof["proofs"]
    leaf = leaf_hash(verify_ledger.canonical(each["event"]))
    path = [bytes.fromhex(node) for node in each["audit_path"]]
    assert is_included(leaf, each["leaf_index"], each["tree_size"], path, bytes.fromhex(each["batch"]["root"]))


FORGERIES = [
    pytest.param(lambda p: p["event"].update(status="denied"), "not under the batch's root", id="event"),
    pytest.param(lambda p: p["event"].update(event_id="crm:1"), "of another event", id="event_id"),
    pytest.param(lambda p: p.update(leaf_index=0), "place in the batch", id="index"),
    pytest.param(lambda p: p.update(tree_size=8), "another size", id="size"),
    pytest.param(lambda p: p["audit_path"].pop(), "not under the batch's root", id="short_path"),
    pytest.param(lambda p: p["audit_path"].append("00" * 32), "not under the batch's root", id="long_path"),
    pytest.param(lambda p: p["batch"].update(root="00" * 32), "does not give its head", id="root"),
    pytest.param(lambda p: p["batch"].update(signature="00" * 64), "wrong signature", id="signature"),
    pytest.param(
        lambda p: p["batch"].update(
            public_key=OTHER.public_key, signature=OTHER.sign(bytes.fromhex(p["batch"]["head"])).hex()
        ),
        "none of the keys",
        id="key",
    ),
]


@pytest.mark.parametrize(("forge", "told"), FORGERIES)
def test_a_forged_proof_does_not_hold(lake, forge, told):
    proof = proof_of(lake, 9)
    forge(proof["proofs"][0])
    problems = verify_ledger.proof_problems(proof, public_key=lake.path / PUBLIC)
    assert any(told in problem for problem in problems), problems


def cdp(*arguments):
    return CliRunner().invoke(app, ["verify", "ledger", *map(str, arguments)])


def test_the_command(lake, tmp_path):
    done = cdp("--lake", lake.path)
    assert (done.exit_code, done.stdout.split(" in ")[0]) == (0, "4 batches, 28 events checked")
    proof = tmp_path / "proof.json"
    assert cdp("--lake", lake.path, "--proof", "crm:09", "--output", proof).exit_code == 0
    assert cdp("--lake", tmp_path / "gone", "--check-proof", proof).stdout == "the proof holds\n"
    proof.write_text(proof.read_text().replace("granted", "denied"))
    assert cdp("--check-proof", proof).exit_code == 1
    lake.replace(LEDGER, at(10, "status", "denied")(lake.read(LEDGER)))
    done = cdp("--lake", lake.path)
    assert done.exit_code == 1
    assert "batch 2, position 10, event crm:09: changed" in done.stdout
    assert cdp("--lake", lake.path, "--proof", "crm:09").exit_code == 1
    assert cdp("--lake", lake.path, "--proof", "crm:none").exit_code == 2
    assert cdp("--lake", tmp_path / "gone").exit_code == 2
    assert cdp("--lake", lake.path, "--head", tmp_path / "gone.json").exit_code == 2


def test_it_runs_alone_and_imports_nothing_of_ours(lake, tmp_path):
    source = Path(verify_ledger.__file__)
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
