"""The file of a package: equal content gives equal bytes, on every day and every machine."""

from __future__ import annotations

import secrets
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

from pmll_errors import DAMAGED_ARCHIVE, counted

from ..errors import ConfigError, StoreError
from ..faults import persist
from ..files import TEMPORARY, write_whole
from ..store.pack import MOMENT
from .choosing import PackableCell
from .method_code import MethodCode
from .package import (
    ENVIRONMENT,
    MEMBERS,
    PACKAGE_BYTES,
    SUBMISSION,
    TEXT_BYTES,
    Submission,
    environments,
    member,
    method_member,
)

Contents: TypeAlias = Mapping[str, Callable[[], bytes]]
"""The members of a package by name. Each is read when it is written, so that the scores are never all in memory."""


def contents(submission: Submission, cells: Sequence[PackableCell], code: Mapping[str, MethodCode]) -> Contents:
    """The members of a package, sorted by name. Raises `ConfigError` if they exceed what a package may hold."""
    environment = "".join(f"{line}\n" for line in environments(each.result.environment for each in cells)).encode()
    found: dict[str, Callable[[], bytes]] = {SUBMISSION: submission.as_bytes, ENVIRONMENT: lambda: environment}
    for each in cells:
        found[member(each.folder.id, "cell.json")] = each.record.as_bytes
        found[member(each.folder.id, "result.json")] = each.result.as_bytes
        found[member(each.folder.id, "scores.npz")] = each.scores
    found |= {method_member(name): each.read for name, each in code.items()}
    _check_limits(found, cells)
    return dict(sorted(found.items()))


def write(path: Path, members: Contents, accept: Callable[[Path], None]) -> None:
    """Write a package whole or not at all. `accept` raises an error for a file that must not become the package.

    Members are not compressed: scores hardly shrink, and compressed bytes differ between versions of zlib.
    """

    def fill(target: BinaryIO) -> None:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as file:
            for name, content in members.items():
                info = zipfile.ZipInfo(name, MOMENT)
                info.create_system, info.external_attr = 3, 0o100644 << 16  # as on Linux, on every system
                file.writestr(info, content())

    draft = path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{path.name}")
    try:
        write_whole(draft, fill)
        accept(draft)
        persist(path, lambda: draft.replace(path))
    except StoreError as error:
        if error.where != str(draft):
            raise
        raise StoreError(error.what, where=str(path), hint="choose another place with -o, or make room") from error
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def is_package(path: Path) -> bool:
    """Whether a file is a package, judged by the names in it."""
    try:
        with zipfile.ZipFile(path) as file:
            return SUBMISSION in file.namelist()
    except (*DAMAGED_ARCHIVE, OSError, ValueError):
        return False


def _check_limits(members: Contents, cells: Sequence[PackableCell]) -> None:
    """Raise `ConfigError` for more than a package may hold."""
    small = sum(len(content()) for name, content in members.items() if not name.endswith("scores.npz"))
    size, about = small + sum(each.scores_size for each in cells), len(members[SUBMISSION]())
    hint = "make several packages, with --methods or --datasets"
    if len(members) > MEMBERS:
        what = f"{counted(len(cells), 'cell')} are {len(members):,} files; a package holds at most {MEMBERS:,}"
        raise ConfigError(what, hint=hint)
    if about > TEXT_BYTES:
        raise ConfigError(f"{SUBMISSION} has {about:,} bytes; at most {TEXT_BYTES:,} are allowed", hint=hint)
    if size > PACKAGE_BYTES:
        raise ConfigError(f"the files have {size:,} bytes; a package holds at most {PACKAGE_BYTES:,}", hint=hint)
