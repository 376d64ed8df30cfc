"""Delta tables: where they lie and how they are written."""
