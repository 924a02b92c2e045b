"""VG-200: the 200 most frequent labels of Visual Genome (Krishna et al., IJCV 2017), in the layout of the HCP code.

train_list_500.txt and test_list_500.txt list the images, vg_category_200_labels_index.json the label numbers of each
image; the images are in VG_100K (or VG_100K_2, as in the release of Visual Genome). The labels were published only as
numbers. Their names must be provided in vg_category_200_names.txt, one per line in the order of the numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from .dataset import Dataset, OfficialList, Split
from .errors import DataError
from .files import AGAIN, list_files, locate, read_bytes, read_text, require, split_of
from .registry import Value, names_of, repair_hint

CLASSES = 200
LISTS = {"train": "train_list_500.txt", "test": "test_list_500.txt"}


def load(root: Path, options: Mapping[str, Value]) -> Dataset:
    """The images of the two lists."""
    folder = locate(root, names_of("vg200"), ("",), "VG_100K")
    classes = _names(folder / "vg_category_200_names.txt")
    present = _index(folder / "vg_category_200_labels_index.json")
    places = [place for place in (folder / "VG_100K_2", folder / "VG_100K") if place.is_dir()]
    homes = {name: place for place in places for name in list_files(place, ".jpg")}
    train, test = (_split(folder, folder / LISTS[split], present, homes) for split in LISTS)
    train = replace(train, official=OfficialList(train.labels, np.arange(len(train))))
    return Dataset("vg200", classes, tuple(name.replace("_", " ") for name in classes), train, test, options)


def _names(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        hint = "write one name per line, in the order of the numbers; 0 to 199 suffice for methods without prompts"
        raise DataError("the names of the 200 labels are missing: they were not published", where=path, hint=hint)
    names = tuple(line.strip() for line in read_text(path).splitlines() if line.strip())
    if len(names) != CLASSES or len(set(names)) != CLASSES:
        raise DataError(
            f"expected {CLASSES} distinct names, found {len(set(names))}", where=path, hint="correct the file"
        )
    return names


def _index(path: Path) -> Mapping[str, Sequence[int]]:
    try:
        found = json.loads(read_bytes(path))
    except ValueError as error:
        raise DataError(f"damaged or truncated labels: {error}", where=path, hint=AGAIN) from error
    if not isinstance(found, dict):
        raise DataError("not a mapping of images to numbers", where=path, hint=AGAIN)
    return found


def _split(folder: Path, listed: Path, present: Mapping[str, Sequence[int]], homes: Mapping[str, Path]) -> Split:
    files = read_text(listed).split()
    require(files, homes, folder / "VG_100K", repair_hint("vg200"))
    labels = np.full((len(files), CLASSES), -1, np.int8)
    for row, file in enumerate(files):
        numbers = present.get(file)
        if numbers is None or not all(isinstance(each, int) and 0 <= each < CLASSES for each in numbers):
            what = f"image {file} has no labels, or numbers outside 0 to {CLASSES - 1}"
            raise DataError(what, where=folder / "vg_category_200_labels_index.json", hint=AGAIN)
        labels[row, list(numbers)] = 1
    return split_of([Path(file).stem for file in files], [homes[file] / file for file in files], labels)
