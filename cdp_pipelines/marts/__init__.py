"""Marts: which rows and columns a purpose may see, and how pseudonymous and aggregate marts protect people."""
