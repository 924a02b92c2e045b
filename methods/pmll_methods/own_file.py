"""A user's own method file: its digest, which is part of identities, and its module.

The digest covers the file and the Python files in its folder that it imports, directly or indirectly. An edit of any
of them makes it another method. Imports from elsewhere (installed packages) and data files are not covered.
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

OWN = "pmll_user_"  # prefix of the names of the imported modules


@dataclass(frozen=True)
class OwnFile:
    """A method file: its path, and its content, which may be a copy made when cells were planned."""

    path: Path
    content: bytes

    @classmethod
    def read(cls, path: Path, copy: Path | None = None) -> OwnFile:
        """The file, with the content of `copy` if given. Raises `MethodError` if it cannot be read."""
        try:
            return cls(path.resolve(), (copy or path).read_bytes())
        except FileNotFoundError:
            hint = "give the name of a method or the path of a Python file"
            raise MethodError(f"no such file: {path}", hint=hint) from None
        except OSError as error:
            raise MethodError(f"cannot read {copy or path}: {error.strerror}") from error

    @cached_property
    def imported(self) -> dict[str, dict[str, Path]]:
        """The files in its folder that it imports, by imported name and by path relative to the folder."""
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
        """SHA-256 of the file or, if it imports files from its folder, of all their digests and names."""
        own = hashlib.sha256(self.content).hexdigest()
        if not self.imported:
            return own
        files = sorted((name, path) for files in self.imported.values() for name, path in files.items())
        parts = [own, *(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for name, path in files)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def load(self) -> ModuleType:
        """The module, imported once per process. Raises `MethodError` with the failing line if the import fails."""
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
                    f"the file cannot be imported: {type(error).__name__}: {error}",
                    where=f"{self.path}:{line}" if line else str(self.path),
                    hint="use --debug for the full traceback",
                ) from error
        return sys.modules[name]

    def _execute(self, module: ModuleType) -> None:
        module.__file__ = str(self.path)
        text = self.content.decode("utf-8", errors="replace")
        # Without a modification time, tracebacks show these lines even if the file has been edited since.
        linecache.cache[str(self.path)] = (len(text), None, text.splitlines(keepends=True), str(self.path))
        if self.imported and str(self.path.parent) not in sys.path:
            sys.path.append(str(self.path.parent))
        for name in self.imported:
            _forget(name, self.path.parent)
        exec(compile(self.content, str(self.path), "exec", dont_inherit=True), module.__dict__)
        for name in self.imported:
            self._check_origin(name)

    def _check_origin(self, name: str) -> None:
        """Raise `MethodError` unless the imported module is the one that the digest covers."""
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is not None and not Path(file).is_relative_to(self.path.parent):
            raise MethodError(
                f"the file imports {name!r} from its folder, but Python finds another module first: {file}",
                where=str(self.path),
                hint=f"rename {name!r} in the folder of the method",
            )


def line_in(error: BaseException, path: Path) -> int | None:
    """The line of a file that raised an error or failed to parse; None if the file is not involved."""
    line: int | None = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _imported(content: bytes) -> Iterator[str]:
    """The top-level names that a Python file imports, including in functions; none if it cannot be parsed."""
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
    """The files of a module or package in a folder; none if it is missing or part of pmll-bench."""
    if name.startswith("pmll_"):
        return {}
    path = folder / f"{name}.py"
    found = sorted((folder / name).rglob("*.py")) or ([path] if path.is_file() else [])
    return {each.relative_to(folder).as_posix(): each for each in found}


def _forget(name: str, folder: Path) -> None:
    """Remove the imported module of a folder from `sys.modules`, since its file may have been edited."""
    for known, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if known.partition(".")[0] == name and file is not None and Path(file).is_relative_to(folder):
            del sys.modules[known]
