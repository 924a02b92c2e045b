"""Recognises the columns of a table by their names and cells: images, split, labels, or none of these."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..errors import DataError
from .label_cells import is_label_cell
from .listing import quoted
from .splits import SPLITS
from .table import IMAGE, Table

# Column names as normalised by `_key`: lower case, letters and digits only.
IMAGES = frozenset(("path", "file", "filename", "filepath", "picture", "photo")).union(
    ("image", "imagename", "imagepath", "imagefile", "imageindex", "imageid", "img", "imgname", "imgpath")
)
SPLIT = frozenset(("split", "splitname", "set", "subset", "partition"))
NAMES = frozenset(("labels", "label", "labelnames", "names", "tags", "tag", "classes", "class")).union(
    ("categories", "category", "objects", "findings", "findinglabels")
)
INDEX = frozenset(("", "index", "idx", "id", "no", "nr", "unnamed0"))
FEW = 0.1
"""A column with a smaller fraction of 1, 0 and -1 among its non-empty cells is not a label: an age, for example."""


@dataclass(frozen=True)
class Columns:
    """The numbers of the recognised columns, and the names of the `ignored` ones.

    `names` is the column of class names; if it is None, each column of `labels` is one class.
    """

    image: int
    split: int | None
    names: int | None
    labels: tuple[int, ...]
    ignored: tuple[str, ...]


def recognise(table: Table) -> Columns:
    """Recognise the columns of a table; their order and the case of their names do not matter.

    Raises:
        DataError: no column of images or labels, or several candidates.
    """
    image = image_column(table)
    split = _split(table)
    others = [
        number for number in range(len(table.header)) if number not in (image, split) and not _is_index(table, number)
    ]
    names = _names(table, others)
    labels = () if names is not None else tuple(number for number in others if _is_label(table, number))
    if names is None and not labels:
        hint = "add one column per label with 1 and 0, or a column 'labels' with names separated by |"
        raise DataError(f"no column of labels; {_header(table)}", where=f"{table.file}, line 1", hint=hint)
    ignored = tuple(table.header[number] for number in others if number != names and number not in labels)
    return Columns(image, split, names, labels, ignored)


def image_column(table: Table) -> int:
    """The number of the column of image paths. Raises `DataError` if there is none, or several could be it."""
    named = _named(table, IMAGES)
    if len(named) == 1:
        return named[0]
    filled = [n for n in named or range(len(table.header)) if _all(table, n, lambda cell: bool(IMAGE.search(cell)))]
    if len(filled) == 1:
        return filled[0]
    if filled or named:
        raise _several(table, filled or named, "column of images", "path")
    hint = "name the column of the image paths 'path'"
    raise DataError(f"no column of images; {_header(table)}", where=f"{table.file}, line 1", hint=hint)


def _split(table: Table) -> int | None:
    filled = [n for n in range(len(table.header)) if _all(table, n, lambda cell: cell.lower() in SPLITS)]
    named = [n for n in _named(table, SPLIT) if n in filled or not _has_only_label_cells(table, n)]
    both = [n for n in filled if n in named] or filled or named
    if len(both) > 1:
        raise _several(table, both, "split", "split")
    return both[0] if both else None


def _is_index(table: Table, number: int) -> bool:
    """Whether a column contains line numbers, or is empty and has no name."""
    name, cells = table.header[number], table.columns[number]
    numbered = all(cell.isdecimal() for cell in cells) and len(set(cells)) == len(cells)
    if _key(name) in INDEX and (numbered or not (name or any(cells))):
        return True
    if not name:
        raise DataError(f"column {number + 1} has no name", where=f"{table.file}, line 1", hint="name it")
    return False


def _names(table: Table, others: list[int]) -> int | None:
    """The column of class names, found by its name; else the only text column, if one of its cells is a list."""
    named = [n for n in others if _key(table.header[n]) in NAMES and not _has_only_label_cells(table, n)]
    if len(named) > 1:
        raise _several(table, named, "column of labels", "labels")
    if named:
        return named[0]
    only = others[0] if len(others) == 1 and not _is_label(table, others[0]) else None
    return only if only is not None and any(re.search(r"[|;,]", cell) for cell in table.columns[only]) else None


def _is_label(table: Table, number: int) -> bool:
    cells = [cell for cell in table.columns[number] if cell]
    return not cells or sum(map(is_label_cell, cells)) >= FEW * len(cells)


def _named(table: Table, names: Iterable[str]) -> list[int]:
    return [number for number, name in enumerate(table.header) if _key(name) in names]


def _has_only_label_cells(table: Table, number: int) -> bool:
    """Whether all cells of a column are 1, 0, -1 or empty, and not all are empty."""
    cells = table.columns[number]
    return any(cells) and all(map(is_label_cell, cells))


def _all(table: Table, number: int, test: Callable[[str], bool]) -> bool:
    """Whether all cells of a column are non-empty and pass the test."""
    cells = table.columns[number]
    return bool(cells) and all(cell and test(cell) for cell in cells)


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _several(table: Table, numbers: Iterable[int], what: str, name: str) -> DataError:
    names = quoted([table.header[number] for number in numbers])
    hint = f"name the intended column {name!r}, and remove or rename the others"
    return DataError(f"several columns could be the {what}: {names}", where=f"{table.file}, line 1", hint=hint)


def _header(table: Table) -> str:
    return f"the file has {quoted(table.header)}"
