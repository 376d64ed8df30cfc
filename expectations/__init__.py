"""Is it fit: one Great Expectations suite per table, the gate that runs it, and the page that tells the outcome."""
