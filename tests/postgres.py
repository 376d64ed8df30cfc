"""A PostgreSQL server of the tests' own: Debian's package, a new cluster in a folder of its own, gone when they end."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BIN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
# Who runs the server where the tests run as root, which PostgreSQL refuses.
SERVER_USER = "postgres"


@dataclass(frozen=True)
class Server:
    """Where a running server is, and who may do everything on it."""

    port: int
    password: str
    user: str = SERVER_USER
    host: str = "127.0.0.1"

    def dsn(self, database: str = "postgres", user: str | None = None, password: str | None = None) -> str:
        return f"postgresql://{user or self.user}:{password or self.password}@{self.host}:{self.port}/{database}"


def missing() -> str | None:
    """Why no server can be started here, or None."""
    if not BIN:
        return "no /usr/lib/postgresql/*/bin: install Debian's package postgresql"
    if os.geteuid() == 0 and SERVER_USER not in {user.pw_name for user in pwd.getpwall()}:
        return f"root may not run PostgreSQL, and there is no user {SERVER_USER}"
    return None


@contextmanager
def server() -> Iterator[Server]:
    """A new server on a free port of this machine; passwords are asked for. Durability is off: it lives for minutes."""
    folder = Path(tempfile.mkdtemp(prefix="cdp-postgres-"))
    as_owner = []
    if os.geteuid() == 0:
        as_owner = ["runuser", "-u", SERVER_USER, "--"]
        shutil.chown(folder, SERVER_USER)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        started = Server(probe.getsockname()[1], secrets.token_hex(8))
    secret = folder / "password"
    secret.write_text(started.password)
    secret.chmod(0o644)
    log = (folder / "log").open("w")
    initdb = [BIN[-1] / "initdb", "-D", folder / "cluster", "-U", started.user, "--pwfile", secret]
    subprocess.run(
        [*as_owner, *initdb, "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"],
        check=True,
        stdout=log,
        stderr=log,
        cwd="/",
    )
    settings = {
        "port": started.port,
        "listen_addresses": started.host,
        "unix_socket_directories": folder,
        "fsync": "off",
        "full_page_writes": "off",
        "autovacuum": "off",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    running = subprocess.Popen(
        [*as_owner, BIN[-1] / "postgres", "-D", folder / "cluster", *options], stdout=log, stderr=log, cwd="/"
    )
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(
            [BIN[-1] / "pg_isready", "-q", "-h", started.host, "-p", str(started.port)], cwd="/"
        ).returncode:
            if running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL did not start: " + (folder / "log").read_text())
            time.sleep(0.05)
        yield started
    finally:
        # Immediate shutdown; nothing is worth keeping.
        if running.poll() is None:
            subprocess.run(
                [*as_owner, BIN[-1] / "pg_ctl", "-D", folder / "cluster", "-m", "immediate", "stop"],
                stdout=log,
                stderr=log,
                cwd="/",
                check=False,
            )
            running.wait()
        log.close()
        shutil.rmtree(folder)
