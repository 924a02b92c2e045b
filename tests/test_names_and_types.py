"""Attributes are declared, no local name hides a function, and annotations can be read at run time."""

from __future__ import annotations

import ast
import importlib
import inspect
import typing
from collections.abc import Iterator

import pytest

from test_shape_of_code import MODULES as FILES
from test_shape_of_code import tree

MODULES = [name for name in FILES if not name.endswith("__main__")]
FIRST = ("__init__", "__post_init__", "__new__")


def self_attributes(function: ast.AST) -> set[str]:
    """The attributes of `self` that a function assigns."""
    return {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def body_names(cls: ast.ClassDef) -> set[str]:
    """The names that a class body declares or assigns."""
    targets: list[ast.expr] = []
    for node in cls.body:
        if isinstance(node, ast.AnnAssign):
            targets.append(node.target)
        elif isinstance(node, ast.Assign):
            targets += node.targets
    return {target.id for target in targets if isinstance(target, ast.Name)}


def declared(cls: ast.ClassDef) -> set[str]:
    """The attributes that a class body or its `__init__` or `__post_init__` names."""
    firsts = [node for node in cls.body if isinstance(node, ast.FunctionDef) and node.name in FIRST]
    registered = {
        str(call.args[0].value)
        for first in firsts
        for call in ast.walk(first)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("register_buffer", "register_parameter")
        and isinstance(call.args[0], ast.Constant)
    }
    return body_names(cls) | registered | {name for first in firsts for name in self_attributes(first)}


CLASSES = {
    node.name: (module, node) for module in MODULES for node in ast.walk(tree(module)) if isinstance(node, ast.ClassDef)
}


def ancestors(cls: ast.ClassDef) -> Iterator[ast.ClassDef]:
    """The class and those of ours that it derives from."""
    yield cls
    for base in cls.bases:
        name = ast.unparse(base.value if isinstance(base, ast.Subscript) else base).rpartition(".")[2]
        if name in CLASSES and CLASSES[name][1] is not cls:
            yield from ancestors(CLASSES[name][1])


@pytest.mark.parametrize("module", MODULES)
def test_every_attribute_is_declared_in_the_class_or_assigned_in_init(module: str) -> None:
    for cls in ast.walk(tree(module)):
        if not isinstance(cls, ast.ClassDef):
            continue
        known = {name for each in ancestors(cls) for name in declared(each)}
        properties = {node.name for each in ancestors(cls) for node in each.body if isinstance(node, ast.FunctionDef)}
        for function in cls.body:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name not in FIRST:
                undeclared = self_attributes(function) - known - properties
                assert not undeclared, f"{cls.name}.{function.name} assigns {sorted(undeclared)} for the first time"


def local_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The parameters of a function and the names that it assigns, those of functions inside it included."""
    names = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    return names | {
        node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


@pytest.mark.parametrize("module", MODULES)
def test_no_local_name_hides_a_function_or_class_of_its_module(module: str) -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    top = {node.name for node in tree(module).body if isinstance(node, kinds)}
    top |= {
        alias.asname or alias.name
        for node in tree(module).body
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("pmll_"))
        for alias in node.names
        if f"{module.rpartition('.')[0]}.{alias.name}" not in FILES and f"{node.module}.{alias.name}" not in FILES
    }
    for function in ast.walk(tree(module)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            hidden = local_names(function) & top
            assert not hidden, f"{function.name}, line {function.lineno}, hides {sorted(hidden)}"


def for_type_checkers(module: str) -> dict[str, object]:
    """What a module imports under `if TYPE_CHECKING`, so that it starts without it."""
    blocks = [
        statement
        for node in tree(module).body
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
    ]
    package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    names: dict[str, object] = {"__package__": package, "__name__": module}
    exec(compile(ast.Module(body=blocks, type_ignores=[]), module, "exec"), names)
    return names


@pytest.mark.parametrize("module", MODULES)
def test_the_annotations_of_public_classes_and_functions_can_be_read(module: str) -> None:
    loaded, extra = importlib.import_module(module), for_type_checkers(module)
    for name, value in vars(loaded).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module:
            continue
        if inspect.isclass(value):
            typing.get_type_hints(value, localns=extra)
            for attribute, member in vars(value).items():
                function = inspect.unwrap(getattr(member, "__func__", getattr(member, "fget", member)))
                if not attribute.startswith("_") and inspect.isfunction(function):
                    typing.get_type_hints(function, localns=extra)
        elif inspect.isfunction(inspect.unwrap(value)):
            typing.get_type_hints(value, localns=extra)
