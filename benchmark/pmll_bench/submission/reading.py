"""Reads a package that has passed its check: the code of its methods, and its cells one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .checking.container import PACKAGE, Archive, open_archive
from .checking.documents import cell_ids, documents_in
from .checking.source import digest_of_file, open_package
from .package import PackagedCell, member
from .problems import Problem, Rejected


@contextmanager
def _opened(path: Path, package: str) -> Iterator[Archive]:
    """A package. Raises `Rejected` unless its digest is `package`, that of the report of its check."""
    with open_package(path) as (file, size):
        if digest_of_file(file) != package:
            raise Rejected(str(path), [Problem("", "has changed since it was checked")])
        archive, problems = open_archive(file, size, PACKAGE)
        if problems:
            raise Rejected(str(path), problems)
        yield archive


def method_files_of(path: Path, package: str) -> Mapping[str, bytes]:
    """The code of the methods of a package, whose check reported the digest `package`, by the name of the method.

    Raises `Rejected` if the package has changed since.
    """
    with _opened(path, package) as archive:
        names = [name for name in archive.members if name.startswith("methods/")]
        return {name.removeprefix("methods/").removesuffix(".py"): archive.read(name) for name in names}


def cells_of(path: Path, package: str) -> Iterator[PackagedCell]:
    """The cells of a package one by one, ordered by their ids; see `method_files_of`."""
    with _opened(path, package) as archive:
        for cell in sorted(cell_ids(archive)):
            record, result = documents_in(archive, cell)
            files = ("cell.json", "result.json", "scores.npz")
            yield PackagedCell(record, result, *(archive.read(member(cell, name)) for name in files))
