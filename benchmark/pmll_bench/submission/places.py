"""Removes places on the submitter's machine from the documents of a cell, and finds those that cannot be removed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from pmll_methods.towers.weights import CLIP, LOCAL_DIR, official_name

from ..plan.planned import Where
from ..store.records import CellRecord
from ..store.result import OF_THE_PLAN, Result

PRETRAINED = ("tower", "weights", "words")  # settings that may name a file; the identity has its digest instead
_PREFIX = re.compile(f"(?:{CLIP})?(?:{LOCAL_DIR})?")
_PATH = re.compile(r"(?:^|[\s:='\"(\[])(?:~?/(?!/)|~?\\|[A-Za-z]:[\\/](?!/))\S")


def without_places(record: CellRecord, result: Result) -> tuple[CellRecord, Result]:
    """The documents of a cell as others may see them: of each file of this machine, only the name is left.

    The locations of data, method and pretrained parts are not part of the identity, so the cell keeps its id. The
    request says what the result says, although a later run may have changed the label of its row.
    """
    where = Where(root=None, target=PurePath(record.where.target).name)
    shown = result.model_copy(update={"settings": _names_only(result.settings)})
    return record.model_copy(update={"where": where, **{name: getattr(shown, name) for name in OF_THE_PLAN}}), shown


def places(document: object, name: str = "") -> Iterator[str]:
    """The names of the fields of a document, as plain data, whose text holds an absolute path.

    >>> list(places({"a": 1, "b": [{"c": "~/me/words.txt"}], "d": "a photo of a cat/dog", "e": "https://example.org/x"}))
    ['b.0.c']
    """
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from places(value, f"{name}.{key}" if name else str(key))
    elif isinstance(document, (list, tuple)):
        for number, value in enumerate(document):
            yield from places(value, f"{name}.{number}")
    elif isinstance(document, str) and _PATH.search(document):
        yield name


def _names_only(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the names of files with pretrained parts in place of their paths.

    >>> _names_only({"tower": "clip:local-dir:/me/b32", "weights": "~/w.pt", "words": "ViT-B/32:openai", "lr": 0.1})
    {'tower': 'clip:local-dir:b32', 'weights': 'w.pt', 'words': 'ViT-B/32:openai', 'lr': 0.1}
    """
    return {name: _name_of(value) if name in PRETRAINED else value for name, value in settings.items()}


def _name_of(value: Any) -> Any:
    """The name of a file in place of its path; the name of a published tower as it is."""
    if not isinstance(value, str) or not re.search(r"[/\\]", official_name(value)):
        return value
    prefix = _PREFIX.match(value)
    before = prefix.group() if prefix else ""
    return before + re.split(r"[/\\]", value.removeprefix(before).rstrip("/\\"))[-1]
