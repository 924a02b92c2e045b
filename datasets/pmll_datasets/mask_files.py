"""Masks as files: published single-positive lists (.txt), and masks of any rule for storing and sharing (.npz).

A .txt file has one line `image.jpg,label` per image: the one known present label, as the number of its column (from 0)
or as a class name. An image is identified by its id or by the part of the id after the last underscore: for example,
`000000000009.jpg` is the image COCO_train2014_000000000009.

A .npz file contains `format` ("pmll.mask/1"), `regime`, `ids`, `classes` and, per ratio, `known_RATIO`: one bit per
entry [images, classes], packed by row. Images and classes may be in any order and may include others than those of the
data set.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from pmll_errors import DAMAGED_ARCHIVE, counted

from .dataset import Known, Split
from .errors import DataError
from .files import read_bytes, read_text

FORMAT = "pmll.mask/1"
SUFFIXES = (".txt", ".npz")


def is_file(rule: str) -> bool:
    """Whether a mask is given as a file."""
    return rule.endswith(SUFFIXES)


def digest(path: Path) -> str:
    """The first 16 hex digits of the file's sha256, which identify it in a cell's identity."""
    return hashlib.sha256(read_bytes(path)).hexdigest()[:16]


def read(path: Path, split: Split, classes: Sequence[str], ratio: float, regime: str) -> Known:
    """The known entries of a training split under a mask file.

    Raises:
        DataError: a damaged file, one for another regime or ratio, or one that lacks images or classes of the split.
    """
    if path.suffix == ".npz":
        return _read_mask(path, split, classes, ratio, regime)
    if regime != "single-positive":
        hint = f"use --regime single-positive, or a mask file of the regime {regime} (.npz)"
        raise DataError(f"a list with one label per image is for single-positive, not {regime}", where=path, hint=hint)
    return _read_list(path, split, classes)


def pack(regime: str, ids: Sequence[str], classes: Sequence[str], masks: Mapping[float, Known]) -> bytes:
    """The bytes of an .npz file of masks by ratio; equal masks give equal bytes."""
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
        file_regime, ids, names = str(arrays["regime"]), arrays["ids"].tolist(), arrays["classes"].tolist()
    except (*DAMAGED_ARCHIVE, ValueError, OSError) as error:
        hint = "write one with 'pmll-bench data mask', or copy it again"
        raise DataError(f"not a mask file, or a damaged one: {error}", where=path, hint=hint) from error
    if file_regime != regime:
        what = f"the mask is for the regime {file_regime}, not {regime}"
        raise DataError(what, where=path, hint=f"use --regime {file_regime}")
    packed = arrays.get(f"known_{ratio:g}")
    if packed is None:
        ratios = sorted(name.removeprefix("known_") for name in arrays if name.startswith("known_"))
        raise DataError(f"no mask at ratio {ratio:g}", where=path, hint=f"available: {', '.join(ratios)}")
    rows = _positions(path, "image", split.ids, ids)
    columns = _positions(path, "class", classes, names)
    known: Known = np.unpackbits(packed, axis=1, count=len(names)).astype(bool)[np.ix_(rows, columns)]
    return known


def _positions(path: Path, what: str, wanted: Sequence[str], names: Sequence[str]) -> list[int]:
    """The positions of the wanted names among the names of the file."""
    positions = {name: position for position, name in enumerate(names)}
    missing = [name for name in wanted if name not in positions]
    if missing:
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        raise DataError(f"the mask lacks the {what} {missing[0]}{more}", where=path, hint="is it for another data set?")
    return [positions[name] for name in wanted]


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
            hint = f"write image.jpg,label, with a label from 0 to {len(classes) - 1} or a class name"
            raise DataError(f"no valid label in {line!r}", where=f"{path}, line {number}", hint=hint)
        row = rows.get(str(PurePosixPath(image).with_suffix("")))
        if row is None:  # an image of another part of the official list
            continue
        if known[row].any():
            raise DataError(f"{image} occurs twice", where=f"{path}, line {number}", hint="write one line per image")
        known[row, column] = True
        if split.labels[row, column] != 1:
            absent.append(f"{image} with {classes[column]} (line {number})")
    _refuse_mismatch(path, split, known, absent)
    return known


def _rows_by_name(ids: Sequence[str]) -> dict[str, int]:
    """Rows by image id, and by the part after its last underscore if this part is unique."""
    ends = [image.rpartition("_")[2] for image in ids]
    alone = {end for end, count in Counter(ends).items() if count == 1}
    short = {end: row for row, end in enumerate(ends) if end in alone}
    return short | {image: row for row, image in enumerate(ids)}


def _refuse_mismatch(path: Path, split: Split, known: Known, absent: Sequence[str]) -> None:
    """Refuse a list that lacks an image with a label, or that contains labels that are not present."""
    unnamed = np.flatnonzero((split.labels == 1).any(axis=1) & ~known.any(axis=1))
    if len(unnamed):
        images = counted(len(unnamed), "training image")
        what = f"{images} with a label missing from the list, such as {split.ids[unnamed[0]]}"
        raise DataError(what, where=path, hint="is it for another data set?")
    if absent:
        hint = "is the column order different? lists with difficult objects need --set data.difficult=positive"
        what = f"{counted(len(absent), 'label')} of the list not present in the data set, such as {absent[0]}"
        raise DataError(what, where=path, hint=hint)
