"""The shape of the code: every module says what it is for, files and functions stay short."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"pmll_errors": "errors", "pmll_datasets": "datasets", "pmll_methods": "methods", "pmll_bench": "benchmark"}


def modules() -> dict[str, Path]:
    """Every module of the packages, by its dotted name."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in sorted((ROOT / folder / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT / folder).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_in_its_first_line_what_it_is_for(name: str) -> None:
    first = (ast.get_docstring(tree(name)) or "").partition("\n")[0]
    assert len(first) > 15
    assert first[-1] in ".:?"


@pytest.mark.parametrize("name", MODULES)
def test_files_and_functions_stay_short(name: str) -> None:
    is_method = name.count(".") == 1 and name.startswith("pmll_methods.") and "card = Card(" in ast.unparse(tree(name))
    lines = MODULES[name].read_text(encoding="utf-8").count("\n")
    assert lines < (200 if is_method else 300)
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert code_lines(node) < 50, f"{node.name} has {code_lines(node)} lines"


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function without its docstring."""
    described = function.body[0] if ast.get_docstring(function) else None
    docstring = (described.end_lineno or 0) - described.lineno + 1 if described else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring
