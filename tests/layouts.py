"""Writes data sets in their official layouts, with empty files for images: labels need none of them decoded."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image


def voc_objects(*names: str, difficult: Sequence[str] = ()) -> str:
    """The objects of an annotation, as XML."""
    flagged = [(name, 0) for name in names] + [(name, 1) for name in difficult]
    return "".join(f"<object><name>{name}</name><difficult>{flag}</difficult></object>" for name, flag in flagged)


def write_voc(root: Path, lists: Mapping[str, Sequence[str]], objects: Mapping[str, str], year: int = 2007) -> Path:
    """The layout of a year of VOC under a data root; returns VOCdevkit/VOC2007, say.

    Args:
        root: the data root.
        lists: ids by the name of their list.
        objects: each image's objects by id, as XML.
        year: 2007 or 2012.
    """
    home = root / "VOCdevkit" / f"VOC{year}"
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (home / part).mkdir(parents=True)
    for name, ids in lists.items():
        (home / "ImageSets" / "Main" / f"{name}.txt").write_text("".join(f"{each}\n" for each in ids))
    for each, found in objects.items():
        (home / "Annotations" / f"{each}.xml").write_text(f"<annotation>{found}</annotation>")
    write_empty(home / "JPEGImages", [f"{each}.jpg" for each in objects])
    return home


def write_coco(
    root: Path, part: str, images: Sequence[int], pairs: Iterable[tuple[int, int]], categories: Mapping[int, str]
) -> None:
    """One part of a COCO 2014 layout (train2014 or val2014) under a data root.

    Args:
        root: the data root.
        part: train2014 or val2014.
        images: image ids, in the order of the file.
        pairs: image id and category id of each annotation.
        categories: names by category id.
    """
    content: dict[str, Any] = {
        "images": [{"id": each, "file_name": f"COCO_{part}_{each:012d}.jpg"} for each in images],
        "annotations": [{"image_id": image, "category_id": category} for image, category in pairs],
        "categories": [{"id": key, "name": name} for key, name in categories.items()],
    }
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / f"instances_{part}.json").write_text(json.dumps(content))
    (root / part).mkdir()
    write_empty(root / part, [image["file_name"] for image in content["images"]])


def write_empty(folder: Path, names: Sequence[str]) -> None:
    """Empty files, as hard links: a complete data set has 123,000, and a link takes a fifth of the time of a file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        for start in range(0, len(names), 50_000):  # some file systems allow 65,000 links to a file
            first, *others = names[start : start + 50_000]
            (folder / first).touch()
            for name in others:
                os.link(first, name, src_dir_fd=handle, dst_dir_fd=handle)
    finally:
        os.close(handle)


def write_image(path: Path, size: tuple[int, int] = (40, 30), colour: tuple[int, int, int] = (200, 40, 40)) -> None:
    """An image of one colour, wide by high."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # it may be a link that stands for other images, too
    Image.new("RGB", size, colour).save(path)
