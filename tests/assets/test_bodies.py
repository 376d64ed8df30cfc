"""Asset bodies are thin: what they compute is in `cdp_pipelines.services`, and tested there."""

import ast
from pathlib import Path

import pytest

ASSETS = Path(__file__).parents[2] / "assets"
MAX_LINES = 15
FILES = sorted(path for folder in ("defs", "components") for path in (ASSETS / folder).rglob("*.py"))
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def body_lines(function: FUNCTIONS) -> int:
    """Lines of code under a function's signature, without its docstring and without functions inside it."""
    statements = function.body[1:] if ast.get_docstring(function) else function.body
    return sum(
        each.end_lineno - each.lineno + 1 - sum(nested_lines(inner) for inner in nested(each))
        for each in statements
        if not isinstance(each, FUNCTIONS)
    )


def nested(statement: ast.stmt) -> list[FUNCTIONS]:
    return [node for node in ast.walk(statement) if isinstance(node, FUNCTIONS)]


def nested_lines(function: FUNCTIONS) -> int:
    return function.end_lineno - function.lineno + 1


def long_functions(source: str) -> dict[str, int]:
    """Functions with a longer body than allowed, by name."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, FUNCTIONS)]
    return {each.name: lines for each in functions if (lines := body_lines(each)) > MAX_LINES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ASSETS).as_posix())
def test_asset_bodies_have_at_most_15_lines(path):
    assert long_functions(path.read_text()) == {}


def test_a_long_body_is_found_and_its_docstring_and_inner_functions_are_not_counted():
    lines = "\n".join(f"        x = {line}" for line in range(MAX_LINES))
    inner = f'    """Docstring."""\n    def inner():\n{lines}\n    return inner\n'
    assert long_functions(f"def build():\n{inner}") == {}
    assert long_functions(f"def build():\n    def inner():\n{lines}\n        x = 0\n") == {"inner": MAX_LINES + 1}
