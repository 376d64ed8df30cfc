"""Pages and pictures, made from what services return. Nothing here reads a table."""
