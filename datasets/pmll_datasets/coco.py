"""MS-COCO 2014 (Lin et al., ECCV 2014) in its official layout: train2014 is `train`, val2014 is `test`.

Rows follow `images` of the annotation files, columns the ascending category ids; crowds count as present. Pictures
without any label are kept by default, as in the HCP code (82,783 and 40,504); the option `labelless=drop` leaves
them out, as ML-GCN and others do (82,081 and 40,137). Either way, masks of the official list are drawn on all 82,783.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .dataset import Dataset, Labels, Official, Split
from .errors import DataError
from .files import AGAIN, content, listing, locate, refuse_strays, require, split_of
from .registry import DATASETS, Value, check_count, names_of, way_out

FOLDERS = {"train": "train2014", "test": "val2014"}
LABELLED = {"train": 82_081, "test": 40_137}
"""How many pictures of the complete data set have a label."""


def load(root: Path, options: Mapping[str, Value]) -> Dataset:
    """The complete data set; other counts than the official ones are refused."""
    return _load("coco2014", root, options)


def load_subset(root: Path, options: Mapping[str, Value]) -> Dataset:
    """A partial copy: what its annotation files name. Annotation files and pictures have to agree."""
    return _load("coco2014-subset", root, options)


def _load(name: str, root: Path, options: Mapping[str, Value]) -> Dataset:
    folder = locate(root, names_of(name), ("",), "annotations")
    (classes, train), (same, test) = (_split(name, folder, split, options) for split in ("train", "test"))
    if classes != same:
        raise DataError("the annotation files have different categories", where=folder / "annotations", hint=AGAIN)
    return Dataset(name, classes, classes, train, test, options)


def _split(name: str, folder: Path, split: str, options: Mapping[str, Value]) -> tuple[tuple[str, ...], Split]:
    """The class names and one split; with `labelless=drop`, without the pictures that have no label."""
    annotations = folder / "annotations" / f"instances_{FOLDERS[split]}.json"
    classes, files, labels = _annotations(annotations)
    check_count(name, split, len(files), annotations)
    complete = DATASETS[name].counts is not None
    place = folder / FOLDERS[split]
    found = listing(place, ".jpg")
    require(files, found, place, way_out(name))
    if not complete:  # with a full count, none can be missing from the list
        refuse_strays(files, found, place, annotations.name)
    labelled = (labels == 1).any(axis=1)
    if complete and labelled.sum() != LABELLED[split]:
        what = f"{name} has {LABELLED[split]:,} {split} pictures with a label, this copy has {labelled.sum():,}"
        raise DataError(what, where=annotations, hint=way_out(name))
    official = _official(files, labels) if complete and split == "train" else None
    whole = split_of([Path(file).stem for file in files], [place / file for file in files], labels, official)
    return classes, whole.take(np.flatnonzero(labelled)) if options["labelless"] == "drop" else whole


def _official(files: list[str], labels: Labels) -> Official:
    """All pictures of the training list; published code calls them by their bare numbers."""
    numbers = tuple(Path(file).stem.rpartition("_")[2].lstrip("0") for file in files)
    return Official(labels, np.arange(len(files)), numbers)


def _annotations(path: Path) -> tuple[tuple[str, ...], list[str], Labels]:
    """Class names by ascending category id, file names, labels in {1, -1} [pictures, classes]."""
    try:
        found = json.loads(content(path), object_hook=_without_outline)
        names = {category["id"]: str(category["name"]) for category in found["categories"]}
        columns = {category: column for column, category in enumerate(sorted(names))}
        rows = {image["id"]: row for row, image in enumerate(found["images"])}
        files = [str(image["file_name"]) for image in found["images"]]
        if len(rows) != len(files):
            raise ValueError("two images have one id")
        places = [(rows[each["image_id"]], columns[each["category_id"]]) for each in found["annotations"]]
    except ValueError as error:
        raise DataError(f"annotations are damaged or cut off: {error}", where=path, hint=AGAIN) from error
    except (KeyError, TypeError) as error:
        raise DataError(f"annotations lack an entry they need: {error!r}", where=path, hint=AGAIN) from error
    labels = np.full((len(files), len(columns)), -1, np.int8)
    labels[tuple(np.array(places, np.int64).reshape(-1, 2).T)] = 1
    return tuple(names[category] for category in columns), files, labels


def _without_outline(entry: dict[str, Any]) -> dict[str, Any]:
    """Drops an object's outline while the file is parsed: together they would take gigabytes."""
    entry.pop("segmentation", None)
    return entry
