"""The method files of a package: each is the file, to the byte, with which cells of the package were made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pmll_methods.own_file import OwnFile

from ..errors import ConfigError
from ..plan.cell import Cell
from .package import MEMBER, TEXT_BYTES, method_member


@dataclass(frozen=True)
class MethodCode:
    """The file of a method, with the digest that the revision of its cells ends with."""

    method: str
    digest: str
    content: bytes

    def read(self) -> bytes:
        """The content of the file."""
        return self.content


def source_digest(cell: Cell) -> str:
    """The digest of the code of a user's own method; empty if the method is built in."""
    return str(cell.revision).partition("+")[2]


def read_code(files: Sequence[Path], cells: Iterable[Cell]) -> Mapping[str, MethodCode]:
    """The given files by the name of the method that cells were made with.

    A file is told by its digest and never imported. Raises `ConfigError` for a file that made none of the cells, that
    imports others from its folder, or that a package cannot hold, and for several files of one method.
    """
    made: dict[str, str] = {}  # method by digest
    for cell in cells:
        made.setdefault(source_digest(cell), cell.method)
    found = [_read(path, made) for path in files]
    methods = {each.method: each for each in found}
    if len(methods) < len(found):
        raise ConfigError("several files of one method are given", where="--with-code", hint="give one file per method")
    return methods


def _read(path: Path, made: Mapping[str, str]) -> MethodCode:
    own = OwnFile.read(path)
    if own.imported:
        others = ", ".join(sorted(name for files in own.imported.values() for name in files))
        raise ConfigError(
            f"the method imports files from its folder: {others}",
            where=str(path),
            hint="a package holds one file per method: write all of it into one, or submit without --with-code",
        )
    if own.digest not in made:
        raise ConfigError(
            "no chosen cell was made with this file",
            where=str(path),
            hint=_hint({digest: method for digest, method in made.items() if digest}),
        )
    method = made[own.digest]
    if not MEMBER.fullmatch(method_member(method)):
        raise ConfigError(f"the name {method!r} is too long for a package", where=str(path), hint="rename the method")
    if len(own.content) > TEXT_BYTES:
        raise ConfigError(f"the file has more than {TEXT_BYTES:,} bytes", where=str(path))
    return MethodCode(method, own.digest, own.content)


def _hint(made: Mapping[str, str]) -> str:
    if not made:
        return "the chosen methods are built in; their code is not needed"
    kept = ", ".join(f"methods/{digest}.py ({method})" for digest, method in made.items())
    return f"if it has been edited since, give the copy that the store has kept: {kept}"
