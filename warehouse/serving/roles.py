"""Rights on a PostgreSQL server: the role `cdp_<purpose>` reads its own mart, and no role reads anything else.

Here belong roles and grants; rows are written in `postgres`. The roles are groups without login: a person or a tool
gets access as a member. Existing rights are compared with the declared ones, and only differences are written, so the
next publication removes rights that were granted by hand. Superusers and members of pg_read_all_data can still read
everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cdp_pipelines.errors import ServerError
from warehouse.serving.sql import quote_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from adbc_driver_postgresql.dbapi import Cursor

# Rights of all but the owners on the database and in the published schemas, down to single columns. On the database and
# on the schema `public`, only rights of PUBLIC and of our roles, because other rights there are not managed here.
EXISTING_GRANTS = """
WITH schemas AS (SELECT * FROM pg_namespace WHERE nspname = ANY($1)),
objects AS (
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
FROM objects, aclexplode(acl)
WHERE grantee <> owner AND (name = ANY($1) AND kind <> 'DATABASE' OR grantee = 0 OR pg_get_userbyid(grantee) = ANY($2))
"""


class Grant(NamedTuple):
    """A privilege of `grantee` (None: everybody) on a database, a schema, or a table (`part`) of a schema."""

    kind: str
    name: str
    part: str | None
    grantee: str | None
    privilege: str

    @property
    def target(self) -> str:
        """The object, as GRANT and REVOKE name it."""
        return f"{self.kind} {quote_name(self.name)}" + (f".{quote_name(self.part)}" if self.part else "")

    @property
    def holder(self) -> str:
        """The grantee, as GRANT and REVOKE name it."""
        return quote_name(self.grantee) if self.grantee else "PUBLIC"


def role_name(purpose: str) -> str:
    """Name of the role whose members read the mart of a purpose."""
    return f"cdp_{purpose}"


def establish_roles(cursor: Cursor, marts: Mapping[str, str], removed: Iterable[str]) -> None:
    """Let the role of each purpose of `marts` read its table, and nobody but owners anything else.

    Creates missing roles; roles of `removed` purposes cannot connect any more. `ServerError` if other rights remain,
    because the user does not own the objects.
    """
    cursor.execute("SELECT rolname FROM pg_roles")
    known = {name for (name,) in cursor.fetchall()}
    for purpose in marts:
        if role_name(purpose) not in known:
            cursor.execute(f"CREATE ROLE {quote_name(role_name(purpose))} NOLOGIN")
    cursor.execute("SELECT current_database()")
    (database,) = cursor.fetchone()
    declared = {
        right
        for purpose, table in marts.items()
        for right in (
            Grant("DATABASE", database, None, role_name(purpose), "CONNECT"),
            Grant("SCHEMA", purpose, None, role_name(purpose), "USAGE"),
            Grant("TABLE", purpose, table, role_name(purpose), "SELECT"),
        )
    }
    schemas = ["main", *marts, *removed]
    for right in sorted(_read_grants(cursor, schemas) - declared, key=str):
        cursor.execute(f"REVOKE ALL ON {right.target} FROM {right.holder} CASCADE")
    for right in sorted(declared - _read_grants(cursor, schemas)):
        cursor.execute(f"GRANT {right.privilege} ON {right.target} TO {right.holder}")
    wrong = _read_grants(cursor, schemas) ^ declared
    if wrong:
        raise ServerError(
            "rights cannot be set on "
            + ", ".join(sorted({right.target for right in wrong}))
            + "; the user that publishes must own the database and everything that a publication creates in it"
        )


def _read_grants(cursor: Cursor, schemas: list[str]) -> set[Grant]:
    cursor.execute(EXISTING_GRANTS, (schemas, [role_name(name) for name in schemas]))
    return {Grant(*row) for row in cursor.fetchall()}
