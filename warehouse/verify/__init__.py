"""Independent checkers: they compute results again and share no code with the pipeline, only its declarations."""
