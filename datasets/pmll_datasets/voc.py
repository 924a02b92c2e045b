"""PASCAL VOC 2007 (Everingham et al., IJCV 2010) in its official layout: trainval is `train`, test is `test`.

Labels come from the objects in the annotations. What to do where all objects of a class are marked difficult is the
option `difficult`: `negative` (as the HCP code), `ignored` (0) or `positive`; it holds in both splits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from .dataset import Dataset, Official, Split
from .errors import DataError
from .files import AGAIN, content, listing, locate, pictures, refuse_strays, require
from .registry import DATASETS, Value, check_count, names_of, way_out

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
APART = {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv monitor"}
COLUMNS = {name: column for column, name in enumerate(CLASSES)}
LISTS = {"train": "trainval", "test": "test"}
DIFFICULT = {"negative": -1, "ignored": 0, "positive": 1}


def load(root: Path, options: Mapping[str, Value]) -> Dataset:
    """The complete data set; any other count than 5,011 and 4,952 pictures is refused."""
    return _load("voc2007", root, options)


def load_subset(root: Path, options: Mapping[str, Value]) -> Dataset:
    """A partial copy: what its lists name. Lists, pictures and annotations have to agree."""
    return _load("voc2007-subset", root, options)


def _load(name: str, root: Path, options: Mapping[str, Value]) -> Dataset:
    folder = locate(root, names_of(name), ("VOCdevkit/VOC2007", "VOC2007", ""), "ImageSets/Main")
    ids = {split: _listed(folder, split) for split in LISTS}
    for split, listed in ids.items():
        check_count(name, split, len(listed), folder / "ImageSets" / "Main")
    complete = DATASETS[name].counts is not None
    found = listing(folder / "JPEGImages", ".jpg")
    files = [f"{picture}.jpg" for listed in ids.values() for picture in listed]
    require(files, found, folder / "JPEGImages", way_out(name))
    if not complete:  # with a full count, none can be missing from the lists
        refuse_strays(files, found, folder / "JPEGImages", "ImageSets/Main/trainval.txt or test.txt")
    difficult = DIFFICULT[str(options["difficult"])]
    train, test = (_split(folder, ids[split], difficult) for split in ("train", "test"))
    if complete:
        train = replace(train, official=Official(len(train), np.arange(len(train))))
    return Dataset(name, CLASSES, tuple(APART.get(each, each) for each in CLASSES), train, test, options)


def _listed(folder: Path, split: str) -> list[str]:
    return content(folder / "ImageSets" / "Main" / f"{LISTS[split]}.txt").decode("ascii", "replace").split()


def _split(folder: Path, ids: list[str], difficult: int) -> Split:
    labels = np.array([_labels(folder / "Annotations" / f"{picture}.xml", difficult) for picture in ids], np.int8)
    found = pictures(ids, [folder / "JPEGImages" / f"{picture}.jpg" for picture in ids])
    return Split(found, labels.reshape(len(ids), len(CLASSES)))


def _labels(path: Path, difficult: int) -> list[int]:
    """One row: 1 where a class has an object that isn't difficult, `difficult` where it has only difficult ones."""
    row = [-1] * len(CLASSES)
    try:
        for found in ElementTree.fromstring(content(path)).iter("object"):
            column = COLUMNS[found.findtext("name", "").strip()]
            row[column] = max(row[column], difficult if found.findtext("difficult", "0").strip() == "1" else 1)
    except ElementTree.ParseError as error:
        raise DataError(f"annotation is damaged or cut off: {error}", where=path, hint=AGAIN) from error
    except KeyError as error:
        raise DataError(f"annotation names {error}, which is no class of VOC", where=path, hint=AGAIN) from error
    return row
