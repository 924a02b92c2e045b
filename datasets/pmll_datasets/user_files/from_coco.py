"""Reads a user's COCO-style JSON file: `images`, `categories` and `annotations`, with the images beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np

from ..coco import without_outline
from ..errors import DataError
from ..files import read_bytes
from .listing import ListedImage, Listing, error_at, quoted

Key: TypeAlias = str | int
"""The id of an image or a category."""
Entry: TypeAlias = Mapping[str, object]

NEEDED = {"images": ("id", "file_name"), "categories": ("id", "name"), "annotations": ("image_id", "category_id")}


def read(file: Path) -> Listing:
    """The images with the categories of their objects.

    A category is present in an image that has an object of it, and absent otherwise. If images list the categories that
    were verified to be absent (`neg_category_ids`, as in LVIS), only those are absent, and all others are
    unknown. An image may have a `split`. Classes are in the order of their ids.

    Raises:
        DataError: invalid JSON, a missing or duplicate entry, or an annotation of an unknown image or category.
    """
    content = _parsed(file)
    names = _names(file, content["categories"])
    columns = {key: column for column, key in enumerate(sorted(names))}
    images = {_key(image, "id"): row for row, image in enumerate(content["images"])}
    if len(images) < len(content["images"]):
        raise DataError("two images have the same id", where=file, hint="give each image a unique id")
    negatives = [_negatives(file, number, image) for number, image in enumerate(content["images"], 1)]
    verified = any(each is not None for each in negatives)
    labels = np.full((len(images), len(columns)), 0 if verified else -1, np.int8)
    for row, each in enumerate(negatives):
        labels[row, [columns[key] for key in each or () if key in columns]] = -1
    for number, annotation in enumerate(content["annotations"], 1):
        image, category = _key(annotation, "image_id"), _key(annotation, "category_id")
        if image not in images or category not in columns:
            what = f"image {image!r} or category {category!r} is not listed"
            hint = "list all images and categories, or remove the annotation"
            raise error_at(file, f"annotation {number:,}", what, hint)
        labels[images[image], columns[category]] = 1
    others = "those in neg_category_ids absent, all others unknown" if verified else "all others absent"
    notes = (
        f"objects of {len(columns):,} categories (COCO-style JSON)",
        f"categories with an object present, {others}",
    )
    return Listing(file, tuple(names[key] for key in sorted(names)), _rows(content["images"]), labels, notes)


def _rows(images: Sequence[Entry]) -> tuple[ListedImage, ...]:
    split = any("split" in image for image in images)
    return tuple(
        ListedImage(f"image {number:,}", str(image["file_name"]), str(image.get("split", "")) if split else None)
        for number, image in enumerate(images, 1)
    )


def _key(entry: Entry, name: str) -> Key:
    return cast(Key, entry[name])  # `_parsed` has checked it


def _negatives(file: Path, number: int, image: Entry) -> Sequence[Key] | None:
    """The ids of the categories that are verified to be absent; None if the image does not list them."""
    found = image.get("neg_category_ids")
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(each, str | int) for each in found):
        hint = "expected a list of category ids, such as [3, 7]"
        raise error_at(file, f"image {number:,}", f"invalid neg_category_ids {found!r}", hint)
    return found


def _parsed(file: Path) -> dict[str, list[Entry]]:
    try:
        content = json.loads(read_bytes(file).decode("utf-8-sig"), object_hook=without_outline)
    except ValueError as error:
        raise DataError(f"invalid JSON: {error}", where=file, hint="export the file again") from error
    keys = list(content) if isinstance(content, dict) else []
    if not keys or any(not isinstance(content.get(kind), list) for kind in NEEDED):
        what = f"not COCO-style: the file has {quoted(keys) or 'no keys'}"
        raise DataError(what, where=file, hint=f"expected the lists {quoted(list(NEEDED))}")
    for kind, needed in NEEDED.items():
        for number, entry in enumerate(content[kind], 1):
            given = entry if isinstance(entry, dict) else {}
            missing = [name for name in needed if not isinstance(given.get(name), str | int)]
            if missing:
                hint = f"each entry of {kind} needs {quoted(needed)}"
                raise error_at(file, f"entry {number:,} of {kind}", f"no {quoted(missing)}", hint)
    return {kind: content[kind] for kind in NEEDED}


def _names(file: Path, categories: Sequence[Entry]) -> dict[Key, str]:
    """The category names by id; duplicates are refused, and so are ids of mixed types, which have no order."""
    names = {_key(category, "id"): str(category["name"]) for category in categories}
    if len(set(names.values())) < len(categories) or len({type(key) for key in names}) > 1:
        hint = "give each category a unique id and name, and all ids the same type"
        raise DataError("two categories have the same id or name, or ids differ in type", where=file, hint=hint)
    return names
