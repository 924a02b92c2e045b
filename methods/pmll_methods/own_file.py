"""A user's own method file: the digest that stands for it in identities, and its module.

The digest covers the file and the Python files beside it that it imports, directly or through each other, so an edit
of either is another method. What it imports from elsewhere (installed packages) and data files that it opens are not
covered.
"""

from __future__ import annotations

import ast
import hashlib
import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

from .method import MethodError

OWN = "pmll_user_"  # how the names of these modules begin


@dataclass(frozen=True)
class OwnFile:
    """A method file: where the user keeps it, and its content, which may be a copy made when cells were planned."""

    path: Path
    content: bytes

    @classmethod
    def read(cls, path: Path, copy: Path | None = None) -> OwnFile:
        """The file, its content from `copy` where that is given. Raises `MethodError` where there is none."""
        try:
            return cls(path.resolve(), (copy or path).read_bytes())
        except OSError:
            hint = "give a method's name, or the path of a Python file with one"
            raise MethodError(f"no such file: {path}", hint=hint) from None

    @cached_property
    def beside(self) -> dict[str, dict[str, Path]]:
        """The files beside it that it imports: by the name that is imported, by their path from the folder on."""
        found: dict[str, dict[str, Path]] = {}
        waiting = [self.content]
        while waiting:
            for name in _imported(waiting.pop()):
                if name not in found and (files := _files(self.path.parent, name)):
                    found[name] = files
                    waiting += [path.read_bytes() for path in files.values()]
        return found

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file, or of its own and those of the files beside it with their names."""
        own = hashlib.sha256(self.content).hexdigest()
        if not self.beside:
            return own
        files = sorted((name, path) for files in self.beside.values() for name, path in files.items())
        parts = [own, *(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for name, path in files)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def load(self) -> ModuleType:
        """The module, imported once a process. Raises `MethodError` with the line where it doesn't import."""
        place = hashlib.sha256(str(self.path).encode()).hexdigest()
        name = f"{OWN}{self.digest[:12]}_{place[:6]}"
        if name not in sys.modules:
            sys.modules[name] = module_from_spec(ModuleSpec(name, None, origin=str(self.path)))
            try:
                self._execute(sys.modules[name])
            except BaseException as error:
                del sys.modules[name]
                if isinstance(error, (KeyboardInterrupt, GeneratorExit, MethodError)):
                    raise
                line = line_in(error, self.path)
                raise MethodError(
                    f"the file doesn't import: {type(error).__name__}: {error}",
                    where=f"{self.path}:{line}" if line else str(self.path),
                    hint="--debug shows the whole traceback",
                ) from error
        return sys.modules[name]

    def _execute(self, module: ModuleType) -> None:
        module.__file__ = str(self.path)
        text = self.content.decode("utf-8", errors="replace")
        # Without a time of change, tracebacks show these lines even where the file has been edited since.
        linecache.cache[str(self.path)] = (len(text), None, text.splitlines(keepends=True), str(self.path))
        if self.beside and str(self.path.parent) not in sys.path:
            sys.path.append(str(self.path.parent))
        for name in self.beside:
            _forget(name, self.path.parent)
        exec(compile(self.content, str(self.path), "exec", dont_inherit=True), module.__dict__)
        for name in self.beside:
            self._refuse_namesake(name)

    def _refuse_namesake(self, name: str) -> None:
        """What was imported has to be what the digest covers."""
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is not None and not Path(file).is_relative_to(self.path.parent):
            raise MethodError(
                f"it imports {name!r}, which lies beside it, but another module of that name is found first: {file}",
                where=str(self.path),
                hint="rename the file beside it",
            )


def line_in(error: BaseException, path: Path) -> int | None:
    """The line of a file where an error arose, or that doesn't parse; None where the file has no part in it."""
    line: int | None = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _imported(content: bytes) -> Iterator[str]:
    """The first parts of the names that a Python file imports, in functions as well; none where it doesn't parse."""
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError):
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _files(folder: Path, name: str) -> dict[str, Path]:
    """The files of a module or package in a folder; none where it isn't there, or is one of ours."""
    if name.startswith("pmll_"):
        return {}
    path = folder / f"{name}.py"
    found = sorted((folder / name).rglob("*.py")) or ([path] if path.is_file() else [])
    return {each.relative_to(folder).as_posix(): each for each in found}


def _forget(name: str, folder: Path) -> None:
    """Let a module of a folder be imported anew: it may have been edited since."""
    for known, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if known.partition(".")[0] == name and file is not None and Path(file).is_relative_to(folder):
            del sys.modules[known]
