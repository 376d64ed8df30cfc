"""Who may read what on a PostgreSQL server: `cdp_<purpose>` its own mart, and nobody anything else.

The roles are groups without login: a person or a tool reads by being granted membership. Rights are found, compared
with what they are to be, and only the difference is written, so a right that somebody gave by hand is gone with the
next publication. Superusers and members of pg_read_all_data are beyond this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cdp_pipelines.errors import ServerError
from warehouse.serving.sql import quote_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from adbc_driver_postgresql.dbapi import Cursor

# What anybody but the owners may do on the database and in the schemas of publication, down to single columns. Of the
# database itself, and of the schema that every new one has, only what concerns everybody or our roles is ours to say.
FOUND = """
WITH schemas AS (SELECT * FROM pg_namespace WHERE nspname = ANY($1)),
kept AS (
    SELECT 'DATABASE' AS kind, datname AS name, NULL AS part, datdba AS owner,
        coalesce(datacl, acldefault('d', datdba)) AS acl
    FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'SCHEMA', nspname, NULL, nspowner, nspacl FROM pg_namespace WHERE nspname = ANY($1) OR nspname = 'public'
    UNION ALL
    SELECT 'TABLE', nspname, relname, relowner, relacl FROM pg_class JOIN schemas ON schemas.oid = relnamespace
    UNION ALL
    SELECT 'TABLE', nspname, relname, relowner, attacl
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN schemas ON schemas.oid = relnamespace
)
SELECT kind, name, part, CASE grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(grantee)::text END,
    privilege_type || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
FROM kept, aclexplode(acl)
WHERE grantee <> owner AND (name = ANY($1) AND kind <> 'DATABASE' OR grantee = 0 OR pg_get_userbyid(grantee) = ANY($2))
"""


class Grant(NamedTuple):
    """That `grantee` (None: everybody) has a privilege on a database, a schema, or a table (`part`) of it."""

    kind: str
    name: str
    part: str | None
    grantee: str | None
    privilege: str

    @property
    def target(self) -> str:
        """What it is on, as GRANT and REVOKE name it."""
        return f"{self.kind} {quote_name(self.name)}" + (f".{quote_name(self.part)}" if self.part else "")

    @property
    def who(self) -> str:
        """Whose it is, as GRANT and REVOKE name them."""
        return quote_name(self.grantee) if self.grantee else "PUBLIC"


def role_name(purpose: str) -> str:
    """The group whose members read the mart of a purpose."""
    return f"cdp_{purpose}"


def establish_roles(cursor: Cursor, marts: Mapping[str, str], gone: Iterable[str]) -> None:
    """Let the role of each purpose of `marts` read the table given there, and nobody but owners anything else.

    A role that is missing is made; those of purposes that are `gone` may not even connect. `ServerError` where other
    rights stay, because the user does not own what they are on.
    """
    cursor.execute("SELECT rolname FROM pg_roles")
    known = {name for (name,) in cursor.fetchall()}
    for purpose in marts:
        if role_name(purpose) not in known:
            cursor.execute(f"CREATE ROLE {quote_name(role_name(purpose))} NOLOGIN")
    cursor.execute("SELECT current_database()")
    (database,) = cursor.fetchone()
    wanted = {
        right
        for purpose, table in marts.items()
        for right in (
            Grant("DATABASE", database, None, role_name(purpose), "CONNECT"),
            Grant("SCHEMA", purpose, None, role_name(purpose), "USAGE"),
            Grant("TABLE", purpose, table, role_name(purpose), "SELECT"),
        )
    }
    schemas = ["main", *marts, *gone]
    found = _found(cursor, schemas)
    for right in sorted(found - wanted, key=str):
        cursor.execute(f"REVOKE ALL ON {right.target} FROM {right.who} CASCADE")
    for right in sorted(wanted - _found(cursor, schemas)):
        cursor.execute(f"GRANT {right.privilege} ON {right.target} TO {right.who}")
    left = _found(cursor, schemas) ^ wanted
    if left:
        raise ServerError(
            "rights cannot be set on "
            + ", ".join(sorted({right.target for right in left}))
            + "; the user that publishes must own the database and what publication makes in it"
        )


def _found(cursor: Cursor, schemas: list[str]) -> set[Grant]:
    cursor.execute(FOUND, (schemas, [role_name(name) for name in schemas]))
    return {Grant(*row) for row in cursor.fetchall()}
