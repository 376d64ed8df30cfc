"""Errors of the PostgreSQL server as messages that quote nothing of a statement, a row or an address.

Here belong the known refusals and their messages. What is done on the server is in `postgres` and `roles`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdp_pipelines.errors import ServerError

if TYPE_CHECKING:
    from adbc_driver_postgresql import dbapi

# Environment variable with the URI of the server.
SERVER = "CDP_POSTGRES"

# Key: SQLSTATE, or where no statement was refused, words of libpq's message. The message itself may quote a
# password or a row, and is not passed on.
REFUSALS = {
    "28000": "the server refuses this user",
    "42501": "the user lacks a right: it must own the database and have CREATEROLE",
    "42P06": "a schema with a purpose's name exists that no publication made; rename it, or use another database",
    "2BP01": "a view or another object depends on a mart whose columns changed; drop it and publish again",
    "password authentication failed": "the password is wrong",
    "no password supplied": "the server requires a password",
    "does not exist": "the database or the user does not exist",
    "permission denied": "the user may not connect to the database",
    "could not translate host name": "the host is unknown",
}
# Refusals that may be gone at the next try.
TRANSIENT = {
    "55P03": "another publication, or a transaction that holds a mart whose columns changed, goes on for "
    "too long; end it (pg_stat_activity, pg_locks) and publish again",
    "53100": "the server's disk is full",
    "57P01": "the server ended the connection",
    "terminating connection": "the server ended the connection",
    "server closed the connection": "the server ended the connection",
    "Connection refused": "no server listens at this host and port",
    "timeout expired": "the server does not answer",
    "starting up": "the server is starting up",
    "too many": "the server has no free connection",
}


def to_server_error(error: dbapi.Error) -> ServerError:
    """The driver's error as a `ServerError`; `is_passing` where another try may succeed."""
    for known in (TRANSIENT, REFUSALS):
        for sign, message in known.items():
            if sign == error.sqlstate or (not error.sqlstate and sign in str(error)):
                return ServerError(message, is_passing=known is TRANSIENT)
    if error.sqlstate:
        return ServerError(f"the server refused a statement (SQLSTATE {error.sqlstate})")
    return ServerError(f"the server cannot be reached; is {SERVER} a URI, with its password percent-encoded?")
