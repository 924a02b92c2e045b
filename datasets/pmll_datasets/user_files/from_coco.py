"""A COCO-style JSON file of one's own: `images`, `categories` and `annotations`, with the images beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..coco import without_outline
from ..errors import DataError
from ..files import read_bytes
from .listing import ListedImage, Listing, error_at, quoted

NEEDED = ("images", "categories", "annotations")


def read(file: Path) -> Listing:
    """The images with the categories of their objects.

    A category is present in an image that has an object of it, else absent. Where images name the categories that
    were looked for and not found (`neg_category_ids`, as LVIS does), those are absent and the others unknown. An image
    may have a `split`. Classes stand in the order of their ids.

    Raises:
        DataError: no such JSON, an entry that is missing, twins, or an object of an unknown image or category.
    """
    found = _parsed(file)
    names = _names(file, found["categories"])
    columns = {key: column for column, key in enumerate(sorted(names))}
    images = {image["id"]: number for number, image in enumerate(found["images"])}
    if len(images) < len(found["images"]):
        raise DataError("two images have the same id", where=file, hint="give each image an id of its own")
    negatives = [image.get("neg_category_ids") for image in found["images"]]
    verified = any(each is not None for each in negatives)
    labels = np.full((len(images), len(columns)), 0 if verified else -1, np.int8)
    for number, each in enumerate(negatives):
        labels[number, [columns[key] for key in each or () if key in columns]] = -1
    for number, each in enumerate(found["annotations"], 1):
        if each["image_id"] not in images or each["category_id"] not in columns:
            what = f"it names image {each['image_id']!r} and category {each['category_id']!r}, not both are listed"
            raise error_at(
                file, f"annotation {number:,}", what, "list all images and categories, or take the object out"
            )
        labels[images[each["image_id"]], columns[each["category_id"]]] = 1
    split = any("split" in image for image in found["images"])
    rows = tuple(
        ListedImage(f"image {number:,}", str(image["file_name"]), str(image.get("split", "")) if split else None)
        for number, image in enumerate(found["images"], 1)
    )
    rest = "those in neg_category_ids absent, all others unknown" if verified else "all others absent"
    said = (f"objects of {len(columns):,} categories (COCO-style JSON)", f"categories with an object present, {rest}")
    return Listing(file, tuple(names[key] for key in sorted(names)), rows, labels, said)


def _parsed(file: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        found = json.loads(read_bytes(file).decode("utf-8-sig"), object_hook=without_outline)
    except ValueError as error:
        raise DataError(f"invalid JSON: {error}", where=file, hint="write it again") from error
    there = list(found) if isinstance(found, dict) else []
    if any(not isinstance(found.get(name), list) for name in NEEDED) if there else True:
        what = f"not COCO-style: it has {quoted(there) or 'no named entries'}"
        raise DataError(what, where=file, hint=f"it needs the lists {quoted(NEEDED)}")
    needed = {"images": ("id", "file_name"), "categories": ("id", "name"), "annotations": ("image_id", "category_id")}
    for kind, names in needed.items():
        for number, entry in enumerate(found[kind], 1):
            missing = [
                name for name in names if not isinstance(entry, dict) or not isinstance(entry.get(name), str | int)
            ]
            if missing:
                place = f"entry {number:,} of {kind}"
                raise error_at(file, place, f"no {quoted(missing)}", f"each entry of {kind} needs {quoted(names)}")
    return {name: found[name] for name in NEEDED}


def _names(file: Path, categories: list[dict[str, Any]]) -> dict[Any, str]:
    """The category names by id; twins are refused, and so are ids of different types, which have no order."""
    names = {category["id"]: str(category["name"]) for category in categories}
    if len(set(names.values())) < len(categories) or len({type(key) for key in names}) > 1:
        hint = "give each category an id and a name of its own, and all ids the same type"
        raise DataError("two categories have the same id or name, or ids differ in type", where=file, hint=hint)
    return names
