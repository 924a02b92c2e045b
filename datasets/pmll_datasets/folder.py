"""A user's own data set: a file of image paths and labels, with the images beside it.

The file is a table (.csv, .tsv) with one column per class or a column of class names (`user_files.from_table`), or a
COCO-style JSON file (`user_files.from_coco`). `user_files.label_cells` defines what 1, 0, -1 and an empty cell mean,
`user_files.splits` the splits. A label that is unknown in the file is unknown in training under every regime, and is
ignored in the test split. Paths are relative to the file's folder or to its subfolder `images`. The data set is named
after the file, and the id of an image is its path without the extension.
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
"""Number of images that are looked up to find the folder that the paths are relative to."""


def load(file: Path, options: Mapping[str, Value]) -> Dataset:
    """Load the data set that a file describes; its `notes` state how the file was read.

    Raises:
        DataError: an invalid line, or content with more than one possible meaning.
    """
    name = _name(file)
    listed = from_coco.read(file) if file.suffix.lower() == ".json" else from_table.read(file, options)
    parts, note = assign(listed, options)
    train, test = (_split(listed, [n for n, each in enumerate(parts) if each == part]) for part in ("train", "test"))
    if not (test.labels == -1).any():
        raise DataError("no label of the test split is absent", where=file, hint=MEANING)
    prompt_names = tuple(" ".join(each.replace("_", " ").split()) for each in listed.classes)
    notes = (f"{file.name}: {'; '.join([*listed.notes, note])}",)
    return Dataset(name, listed.classes, prompt_names, train, test, stated_options(file.name, options), notes=notes)


def _name(file: Path) -> str:
    name = re.sub(r"[^a-z0-9.]+", "-", file.stem.lower()).strip("-.")
    if not name or name in DATASETS or name in ALIASES:
        hint = "rename the file: use letters and digits, and not the name of a built-in data set"
        raise DataError(f"invalid data set name {name!r}", where=file, hint=hint)
    return name


def _split(listed: Listing, numbers: Sequence[int]) -> Split:
    rows = [listed.rows[number] for number in numbers]
    base = _base_folder(listed.file, rows[:FIRST])
    _refuse_missing(listed.file, base, rows)
    files = [base / row.path for row in rows]
    return split_of([row.id for row in rows], files, listed.labels[np.array(numbers)], upright=True)


def _base_folder(file: Path, rows: Sequence[ListedImage]) -> Path:
    """The folder that the paths are relative to, the one with most of the images.

    Candidates are the file's folder, its subfolder `images` and, if all paths begin with the folder's name, its parent.
    """
    bases = [file.parent, file.parent / "images"]
    if all(PurePosixPath(row.path).parts[0] == file.absolute().parent.name for row in rows):
        bases.append(file.absolute().parent.parent)
    return max(bases, key=lambda base: sum((base / row.path).is_file() for row in rows))


def _refuse_missing(file: Path, base: Path, rows: Sequence[ListedImage]) -> None:
    folders = {(base / row.path).parent for row in rows}
    present = {folder: list_files(folder) for folder in folders if folder.is_dir()}
    for row in rows:
        path = base / row.path
        if path.name not in present.get(path.parent, ()):
            hint = "add the image, or remove the row"
            raise missing_file(path, f"image {row.path} not found", hint, where=f"{file}, {row.place}")
