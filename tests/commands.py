"""Commands as a user types them, in this process."""

import json

from typer.testing import CliRunner, Result

from cdp_pipelines.cli import app


def run_command(*words) -> "Result":
    return CliRunner().invoke(app, [str(word) for word in words])


def read_answer(*words) -> dict:
    """The JSON of a command that must succeed."""
    done = run_command(*words, "--format", "json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def in_one_line(done: "Result") -> str:
    """What a command printed, however the terminal wrapped it."""
    return " ".join(done.output.split())
