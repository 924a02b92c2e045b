"""Find methods: built-in methods by name, installed ones by entry point, a user's own by file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from pmll_errors import nearest

from .method import ENTRY_POINTS, REGISTRY, Card, Growth, Method, MethodError, names
from .own_file import OwnFile
from .recipe import Recipe, Track
from .settings import Settings

__all__ = ["Kind", "find", "names", "of_class"]


@dataclass(frozen=True)
class Kind:
    """The class of a method with its card and its settings."""

    cls: type
    card: Card
    settings_class: type[Settings]
    source: str  # "" for a built-in method, else the digest of the user's file or of the installed package

    @property
    def grouped(self) -> bool:
        """Whether cells of the method can be trained in lockstep."""
        return _is_learner(self.cls)

    def build(self, settings: Settings) -> Method:
        """The untrained method with its settings."""
        if self.grouped:
            from .engine.torch_method import TorchMethod

            return TorchMethod(self.cls, settings)
        built: Method = self.cls(settings) if inspect.signature(self.cls).parameters else self.cls()
        return built

    def growth(self, settings: Settings, recipe: Recipe) -> Growth:
        """How the memory of a cell grows with its classes; a class with `fit` and `predict` need not define it."""
        estimate = getattr(self.cls, "growth", None)
        grown: Growth = Growth() if estimate is None else estimate(settings, recipe)
        return grown


def find(name: str, copy: Path | None = None) -> Kind:
    """The method of that name, or in that file (`path/to/my_method.py`), read from `copy` if given.

    Raises `MethodError` for an unknown name (with the nearest one) and for a file that cannot be imported or defines no
    method.
    """
    if name.endswith(".py") or "/" in name:
        return _from_file(OwnFile.read(Path(name), copy))
    if name in REGISTRY:
        module, attribute = REGISTRY[name].target.split(":")
        return _kind(getattr(importlib.import_module(module), attribute), source="", name=name)
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        if point.name == name:
            return _kind(point.load(), source=_package_digest(point.module), name=name)
    raise MethodError(f"unknown method {name!r}", hint=nearest(name, names(), "see 'pmll-bench list methods'"))


def of_class(cls: type) -> Kind:
    """The method of a class that a program defines, such as in the cell of a notebook.

    Its name is that of its card, or its attribute `name`, or the name of the class: `MyLoss` becomes "my-loss". Raises
    `MethodError` as `find` does for a file.
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):  # a class without a file, such as one typed into an interpreter
        source = cls.__qualname__
    return _with_own_name(_kind(cls, source=hashlib.sha256(source.encode()).hexdigest(), name=name), cls.__name__)


def _from_file(file: OwnFile) -> Kind:
    module = file.load()
    kind = _kind(_class_of(module, file), source=file.digest, name=file.path.stem)
    return _with_own_name(kind, str(file.path))


def _with_own_name(kind: Kind, where: str) -> Kind:
    """The method itself. Raises `MethodError` if it has the name of a built-in method."""
    if kind.card.name in REGISTRY:
        raise MethodError(
            f"the method has the name of a built-in method, {kind.card.name!r}",
            where=where,
            hint='give it a new card: card = dataclasses.replace(Base.card, name="mine"), or rename it',
        )
    return kind


def _class_of(module: ModuleType, file: OwnFile) -> Any:
    """The method class in a user's file."""
    if hasattr(module, "METHOD"):
        return module.METHOD
    own = [
        cls
        for cls in vars(module).values()
        if inspect.isclass(cls) and cls.__module__ == module.__name__ and _is_method(cls)
    ]
    if len(own) != 1:
        found = ", ".join(cls.__name__ for cls in own) or "none"
        raise MethodError(
            f"expected one class with fit and predict, found {found}",
            where=str(file.path),
            hint="choose one in the file: METHOD = YourClass",
        )
    return own[0]


def _package_digest(module: str) -> str:
    """SHA-256 over the Python files of an installed method's package, or of its single file."""
    spec = importlib.util.find_spec(module.partition(".")[0])
    assert spec is not None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    files = {path.relative_to(folder).as_posix(): path for folder in folders for path in folder.rglob("*.py")}
    if not files and spec.origin is not None:
        files = {"": Path(spec.origin)}
    total = hashlib.sha256()
    for name, path in sorted(files.items()):
        total.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _is_learner(cls: type) -> bool:
    """Whether a class derives from `Learner`. Imports no torch: for a learner, that module is already imported."""
    learner = sys.modules.get(f"{__package__}.learners.learner")
    return learner is not None and issubclass(cls, learner.Learner)


def _is_method(cls: type) -> bool:
    return _is_learner(cls) or (callable(getattr(cls, "fit", None)) and callable(getattr(cls, "predict", None)))


def _kind(cls: Any, *, source: str, name: str) -> Kind:
    if not inspect.isclass(cls) or not _is_method(cls):
        raise MethodError(f"{name} is not a method: it needs fit(train, run) and predict(images, run)")
    if _is_learner(cls) and getattr(cls, "card", None) is None:
        raise MethodError(
            f"the learner {cls.__name__} has no card",
            where=f"{name}.py" if source else name,
            hint="define one in the class, with a recipe: "
            'card = Card(name="mine", title="…", paper="…", trains="…", tracks={"smoke": Track(recipe=SMOKE_TRUNK)})',
        )
    card: Card = getattr(cls, "card", None) or _plain_card(cls, name)
    family: Track | None = getattr(cls, "controlled", None)
    if family is not None:
        card = replace(card, tracks={"controlled": family, **card.tracks})
    return Kind(cls, card, getattr(cls, "Settings", Settings), source)


def _plain_card(cls: type, name: str) -> Card:
    """The card of a class with `fit` and `predict` that defines none."""
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
