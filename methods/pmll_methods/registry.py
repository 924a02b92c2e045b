"""Finds methods: built-in ones by name, a stranger's by entry point or in a file of their own."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from .learner import Learner
from .method import ENTRY_POINTS, REGISTRY, Card, Method, MethodError
from .recipe import Recipe, Track
from .settings import Settings
from .torch_method import TorchMethod


@dataclass(frozen=True)
class Kind:
    """A kind of method: the class behind a name, its card and its settings."""

    cls: type
    card: Card
    settings_class: type[Settings]
    source: str  # "" for a built-in method, else the digest of the file or the entry point's value

    @property
    def grouped(self) -> bool:
        """Whether its cells can train in lockstep."""
        return issubclass(self.cls, Learner)

    def build(self, settings: Settings) -> Method:
        """The method with its settings, untrained."""
        if self.grouped:
            return TorchMethod(self.cls, settings)
        built: Method = self.cls(settings) if inspect.signature(self.cls).parameters else self.cls()
        return built


def names() -> tuple[str, ...]:
    """All methods that go by a name: the built-in ones, then installed ones."""
    installed = (point.name for point in importlib.metadata.entry_points(group=ENTRY_POINTS))
    return (*REGISTRY, *sorted(installed))


def find(name: str) -> Kind:
    """The method of that name, or in that file (`path/to/my_method.py`).

    Raises `MethodError` for an unknown name, with the nearest, and for a file that doesn't import or holds no method.
    """
    if name.endswith(".py") or "/" in name:
        return _from_file(Path(name))
    if name in REGISTRY:
        module, attribute = REGISTRY[name].target.split(":")
        return _kind(getattr(importlib.import_module(module), attribute), source="", name=name)
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if point.name == name:
            return _kind(point.load(), source=point.value, name=name)
    near = difflib.get_close_matches(name, names(), n=1)
    hint = f"did you mean {near[0]!r}? see 'pmll-bench list methods'" if near else "see 'pmll-bench list methods'"
    raise MethodError(f"unknown method {name!r}", hint=hint)


def _from_file(path: Path) -> Kind:
    if not path.is_file():
        raise MethodError(f"no such file: {path}", hint="give a method's name, or the path of a Python file with one")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    module = _import(path, f"pmll_user_{digest[:12]}")
    if hasattr(module, "METHOD"):
        return _kind(module.METHOD, source=digest, name=path.stem)
    own = [
        cls
        for cls in vars(module).values()
        if inspect.isclass(cls) and cls.__module__ == module.__name__ and _is_method(cls)
    ]
    if len(own) != 1:
        found = ", ".join(cls.__name__ for cls in own) or "none"
        raise MethodError(
            f"expected one class with fit and predict, found {found}",
            where=str(path),
            hint="set METHOD = YourClass in the file to say which one it is",
        )
    return _kind(own[0], source=digest, name=path.stem)


def _import(path: Path, name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (KeyboardInterrupt, GeneratorExit):
        del sys.modules[name]
        raise
    except BaseException as error:  # sys.exit() as well
        del sys.modules[name]
        line = _line_in(error, path)
        raise MethodError(
            f"the file doesn't import: {type(error).__name__}: {error}",
            where=f"{path}:{line}" if line else str(path),
            hint="python -c 'import runpy; runpy.run_path(...)' shows the whole traceback",
        ) from error
    return module


def _line_in(error: BaseException, path: Path) -> int | None:
    line: int | None = getattr(error, "lineno", None)
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path.absolute()):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _is_method(cls: type) -> bool:
    return issubclass(cls, Learner) or (callable(getattr(cls, "fit", None)) and callable(getattr(cls, "predict", None)))


def _kind(cls: Any, *, source: str, name: str) -> Kind:
    if not inspect.isclass(cls) or not _is_method(cls):
        raise MethodError(f"{name} is no method: it needs fit(train, run) and predict(images, run)")
    card: Card = getattr(cls, "card", None) or _plain_card(cls, name)
    family: Track | None = getattr(cls, "controlled", None)
    if family is not None:
        card = replace(card, tracks={"controlled": family, **card.tracks})
    return Kind(cls, card, getattr(cls, "Settings", Settings), source)


def _plain_card(cls: type, name: str) -> Card:
    """The card of a plain `fit`/`predict` class that states nothing about itself."""
    recipe = Recipe(resolution=64, batch=32, epochs=1, lr=1e-3)
    own = str(getattr(cls, "name", name.replace("_", "-")))
    title = (inspect.getdoc(cls) or own).splitlines()[0]
    track = Track(recipe=recipe)
    return Card(
        name=own,
        title=title,
        paper="a user's own method",
        trains="not stated",
        regimes=("full", "partial"),
        tracks={"paper": track, "controlled": track, "smoke": track},
    )
