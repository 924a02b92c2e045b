"""MS-COCO 2014 (Lin et al., ECCV 2014) in its official layout: train2014 is `train`, val2014 is `test`.

Rows are in the order of `images` in the annotation files, columns in ascending order of the category ids; crowds count
as present. Images without labels are kept by default, as in the HCP code (82,783 and 40,504); the option
`labelless=drop` drops them, as ML-GCN and others do (82,081 and 40,137). In both cases, masks on the official list are
drawn on all 82,783 images.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import numpy as np

from pmll_errors import counted

from .dataset import Dataset, Labels, OfficialList, Split
from .errors import DataError
from .files import AGAIN, list_files, locate, read_bytes, refuse_unlisted, require, split_of
from .registry import DATASETS, Value, check_count, names_of, repair_hint

FOLDERS = {"train": "train2014", "test": "val2014"}
LABELLED = {"train": 82_081, "test": 40_137}
"""The numbers of images of the complete data set that have a label."""


def load(root: Path, options: Mapping[str, Value]) -> Dataset:
    """The complete data set; a copy without the official counts is refused."""
    return _load("coco2014", root, options)


def load_subset(root: Path, options: Mapping[str, Value]) -> Dataset:
    """A partial copy: the images of its annotation files. Annotation files and images must agree."""
    return _load("coco2014-subset", root, options)


def _load(name: str, root: Path, options: Mapping[str, Value]) -> Dataset:
    folder = locate(root, names_of(name), ("",), "annotations")
    _refuse_2017(folder)
    (classes, train), (same, test) = (_split(name, folder, split, options) for split in ("train", "test"))
    if classes != same:
        raise DataError("the annotation files have different categories", where=folder / "annotations", hint=AGAIN)
    return Dataset(name, classes, classes, train, test, options)


def _refuse_2017(folder: Path) -> None:
    """Refuse COCO 2017: the same images with other names and another split."""
    files = {year: folder / "annotations" / f"instances_train{year}.json" for year in (2014, 2017)}
    if files[2017].exists() and not files[2014].exists():
        what = "this is COCO 2017, with other names and another split (118,287 and 5,000) of the images of COCO 2014"
        hint = "published results are on COCO 2014: pmll-bench data fetch coco2014; or list these images in a .csv file"
        raise DataError(what, where=files[2017], hint=hint)


def _split(name: str, folder: Path, split: str, options: Mapping[str, Value]) -> tuple[tuple[str, ...], Split]:
    """The class names and one split; with `labelless=drop`, without the images that have no label."""
    path = folder / "annotations" / f"instances_{FOLDERS[split]}.json"
    classes, files, labels = _annotations(path)
    check_count(name, split, len(files), path)
    complete = DATASETS[name].counts is not None
    place = folder / FOLDERS[split]
    found = list_files(place, ".jpg")
    require(files, found, place, repair_hint(name))
    if not complete:  # with the full count, no image can be missing from the list
        refuse_unlisted(files, found, place, path.name)
    labelled = (labels == 1).any(axis=1)
    if complete and labelled.sum() != LABELLED[split]:
        what = f"{name} has {LABELLED[split]:,} {split} images with a label, this copy has {labelled.sum():,}"
        raise DataError(what, where=path, hint=repair_hint(name))
    official = _official(files, labels) if complete and split == "train" else None
    whole = split_of([Path(file).stem for file in files], [place / file for file in files], labels, official)
    return classes, whole.take(np.flatnonzero(labelled)) if options["labelless"] == "drop" else whole


def _official(files: list[str], labels: Labels) -> OfficialList:
    """All images of the training list; released code names them by their numbers without leading zeros."""
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
            _refuse_duplicates(path, f"two {kind} have the same id", ids)
        _refuse_duplicates(path, "two categories have the same name", [name for _, name in categories])
        columns = {key: column for column, (key, _) in enumerate(sorted(categories))}
        rows = {key: row for row, (key, _) in enumerate(images)}
    except ValueError as error:
        raise DataError(f"damaged or truncated annotations: {error}", where=path, hint=AGAIN) from error
    except (KeyError, TypeError) as error:
        raise DataError(f"missing entry in the annotations: {error!r}", where=path, hint=AGAIN) from error
    labels = np.full((len(images), len(columns)), -1, np.int8)
    _refuse_unknown(path, "image", [image for image, _ in objects], rows)
    _refuse_unknown(path, "category", [category for _, category in objects], columns)
    labels[[rows[image] for image, _ in objects], [columns[category] for _, category in objects]] = 1
    return tuple(name for _, name in sorted(categories)), [file for _, file in images], labels


def _refuse_duplicates(path: Path, what: str, values: Sequence[object]) -> None:
    if len(set(values)) < len(values):
        duplicate = next(value for value, count in Counter(values).items() if count > 1)
        raise DataError(f"{what}: {duplicate!r}", where=path, hint=AGAIN)


def _refuse_unknown(path: Path, kind: str, named: Sequence[object], known: Container[object]) -> None:
    """Refuse annotations of an image or a category that the file does not list."""
    unknown = [each for each in named if each not in known]
    if unknown:
        what = f"{counted(len(unknown), 'annotation')} of an unlisted {kind}, such as {kind} {unknown[0]!r}"
        hint = "filter annotations together with images and categories, or use the official file"
        raise DataError(what, where=path, hint=hint)


def without_outline(entry: dict[str, object]) -> dict[str, object]:
    """Drop the outline of an object while the file is parsed: all outlines together take gigabytes."""
    entry.pop("segmentation", None)
    return entry
