"""A user's own data set: a file that lists images and their labels, with the images beside it.

The file is a table (.csv, .tsv) with one column per class or a column of class names (`user_files.from_table`), or a
COCO-style JSON file (`user_files.from_coco`). `user_files.label_cells` defines what 1, 0, -1 and an empty cell mean,
`user_files.splits` the splits. An unknown label is never known in training, whatever the regime, and is left out of the
ranking in the test split. Paths are relative to the file's folder or to its subfolder `images`. The data set has the
name of the file, and the id of an image is its path without the extension.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from .dataset import Dataset, Split
from .errors import DataError
from .files import list_files, missing_file, split_of
from .registry import ALIASES, DATASETS, Value, stated_options
from .user_files import from_coco, from_table
from .user_files.label_cells import MEANING
from .user_files.listing import ListedImage, Listing
from .user_files.splits import assign

FIRST = 10
"""By how many images it is decided which folder the paths are relative to."""


def load(file: Path, options: Mapping[str, Value]) -> Dataset:
    """The data set that a file describes; `notes` of it say how the file was read.

    Raises:
        DataError: naming the line that cannot be used, or what could mean more than one thing.
    """
    name = _name(file)
    listed = from_coco.read(file) if file.suffix.lower() == ".json" else from_table.read(file, options)
    parts, said = assign(listed, options)
    train, test = (_split(listed, [n for n, each in enumerate(parts) if each == part]) for part in ("train", "test"))
    if not (test.labels == -1).any():
        raise DataError("no label of the test split is absent", where=file, hint=MEANING)
    prompt_names = tuple(" ".join(each.replace("_", " ").split()) for each in listed.classes)
    note = f"{file.name}: {'; '.join([*listed.notes, said])}"
    return Dataset(name, listed.classes, prompt_names, train, test, stated_options(file.name, options), notes=(note,))


def _name(file: Path) -> str:
    name = re.sub(r"[^a-z0-9.]+", "-", file.stem.lower()).strip("-.")
    if not name or name in DATASETS or name in ALIASES:
        hint = "rename the file: letters and digits, and not the name of a built-in data set"
        raise DataError(f"the data set would be called {name!r}", where=file, hint=hint)
    return name


def _split(listed: Listing, numbers: Sequence[int]) -> Split:
    rows = [listed.rows[number] for number in numbers]
    home = _home(listed.file, rows[:FIRST])
    _refuse_missing(listed.file, home, rows)
    files = [home / row.path for row in rows]
    return split_of([row.id for row in rows], files, listed.labels[np.array(numbers)], upright=True)


def _home(file: Path, rows: Sequence[ListedImage]) -> Path:
    """The folder that paths are relative to: the file's, or `images` in it, or its parent where they begin with it."""
    homes = [file.parent, file.parent / "images"]
    if all(PurePosixPath(row.path).parts[0] == file.absolute().parent.name for row in rows):
        homes.append(file.absolute().parent.parent)
    return max(homes, key=lambda home: sum((home / row.path).is_file() for row in rows))


def _refuse_missing(file: Path, home: Path, rows: Sequence[ListedImage]) -> None:
    folders = {(home / row.path).parent for row in rows}
    present = {folder: list_files(folder) for folder in folders if folder.is_dir()}
    for row in rows:
        path = home / row.path
        if path.name not in present.get(path.parent, ()):
            hint = "add the image, or take the row out"
            raise missing_file(path, f"no image {row.path}", hint, where=f"{file}, {row.place}")
