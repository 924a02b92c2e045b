"""Small archives and what is in a folder, for tests."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path


def tar_of(files: dict[str, bytes]) -> bytes:
    """A tar file with these files."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tarred:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tarred.addfile(member, io.BytesIO(content))
    return held.getvalue()


def names(folder: Path) -> set[str]:
    """All files in a folder and below."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
