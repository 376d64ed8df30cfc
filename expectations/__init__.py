"""Quality of tables: one Great Expectations suite for each table, and the gate that runs it before a write."""
