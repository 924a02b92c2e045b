"""PASCAL VOC 2007 and 2012 (Everingham et al., IJCV 2010) in their official layout.

VOC 2007 uses trainval as `train` and test as `test`; VOC 2012, whose test labels are not public, uses train and val.
Labels come from the objects in the annotations. The option `difficult` defines the label of a class whose objects in an
image are all marked difficult: `negative` (HCP code, Cole et al., CAP), `ignored` (0) or `positive` (lists of SPLC and
SCPNet), in both splits. The option `names` selects the class names in prompts: `natural` ("dining table") or
`released`, the names in the annotations ("diningtable"), as in the code of DualCoOp and SCPNet.
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
SIDES = ("xmin", "ymin", "xmax", "ymax")
FLAGS = {"": 1, "0": 1, "false": 1, "1": 0, "true": 0}
"""The label that an object's flag `difficult` gives its class: 1 present, 0 difficult."""
DIFFICULT = {"negative": -1, "ignored": 0, "positive": 1}


def load(root: Path, options: Mapping[str, Value]) -> Dataset:
    """VOC 2007, complete; a copy without 5,011 and 4,952 images is refused."""
    return _load("voc2007", root, options)


def load_subset(root: Path, options: Mapping[str, Value]) -> Dataset:
    """A partial copy of VOC 2007: the images of its lists. Lists, images and annotations must agree."""
    return _load("voc2007-subset", root, options)


def load_2012(root: Path, options: Mapping[str, Value]) -> Dataset:
    """VOC 2012, complete; a copy without 5,717 and 5,823 images is refused."""
    return _load("voc2012", root, options)


def load_2012_subset(root: Path, options: Mapping[str, Value]) -> Dataset:
    """A partial copy of VOC 2012: the images of its lists. Lists, images and annotations must agree."""
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
    if not complete:  # with the full count, no image can be missing from the lists
        named = " or ".join(f"ImageSets/Main/{path.name}" for path in lists.values())
        refuse_unlisted(files, found, folder / "JPEGImages", named)
    difficult = DIFFICULT[str(options["difficult"])]
    train, test = (_split(folder, ids[split], difficult, complete and split == "train") for split in ("train", "test"))
    natural = NATURAL_NAMES if options["names"] == "natural" else {}
    return Dataset(
        name, CLASSES, tuple(natural.get(each, each) for each in CLASSES), train, test, stated_options(name, options)
    )


def _split(folder: Path, ids: list[str], difficult: int, official: bool) -> Split:
    """Images and labels of one list. `official` is True for the complete training list."""
    rows = [_labels(folder / "Annotations" / f"{image}.xml") for image in ids]
    labels = np.array(rows, np.int8).reshape(len(ids), len(CLASSES))
    drawn = OfficialList(np.where(labels == 0, -1, labels), np.arange(len(ids)), tuple(ids)) if official else None
    files = [folder / "JPEGImages" / f"{image}.jpg" for image in ids]
    return split_of(ids, files, np.where(labels == 0, difficult, labels), drawn)


def _ids(path: Path) -> list[str]:
    """The image ids of a list, one per line."""
    lines = [line.split() for line in read_text(path).splitlines()]
    for number, words in enumerate(lines, 1):
        if len(words) > 1:
            hint = "use the list of all images, with one id per line; lists of one class have a second column"
            raise DataError(f"invalid image id {' '.join(words)!r}", where=f"{path}, line {number}", hint=hint)
    return [word for words in lines for word in words]


def _labels(path: Path) -> list[int]:
    """The labels of an image: 1 if a class has an object that is not difficult, 0 if all are difficult, else -1."""
    row = [-1] * len(CLASSES)
    for found in _annotation(path).iter("object"):
        name = found.findtext("name", "").strip()
        flag = found.findtext("difficult", "").strip().lower()
        if name not in COLUMNS:
            raise DataError(f"unknown class {name!r} in the annotation", where=path, hint=AGAIN)
        if flag not in FLAGS:
            hint = f"expected one of {', '.join(filter(None, FLAGS))}"
            raise DataError(f"invalid flag difficult {flag!r} of an object {name}", where=path, hint=hint)
        row[COLUMNS[name]] = max(row[COLUMNS[name]], FLAGS[flag])
    return row


def object_boxes(path: Path) -> list[tuple[str, tuple[float, float, float, float]]]:
    """The objects of an annotation that are not difficult: label, left, top, right, bottom as shares of the image.

    Pixels of VOC are counted from 1, and a box includes its last pixel. Raises `DataError` for a box without numbers.
    """
    annotation = _annotation(path)
    try:
        width, height = (float(annotation.findtext(f"size/{side}", "")) for side in ("width", "height"))
        found = []
        for each in annotation.iter("object"):
            if FLAGS[each.findtext("difficult", "").strip().lower()] == 1:
                left, top, right, bottom = (float(each.findtext(f"bndbox/{side}", "")) for side in SIDES)
                sides = ((left - 1) / width, (top - 1) / height, right / width, bottom / height)
                found.append((each.findtext("name", "").strip(), sides))
    except (ValueError, KeyError, ZeroDivisionError) as error:
        raise DataError(f"invalid box of an object: {error}", where=path, hint=AGAIN) from error
    return found


def _annotation(path: Path) -> ElementTree.Element:
    """Parse an annotation file.

    Raises:
        DataError: damaged XML, a wrong encoding, or another root element, for example with a namespace.
    """
    read = read_bytes(path)
    try:
        root = ElementTree.fromstring(read)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise DataError(f"{_xml_problem(read)}: {error}", where=path, hint=AGAIN) from error
    if root.tag.startswith("{"):
        namespace = root.tag[1:].partition("}")[0]
        hint = "remove xmlns=… from its root element; VOC has no namespaces"
        raise DataError(f"the annotation is in the XML namespace {namespace}", where=path, hint=hint)
    if root.tag != "annotation":
        raise DataError(f"the root of the annotation is <{root.tag}>, not <annotation>", where=path, hint=AGAIN)
    return root


def _xml_problem(read: bytes) -> str:
    """What is wrong with an annotation that cannot be parsed."""
    declared = re.search(rb"""encoding=["']([^"']*)["']""", read[:200])
    encoding = declared[1].decode("ascii", "replace") if declared else "utf-8"
    try:
        read.decode(encoding)
    except LookupError:
        return f"unknown encoding {encoding!r} of the annotation"
    except UnicodeDecodeError:
        return f"the annotation is not valid {encoding}" if declared else "the annotation is not valid UTF-8"
    return "damaged or truncated annotation"
