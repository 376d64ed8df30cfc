"""The ledger's key and the marts': made once, for its owner alone, or taken from the environment; the head is swapped in whole."""

import json
import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cdp_pipelines.errors import LakeError
from warehouse.keys import (
    HEAD,
    MART_SECRET,
    MART_VARIABLE,
    PRIVATE,
    PUBLIC,
    VARIABLE,
    digest_keys,
    ledger_key,
    make_first_keys,
    mart_key,
    store_head,
)
from warehouse.verify.ledger import read_public_keys
from warehouse.verify.protection import derive_purpose_key

# RFC 8032, section 7.1, test 2.
SEED = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
PUBLIC_KEY = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def modes(lake):
    return tuple(stat.S_IMODE((lake / path).stat().st_mode) for path in ("keys", PRIVATE))


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_made_once_for_its_owner_alone(tmp_path, umask):
    before = os.umask(umask)
    try:
        made = ledger_key(tmp_path)
    finally:
        os.umask(before)
    assert modes(tmp_path) == (0o700, 0o600)
    assert ledger_key(tmp_path).public_key == made.public_key
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["ledger.pem"]
    assert ledger_key(tmp_path / "other").public_key != made.public_key


def test_modes_are_put_right(tmp_path):
    ledger_key(tmp_path)
    (tmp_path / "keys").chmod(0o755)
    (tmp_path / PRIVATE).chmod(0o644)
    ledger_key(tmp_path)
    assert modes(tmp_path) == (0o700, 0o600)


def test_what_a_killed_run_left_is_no_key(tmp_path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / ".ledger.pem.new").write_text("-----BEGIN")
    assert ledger_key(tmp_path).public_key == ledger_key(tmp_path).public_key


@pytest.mark.parametrize(
    "key_text",
    [
        pytest.param(SEED, id="seed"),
        pytest.param(f" {SEED.upper()}\n", id="seed_as_pasted"),
        pytest.param(pem(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SEED))), id="pem"),
    ],
)
def test_from_the_environment(tmp_path, monkeypatch, key_text):
    monkeypatch.setenv(VARIABLE, key_text)
    key = ledger_key(tmp_path)
    assert (key.public_key, key.sign(b"\x72").hex()) == (PUBLIC_KEY, SIGNATURE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "key_text",
    [
        pytest.param("", id="empty"),
        pytest.param("secret-but-wrong", id="word"),
        pytest.param("x" * 64, id="no_hex"),
        pytest.param(pem(X25519PrivateKey.generate()), id="other_kind"),
    ],
)
def test_no_key_is_refused_without_showing_it(tmp_path, monkeypatch, key_text):
    monkeypatch.setenv(VARIABLE, key_text)
    with pytest.raises(LakeError, match="CDP_LEDGER_KEY does not hold an Ed25519 private key") as refused:
        ledger_key(tmp_path)
    assert not key_text or key_text.strip() not in str(refused.value)


def test_head_and_public_key_are_kept_and_not_written_again(tmp_path):
    batch = {"seal_number": 1, "drop_date": "2024-01-01", "last_position": 3, "head": "ab", "signature": "cd"}
    store_head(tmp_path, {**batch, "public_key": PUBLIC_KEY, "merkle_root": "ef"})
    assert json.loads((tmp_path / HEAD).read_text()) == {**batch, "public_key": PUBLIC_KEY}
    assert read_public_keys(tmp_path / PUBLIC) == {PUBLIC_KEY}
    written = (tmp_path / HEAD).stat().st_ino
    store_head(tmp_path, {**batch, "public_key": PUBLIC_KEY})
    assert (tmp_path / HEAD).stat().st_ino == written
    store_head(tmp_path, {**batch, "seal_number": 2, "public_key": PUBLIC_KEY})
    assert json.loads((tmp_path / HEAD).read_text())["seal_number"] == 2
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == ["ledger_head.json", "ledger_key.pem"]


def test_the_secret_of_the_marts_is_made_once_for_its_owner_alone(tmp_path, monkeypatch):
    monkeypatch.delenv(MART_VARIABLE)
    first = mart_key(tmp_path, "payment")
    assert stat.S_IMODE((tmp_path / MART_SECRET).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert mart_key(tmp_path, "payment") == first
    assert mart_key(tmp_path / "another", "payment") != first
    assert derive_purpose_key(tmp_path, "payment") == first.encode()


def test_first_keys_are_the_keys_of_every_step_and_no_lost_key_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.delenv(MART_VARIABLE, raising=False)
    make_first_keys(tmp_path)
    before = digest_keys(tmp_path)
    ledger_key(tmp_path)
    mart_key(tmp_path, "email_marketing")
    make_first_keys(tmp_path)
    assert digest_keys(tmp_path) == before
    (tmp_path / "mart" / "payment" / "_delta_log").mkdir(parents=True)
    (tmp_path / MART_SECRET).unlink()
    make_first_keys(tmp_path)
    assert not (tmp_path / MART_SECRET).exists()


def test_each_purpose_has_a_key_of_its_own(tmp_path):
    keys = {mart_key(tmp_path, purpose) for purpose in ("payment", "profiling", "analytics")}
    assert len(keys) == 3
    assert all(len(bytes.fromhex(key)) == 32 for key in keys)
    assert not (tmp_path / MART_SECRET).exists()


@pytest.mark.parametrize("key_text", ["", "0b", "x" * 64, "0b" * 33])
def test_a_secret_that_is_none_is_refused_without_saying_it(key_text, tmp_path, monkeypatch):
    monkeypatch.setenv(MART_VARIABLE, key_text)
    with pytest.raises(LakeError) as raised:
        mart_key(tmp_path, "payment")
    assert str(raised.value) == f"{MART_VARIABLE} does not hold a secret of 64 hex digits"
