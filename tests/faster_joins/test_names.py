"""Each requirement, each scenario and each failure mode of docs/faster-joins.md has a test that is named after it."""

import ast
from pathlib import Path

import pytest

HOW_MANY = {"fj": 38, "scenario": 62, "failure": 18}


def names() -> list[str]:
    """The names of all tests beside this file."""
    files = sorted(Path(__file__).parent.glob("test_*.py"))
    functions = (node for file in files for node in ast.walk(ast.parse(file.read_text())))
    return [node.name for node in functions if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("kind", HOW_MANY)
def test_every_one_has_a_test(kind: str) -> None:
    wanted = {f"test_{kind}_{number:02}_" for number in range(1, HOW_MANY[kind] + 1)}
    found = {name[: len(f"test_{kind}_00_")] for name in names() if name.startswith(f"test_{kind}_")}
    assert found == wanted
