"""Names and texts as SQL writes them, in DuckDB and PostgreSQL alike."""


def quote_name(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """A text as a literal."""
    return "'" + text.replace("'", "''") + "'"
