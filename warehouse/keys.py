"""Keys: the ledger's signing key, its published signed head, and the keys of the marts.

Here belong making, reading and storing keys and the signed head. What is signed is in `cdp_pipelines.consent.seal`; the
pseudonyms are in `cdp_pipelines.marts.pseudonym`.

The private key is that of the environment variable CDP_LEDGER_KEY (PKCS #8 in PEM, or the 32 bytes of the seed in hex)
or else that of `<lake>/keys/ledger.pem`, created on the first run and readable by its owner only. A lake that was
sealed never gets a new key by itself: somebody must decide that the old one is lost. Public files are in
`<lake>/audit/`: the newest signed head, and the public key. An auditor who keeps a copy of both elsewhere will notice
if seals are cut off or everything is signed anew. Files are replaced as a whole: a crash leaves the old or the new one.

The pseudonyms in marts depend on one secret: that of the environment variable CDP_MART_SECRET (32 bytes in hex) or
else of `<lake>/keys/marts.key`, created and protected like the ledger's key. Each purpose's key is derived from it
(HKDF, RFC 5869), so that one key reveals no other. A new secret changes every pseudonym in every mart.
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cdp_pipelines.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

VARIABLE = "CDP_LEDGER_KEY"
_SEALS = "consent/seal/_delta_log"
PRIVATE, HEAD, PUBLIC = "keys/ledger.pem", "audit/ledger_head.json", "audit/ledger_key.pem"
SEED_DIGITS = 64
MART_VARIABLE, MART_SECRET, SECRET_BYTES = "CDP_MART_SECRET", "keys/marts.key", 32


@dataclass(frozen=True, slots=True, repr=False)
class LedgerKey:
    """An Ed25519 key (RFC 8032): the same message always gets the same signature."""

    private: Ed25519PrivateKey

    @property
    def public_key(self) -> str:
        """The 32 bytes of the public key, in hex."""
        return self.private.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature of `message`."""
        return self.private.sign(message)


def keyed_digest(key: LedgerKey, text: str) -> str:
    """A digest of a text that cannot be guessed from candidates without the key; 32 hex digits."""
    return sha256(key.sign(b"digest of: " + text.encode())).hexdigest()[:32]


def ledger_key(lake: Path) -> LedgerKey:
    """The key of this lake, created before its first seal.

    `LakeError` where the stored key is not an Ed25519 key, or is missing though the lake was sealed.
    """
    if VARIABLE in os.environ:
        return LedgerKey(_parse_key(os.environ[VARIABLE].strip(), VARIABLE))
    if not (lake / PRIVATE).exists() and ((lake / HEAD).exists() or (lake / _SEALS).exists()):
        raise LakeError(
            f"{lake / PRIVATE} is missing, and this lake was sealed with it. Restore the file from a backup, or set "
            f"{VARIABLE}. If the key is lost, keep {lake / PUBLIC}, which checks the seals so far, and make a new key: "
            f"openssl genpkey -algorithm ed25519 -out {lake / PRIVATE}"
        )
    path = _ensure_secret(
        lake / PRIVATE,
        lambda: Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    return LedgerKey(_parse_key(path.read_text(), str(path)))


def mart_key(lake: Path, purpose: str) -> str:
    """The key of a purpose's mart, 64 hex digits; the secret is created before the first mart.

    `LakeError` where the secret is not 32 bytes in hex, or is missing though the lake has marts.
    """
    if MART_VARIABLE in os.environ:
        source, text = MART_VARIABLE, os.environ[MART_VARIABLE]
    else:
        if not (lake / MART_SECRET).exists() and any(lake.glob("mart/*/_delta_log")):
            raise LakeError(
                f"{lake / MART_SECRET} is missing, and the pseudonyms in the marts of this lake were made with it. "
                f"Restore the file from a backup, or set {MART_VARIABLE}. If it is lost, make a new one, which changes "
                f"every pseudonym in every mart: openssl rand -hex {SECRET_BYTES} -out {lake / MART_SECRET}"
            )
        path = _ensure_secret(lake / MART_SECRET, lambda: secrets.token_hex(SECRET_BYTES).encode())
        source, text = str(path), path.read_text()
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise LakeError(f"{source} does not hold a secret of {2 * SECRET_BYTES} hex digits")
    derived = HKDF(hashes.SHA256(), SECRET_BYTES, salt=None, info=f"cdp mart {purpose}".encode())
    return derived.derive(secret).hex()


def make_first_keys(lake: Path) -> None:
    """Make the keys of a lake that has none yet; a key that is damaged, or missing though it was used, stays so.

    What rests on the keys (`digest_keys`) is then the same for all steps of the first run and for the next run.
    """
    for make in (ledger_key, partial(mart_key, purpose="")):
        # The step that needs the key reports what is wrong with it.
        with suppress(LakeError):
            make(lake)


def digest_keys(lake: Path) -> str:
    """A digest that changes with any key of the lake; it makes no key, and none can be found from it."""
    texts = [os.environ.get(name, "") for name in (VARIABLE, MART_VARIABLE)]
    files = [path.read_bytes() if path.exists() else b"" for path in (lake / PRIVATE, lake / MART_SECRET)]
    return sha256("\n".join([*texts, *(sha256(content).hexdigest() for content in files)]).encode()).hexdigest()


def read_head(lake: Path) -> dict[str, object] | None:
    """The newest signed head; None where the lake has none."""
    path = lake / HEAD
    return json.loads(path.read_text()) if path.exists() else None


def store_head(lake: Path, seal: Mapping[str, object]) -> None:
    """Write the signed head of the newest seal, and its public key in PEM, unless the files have them already."""
    signed = {
        "seal_number": seal["seal_number"],
        "drop_date": str(seal["drop_date"]),
        **{name: seal[name] for name in ("last_position", "head", "signature", "public_key")},
    }
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signed["public_key"]))
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for name, content in ((HEAD, (json.dumps(signed, indent=2) + "\n").encode()), (PUBLIC, pem)):
        path = lake / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != content:
            _replace_file(path, content, mode=0o644)


def _parse_key(text: str, source: str) -> Ed25519PrivateKey:
    try:
        if len(text) == SEED_DIGITS:
            return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise LakeError(
            f"{source} does not hold an Ed25519 private key; "
            f"allowed are a PEM without a password or {SEED_DIGITS} hex digits"
        )
    return key


def _ensure_secret(path: Path, make: Callable[[], bytes]) -> Path:
    """The file of a secret, created if it is missing; only its owner can read it and its folder."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    if not path.exists():
        _replace_file(path, make(), mode=0o600)
    path.chmod(0o600)
    return path


def _replace_file(path: Path, content: bytes, mode: int) -> None:
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
