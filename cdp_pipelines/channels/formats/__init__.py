"""Readers of file formats: bytes or text to records. Each module reads one format; `records` chooses among them."""
