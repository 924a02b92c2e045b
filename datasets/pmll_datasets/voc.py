"""PASCAL VOC 2007 and 2012 (Everingham et al., IJCV 2010) in their official layout.

Of 2007, trainval is `train` and test is `test`; of 2012, whose test labels are not public, train and val are. Labels
come from the objects in the annotations. What to do where all objects of a class are marked difficult is the option
`difficult`: `negative` (as the HCP code, Cole et al. and CAP), `ignored` (0) or `positive` (as the lists of SPLC and
SCPNet); it holds in both splits. The option `names` says what prompts call the classes: `natural` ("dining table") or
`released`, the names in the annotations ("diningtable"), as the code of DualCoOp and SCPNet does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from .dataset import Dataset, OfficialList, Split
from .errors import DataError
from .files import AGAIN, list_files, locate, read_bytes, read_text, refuse_unlisted, require, split_of
from .registry import DATASETS, Value, check_count, names_of, repair_hint, stated_options

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
NATURAL_NAMES = {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv monitor"}
COLUMNS = {name: column for column, name in enumerate(CLASSES)}
LISTS = {"2007": {"train": "trainval", "test": "test"}, "2012": {"train": "train", "test": "val"}}
FLAGS = {"": 1, "0": 1, "false": 1, "1": 0, "true": 0}
"""What an object's mark `difficult` makes of its class: 1 present, 0 difficult."""
DIFFICULT = {"negative": -1, "ignored": 0, "positive": 1}


def load(root: Path, options: Mapping[str, Value]) -> Dataset:
    """VOC 2007, complete; any other count than 5,011 and 4,952 images is refused."""
    return _load("voc2007", root, options)


def load_subset(root: Path, options: Mapping[str, Value]) -> Dataset:
    """A partial copy of VOC 2007: what its lists name. Lists, images and annotations have to agree."""
    return _load("voc2007-subset", root, options)


def load_2012(root: Path, options: Mapping[str, Value]) -> Dataset:
    """VOC 2012, complete; any other count than 5,717 and 5,823 images is refused."""
    return _load("voc2012", root, options)


def load_2012_subset(root: Path, options: Mapping[str, Value]) -> Dataset:
    """A partial copy of VOC 2012: what its lists name. Lists, images and annotations have to agree."""
    return _load("voc2012-subset", root, options)


def _load(name: str, root: Path, options: Mapping[str, Value]) -> Dataset:
    year = name.removesuffix("-subset").removeprefix("voc")
    folder = locate(root, names_of(name), (f"VOCdevkit/VOC{year}", f"VOC{year}", ""), "ImageSets/Main")
    lists = {split: folder / "ImageSets" / "Main" / f"{part}.txt" for split, part in LISTS[year].items()}
    ids = {split: _ids(path) for split, path in lists.items()}
    for split, listed in ids.items():
        check_count(name, split, len(listed), folder / "ImageSets" / "Main")
    complete = DATASETS[name].counts is not None
    found = list_files(folder / "JPEGImages", ".jpg")
    files = [f"{image}.jpg" for listed in ids.values() for image in listed]
    require(files, found, folder / "JPEGImages", repair_hint(name))
    if not complete:  # with a full count, none can be missing from the lists
        named = " or ".join(f"ImageSets/Main/{path.name}" for path in lists.values())
        refuse_unlisted(files, found, folder / "JPEGImages", named)
    difficult = DIFFICULT[str(options["difficult"])]
    train, test = (_split(folder, ids[split], difficult, complete and split == "train") for split in ("train", "test"))
    apart = NATURAL_NAMES if options["names"] == "natural" else {}
    return Dataset(
        name, CLASSES, tuple(apart.get(each, each) for each in CLASSES), train, test, stated_options(name, options)
    )


def _split(folder: Path, ids: list[str], difficult: int, official: bool) -> Split:
    """Images and labels of one list; with `official`, it is the complete training list."""
    rows = [_labels(folder / "Annotations" / f"{image}.xml") for image in ids]
    labels = np.array(rows, np.int8).reshape(len(ids), len(CLASSES))
    drawn = OfficialList(np.where(labels == 0, -1, labels), np.arange(len(ids)), tuple(ids)) if official else None
    files = [folder / "JPEGImages" / f"{image}.jpg" for image in ids]
    return split_of(ids, files, np.where(labels == 0, difficult, labels), drawn)


def _ids(path: Path) -> list[str]:
    """The image ids of a list, one a line."""
    lines = [line.split() for line in read_text(path).splitlines()]
    for number, words in enumerate(lines, 1):
        if len(words) > 1:
            hint = "give the list of all images, with one id a line; lists of one class have a second column"
            raise DataError(f"{' '.join(words)!r} is no image id", where=f"{path}, line {number}", hint=hint)
    return [word for words in lines for word in words]


def _labels(path: Path) -> list[int]:
    """One row: 1 where a class has an object that isn't difficult, 0 where it has only difficult ones, else -1."""
    row = [-1] * len(CLASSES)
    for found in _annotation(path).iter("object"):
        name = found.findtext("name", "").strip()
        flag = found.findtext("difficult", "").strip().lower()
        if name not in COLUMNS:
            raise DataError(f"annotation names {name!r}, which is no class of VOC", where=path, hint=AGAIN)
        if flag not in FLAGS:
            hint = f"write one of {', '.join(filter(None, FLAGS))}"
            raise DataError(f"an object {name} is difficult: {flag!r}", where=path, hint=hint)
        row[COLUMNS[name]] = max(row[COLUMNS[name]], FLAGS[flag])
    return row


def _annotation(path: Path) -> ElementTree.Element:
    """The root of an annotation.

    Raises:
        DataError: damaged XML, an encoding that isn't the stated one, or another root, as with a namespace.
    """
    read = read_bytes(path)
    try:
        root = ElementTree.fromstring(read)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise DataError(f"annotation {_trouble(read)}: {error}", where=path, hint=AGAIN) from error
    if root.tag.startswith("{"):
        namespace = root.tag[1:].partition("}")[0]
        hint = "remove xmlns=… from its first element; VOC has no namespaces"
        raise DataError(f"annotation is in the XML namespace {namespace}", where=path, hint=hint)
    if root.tag != "annotation":
        raise DataError(f"annotation begins with <{root.tag}>, not with <annotation>", where=path, hint=AGAIN)
    return root


def _trouble(read: bytes) -> str:
    """What is wrong with the bytes of an annotation that can't be parsed."""
    stated = re.search(rb"""encoding=["']([^"']*)["']""", read[:200])
    encoding = stated[1].decode("ascii", "replace") if stated else "utf-8"
    try:
        read.decode(encoding)
    except LookupError:
        return f"is in an unknown encoding {encoding!r}"
    except UnicodeDecodeError:
        return f"is not in the encoding {encoding}" if stated else "states no encoding, and is not in UTF-8"
    return "is damaged or cut off"
