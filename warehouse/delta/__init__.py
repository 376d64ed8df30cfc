"""Delta tables of the lake: the lake itself, its write modes, its versions and its writer lock."""
