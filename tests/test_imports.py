"""The shape of the code: which way imports run, what starts light, how long files and functions are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"pmll_errors": "errors", "pmll_datasets": "datasets", "pmll_methods": "methods", "pmll_bench": "benchmark"}
MAY_IMPORT = {
    "pmll_errors": set(),
    "pmll_datasets": {"pmll_errors"},
    "pmll_methods": {"pmll_errors"},
    "pmll_bench": {"pmll_errors", "pmll_datasets", "pmll_methods"},
}
LIGHT = {
    "pmll_datasets": {"torch"},
    "pmll_bench.plan": {"torch", "pandas", "sklearn", "scipy", "matplotlib"},
    "pmll_bench.store": {"torch"},
    "pmll_bench.report": {"torch"},
    "pmll_bench.cli": {"torch", "pandas", "sklearn", "scipy", "matplotlib", "pydantic", "numpy", "rich"},
}


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


def imported(name: str, *, at_start: bool) -> set[str]:
    """The dotted names that a module imports; `at_start` leaves out what functions and type checkers import."""
    nodes = list(run_at_start(tree(name)) if at_start else ast.walk(tree(name)))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = absolute(name, node)
            found |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return found


def run_at_start(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported: neither the bodies of functions nor `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if is_function or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            continue
        yield child
        yield from run_at_start(child)


def absolute(name: str, node: ast.ImportFrom) -> str:
    """Where a `from … import` leads, its dots resolved."""
    if not node.level:
        return node.module or ""
    package = name.split(".") if MODULES[name].name == "__init__.py" else name.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])


def started_with(name: str) -> set[str]:
    """Every name that is imported when a module is, through our own modules, with the packages they lie in."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        here = waiting.pop()
        parents = {here.rsplit(".", depth)[0] for depth in range(1, here.count(".") + 1)}
        for each in ({here} | parents) - seen:
            seen.add(each)
            if each in MODULES:
                waiting += imported(each, at_start=True) - seen
    return seen


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_one_way(name: str) -> None:
    package = name.split(".")[0]
    others = {found.split(".")[0] for found in imported(name, at_start=False)} & PACKAGES.keys() - {package}
    assert others <= MAY_IMPORT[package]


@pytest.mark.parametrize("name", [name for name in MODULES if name.split(".")[0] == "pmll_datasets"])
def test_the_data_sets_never_need_torch(name: str) -> None:
    assert "torch" not in {found.split(".")[0] for found in imported(name, at_start=False)}


@pytest.mark.parametrize("start", LIGHT)
def test_what_must_start_light_does(start: str) -> None:
    inside = [name for name in MODULES if name == start or name.startswith(f"{start}.")]
    assert inside
    for name in inside:
        heavy = {found.split(".")[0] for found in started_with(name)} & LIGHT[start]
        assert not heavy, f"importing {name} imports {heavy}"


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
