"""What is true: pure functions over frames and typed policies. No Dagster, Delta, DuckDB, GX, clock or I/O."""
