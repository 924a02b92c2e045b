"""MS-COCO 2014 (Lin et al., ECCV 2014) in its official layout: train2014 is `train`, val2014 is `test`.

Rows follow `images` of the annotation files, columns the ascending category ids; crowds count as present. Images
without any label are kept by default, as in the HCP code (82,783 and 40,504); the option `labelless=drop` leaves
them out, as ML-GCN and others do (82,081 and 40,137). Either way, masks of the official list are drawn on all 82,783.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .dataset import Dataset, Labels, OfficialList, Split
from .errors import DataError
from .files import AGAIN, list_files, locate, read_bytes, refuse_unlisted, require, split_of
from .registry import DATASETS, Value, check_count, names_of, repair_hint

FOLDERS = {"train": "train2014", "test": "val2014"}
LABELLED = {"train": 82_081, "test": 40_137}
"""How many images of the complete data set have a label."""


def load(root: Path, options: Mapping[str, Value]) -> Dataset:
    """The complete data set; other counts than the official ones are refused."""
    return _load("coco2014", root, options)


def load_subset(root: Path, options: Mapping[str, Value]) -> Dataset:
    """A partial copy: what its annotation files name. Annotation files and images have to agree."""
    return _load("coco2014-subset", root, options)


def _load(name: str, root: Path, options: Mapping[str, Value]) -> Dataset:
    folder = locate(root, names_of(name), ("",), "annotations")
    _refuse_2017(folder)
    (classes, train), (same, test) = (_split(name, folder, split, options) for split in ("train", "test"))
    if classes != same:
        raise DataError("the annotation files have different categories", where=folder / "annotations", hint=AGAIN)
    return Dataset(name, classes, classes, train, test, options)


def _refuse_2017(folder: Path) -> None:
    """Say what a folder with the other release holds: the same images under other names, split in another way."""
    files = {year: folder / "annotations" / f"instances_train{year}.json" for year in (2014, 2017)}
    if files[2017].exists() and not files[2014].exists():
        what = "this is COCO 2017: other names and another split (118,287 and 5,000) of the images of 2014"
        hint = "published numbers are on 2014: pmll-bench data fetch coco2014; or describe these images in a .csv file"
        raise DataError(what, where=files[2017], hint=hint)


def _split(name: str, folder: Path, split: str, options: Mapping[str, Value]) -> tuple[tuple[str, ...], Split]:
    """The class names and one split; with `labelless=drop`, without the images that have no label."""
    annotations = folder / "annotations" / f"instances_{FOLDERS[split]}.json"
    classes, files, labels = _annotations(annotations)
    check_count(name, split, len(files), annotations)
    complete = DATASETS[name].counts is not None
    place = folder / FOLDERS[split]
    found = list_files(place, ".jpg")
    require(files, found, place, repair_hint(name))
    if not complete:  # with a full count, none can be missing from the list
        refuse_unlisted(files, found, place, annotations.name)
    labelled = (labels == 1).any(axis=1)
    if complete and labelled.sum() != LABELLED[split]:
        what = f"{name} has {LABELLED[split]:,} {split} images with a label, this copy has {labelled.sum():,}"
        raise DataError(what, where=annotations, hint=repair_hint(name))
    official = _official(files, labels) if complete and split == "train" else None
    whole = split_of([Path(file).stem for file in files], [place / file for file in files], labels, official)
    return classes, whole.take(np.flatnonzero(labelled)) if options["labelless"] == "drop" else whole


def _official(files: list[str], labels: Labels) -> OfficialList:
    """All images of the training list; published code calls them by their bare numbers."""
    numbers = tuple(Path(file).stem.rpartition("_")[2].lstrip("0") for file in files)
    return OfficialList(labels, np.arange(len(files)), numbers)


def _annotations(path: Path) -> tuple[tuple[str, ...], list[str], Labels]:
    """Class names by ascending category id, file names, labels in {1, -1} [images, classes]."""
    try:
        found = json.loads(read_bytes(path), object_hook=without_outline)
        categories = [(each["id"], str(each["name"])) for each in found["categories"]]
        images = [(each["id"], str(each["file_name"])) for each in found["images"]]
        objects = [(each["image_id"], each["category_id"]) for each in found["annotations"]]
        for kind, ids in (("categories", [key for key, _ in categories]), ("images", [key for key, _ in images])):
            _refuse_twins(path, f"two {kind} have one id", ids)
        _refuse_twins(path, "two categories have one name", [name for _, name in categories])
        columns = {key: column for column, (key, _) in enumerate(sorted(categories))}
        rows = {key: row for row, (key, _) in enumerate(images)}
    except ValueError as error:
        raise DataError(f"annotations are damaged or cut off: {error}", where=path, hint=AGAIN) from error
    except (KeyError, TypeError) as error:
        raise DataError(f"annotations lack an entry they need: {error!r}", where=path, hint=AGAIN) from error
    labels = np.full((len(images), len(columns)), -1, np.int8)
    _refuse_strangers(path, "image", [image for image, _ in objects], rows)
    _refuse_strangers(path, "category", [category for _, category in objects], columns)
    labels[[rows[image] for image, _ in objects], [columns[category] for _, category in objects]] = 1
    return tuple(name for _, name in sorted(categories)), [file for _, file in images], labels


def _refuse_twins(path: Path, what: str, values: Sequence[object]) -> None:
    if len(set(values)) < len(values):
        twin = next(value for value, count in Counter(values).items() if count > 1)
        raise DataError(f"{what}: {twin!r}", where=path, hint=AGAIN)


def _refuse_strangers(path: Path, kind: str, named: Sequence[object], known: Mapping[Any, int]) -> None:
    """Refuse objects of an image or a category that the file doesn't list."""
    strangers = [each for each in named if each not in known]
    if strangers:
        what = f"{len(strangers):,} of the annotations belong to no listed {kind}, the first to {kind} {strangers[0]!r}"
        hint = "filter annotations together with images and categories, or take the official file"
        raise DataError(what, where=path, hint=hint)


def without_outline(entry: dict[str, Any]) -> dict[str, Any]:
    """Drops an object's outline while the file is parsed: together they would take gigabytes."""
    entry.pop("segmentation", None)
    return entry
