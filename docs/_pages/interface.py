"""The reference of the Python interface: what `import pmll_bench` exports, in the order of its `__all__`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from types import ModuleType

import pmll_bench
from pmll_bench.api.grids import run

from .markdown import page


def files() -> Mapping[str, str]:
    """The parts of the reference: functions and classes, metrics, and errors."""
    return {
        f"python/_{part}.md": rst(directive(name) for name in pmll_bench.__all__ if kind(name) == part)
        for part in ("functions", "metrics", "errors")
    }


def rst(directives: Iterator[str]) -> str:
    return page("```{eval-rst}\n" + "\n\n".join(directives) + "\n```")


def kind(name: str) -> str:
    """The part of the reference in which an export is documented."""
    found = getattr(pmll_bench, name)
    if inspect.isclass(found) and issubclass(found, Exception):
        return "errors"
    return "metrics" if name == "metrics" else "functions"


def directive(name: str) -> str:
    """What makes Sphinx document one export under its public name."""
    found = getattr(pmll_bench, name)
    if kind(name) == "errors":
        return f".. autoexception:: pmll_bench.{name}"
    if inspect.isclass(found):
        return f".. autoclass:: pmll_bench.{name}\n   :members:"
    if isinstance(found, ModuleType) and callable(found):  # `run` is a package that can be called
        return f".. autofunction:: {run.__module__}.{run.__name__}"
    if isinstance(found, ModuleType):
        return f".. automodule:: pmll_bench.{name}\n   :members:"
    return f".. autofunction:: pmll_bench.{name}"
