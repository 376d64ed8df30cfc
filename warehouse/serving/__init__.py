"""Published marts: the DuckDB file, PostgreSQL, and who may read what."""
