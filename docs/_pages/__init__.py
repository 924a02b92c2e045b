"""Pages of the site that are written from the code when the site is built; none of them is committed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from . import cards, commands, data_sets, interface, schemas

FOLDERS = ("methods", "data-sets", "commands", "python", "schemas")
"""The folders below `docs` that hold written pages only."""


def pages() -> dict[str, str]:
    """The content of every written file, by its path below `docs`. Names that begin with `_` are parts of pages."""
    rooms = (cards, data_sets, commands, schemas, interface)
    parts: list[Mapping[str, str]] = [room.files() for room in rooms]
    return {path: text for part in parts for path, text in part.items()}


def write(docs: Path) -> None:
    """Write all files below `docs`, and remove those of things that no longer exist.

    A file whose content is unchanged is not touched, so that only what differs is built again.
    """
    wanted = {docs / path: text for path, text in pages().items()}
    for folder in FOLDERS:
        for old in set((docs / folder).rglob("*.*")) - wanted.keys():
            old.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
