"""Masks as files: published single-positive lists (.txt), and masks of any rule that are kept and given away (.npz).

A .txt file has a line `image.jpg,label` an image: the one present label that is known, as the number of its column
(from 0) or as a class name. An image is found by its id or by what follows the last underscore of it, so that
`000000000009.jpg` means COCO_train2014_000000000009.

A .npz file holds `format` ("pmll.mask/1"), `regime`, `ids`, `classes` and, for each ratio, `known_RATIO`: one bit an
entry [images, classes], packed by row. Images and classes may stand in any order, and be more than a data set has.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from .dataset import Known, Split
from .errors import DataError
from .files import read_bytes, read_text

FORMAT = "pmll.mask/1"
SUFFIXES = (".txt", ".npz")


def is_file(rule: str) -> bool:
    """Whether a mask is named by its file."""
    return rule.endswith(SUFFIXES)


def digest(path: Path) -> str:
    """The first 16 hex digits of the file's sha256: what stands for it in an identity."""
    return hashlib.sha256(read_bytes(path)).hexdigest()[:16]


def read(path: Path, split: Split, classes: Sequence[str], ratio: float, regime: str) -> Known:
    """The known entries of a training split under a mask file.

    Raises:
        DataError: a file that is damaged, is for another regime or ratio, or lacks images or classes of the split.
    """
    if path.suffix == ".npz":
        return _read_mask(path, split, classes, ratio, regime)
    if regime != "single-positive":
        hint = f"--regime single-positive, or a mask file of the regime {regime} (.npz)"
        raise DataError(f"a list with one label an image is for single-positive, not {regime}", where=path, hint=hint)
    return _read_list(path, split, classes)


def pack(regime: str, ids: Sequence[str], classes: Sequence[str], masks: Mapping[float, Known]) -> bytes:
    """The .npz file of masks by ratio; the same masks give the same bytes."""
    arrays = {f"known_{ratio:g}": np.packbits(known, axis=1) for ratio, known in sorted(masks.items())}
    buffer = io.BytesIO()
    facts = {"format": np.array(FORMAT), "regime": np.array(regime)}
    np.savez_compressed(buffer, **facts, ids=np.array(ids), classes=np.array(classes), **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _read_mask(path: Path, split: Split, classes: Sequence[str], ratio: float, regime: str) -> Known:
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as file:
            arrays = dict(file)
        if str(arrays["format"]) != FORMAT:
            raise ValueError(f"format {arrays['format']}")
        own, ids, names = str(arrays["regime"]), arrays["ids"].tolist(), arrays["classes"].tolist()
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        hint = "write one with 'pmll-bench data mask', or copy it again"
        raise DataError(f"not a mask file, or damaged: {error}", where=path, hint=hint) from error
    if own != regime:
        raise DataError(f"the mask is for the regime {own}, not {regime}", where=path, hint=f"--regime {own}")
    packed = arrays.get(f"known_{ratio:g}")
    if packed is None:
        there = sorted(name.removeprefix("known_") for name in arrays if name.startswith("known_"))
        raise DataError(f"the file has no mask at ratio {ratio:g}", where=path, hint=f"it has {', '.join(there)}")
    rows = _places(path, "image", split.ids, ids)
    columns = _places(path, "class", classes, names)
    known: Known = np.unpackbits(packed, axis=1, count=len(names)).astype(bool)[np.ix_(rows, columns)]
    return known


def _places(path: Path, what: str, wanted: Sequence[str], there: Sequence[str]) -> list[int]:
    """Where each name stands in the file."""
    places = {name: place for place, name in enumerate(there)}
    missing = [name for name in wanted if name not in places]
    if missing:
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise DataError(f"no {what} {missing[0]}{more} in the mask", where=path, hint="is it for another data set?")
    return [places[name] for name in wanted]


def _read_list(path: Path, split: Split, classes: Sequence[str]) -> Known:
    rows, columns = _rows_by_name(split.ids), {name: column for column, name in enumerate(classes)}
    known = np.zeros(split.labels.shape, bool)
    absent: list[str] = []
    lines = read_text(path).splitlines()
    for number, line in enumerate(lines, 1):
        image, comma, label = (part.strip() for part in line.rpartition(","))
        if not line.strip():
            continue
        column = int(label) if label.isdecimal() else columns.get(label, -1)
        if not comma or not 0 <= column < len(classes):
            hint = f"write image.jpg,label, the label as 0 to {len(classes) - 1} or a class name"
            raise DataError(f"{line!r} names no label", where=f"{path}, line {number}", hint=hint)
        row = rows.get(str(PurePosixPath(image).with_suffix("")))
        if row is None:  # of another part of the official list
            continue
        if known[row].any():
            raise DataError(f"{image} occurs twice", where=f"{path}, line {number}", hint="one line an image")
        known[row, column] = True
        if split.labels[row, column] != 1:
            absent.append(f"{image} with {classes[column]} (line {number})")
    _check(path, split, known, absent)
    return known


def _rows_by_name(ids: Sequence[str]) -> dict[str, int]:
    """Rows by image id, and by what follows the last underscore of it where that tells the images apart."""
    ends = [image.rpartition("_")[2] for image in ids]
    alone = {end for end, count in Counter(ends).items() if count == 1}
    short = {end: row for row, end in enumerate(ends) if end in alone}
    return short | {image: row for row, image in enumerate(ids)}


def _check(path: Path, split: Split, known: Known, absent: Sequence[str]) -> None:
    """A list that fits the data set names every image that has a label, and only present labels."""
    unnamed = np.flatnonzero((split.labels == 1).any(axis=1) & ~known.any(axis=1))
    if len(unnamed):
        what = f"{len(unnamed):,} training images with a label are not in the list, {split.ids[unnamed[0]]} the first"
        raise DataError(what, where=path, hint="is it for another data set?")
    if absent:
        hint = "is the column order another? lists that count difficult objects need --set data.difficult=positive"
        what = f"{len(absent):,} labels of the list are not present in the data set: {absent[0]}"
        raise DataError(what, where=path, hint=hint)
