"""Assigns the images of a user's file to training and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from pmll_errors import counted

from ..counter import image_words, uniform
from ..errors import DataError, unknown
from ..registry import Value
from .listing import Listing

Part: TypeAlias = Literal["train", "val", "test"]
SPLITS: Mapping[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
RULE = "test/1"
VAL_USES = {"held-out": "held out", "train": "for training", "test": "for testing"}


def drawn(ids: Sequence[str], share: float) -> list[bool]:
    """Whether the rule `test/1` draws each image for testing: an image is drawn iff u < share.

    u = (mix(hash("test/1") XOR hash(id)) >> 11) 2^-53, see `counter`. It depends only on the id of the image, not on
    the order or on other images. A larger share draws a superset of the images.
    """
    found: list[bool] = (uniform(image_words(RULE, ids)) < share).tolist()
    return found


def assign(listed: Listing, options: Mapping[str, Value]) -> tuple[list[Part | None], str]:
    """The part of each row, None if it is held out, and a note on the parts.

    Raises:
        DataError: an unknown split, no training or test images, or a draw for a file that already has test images.
    """
    parts: list[Part | None] = [_part(listed, number) for number in range(len(listed.rows))]
    held, share, written = str(options["val"]), float(options["test"]), Counter(parts)
    parts = [(None if held == "held-out" else _val_part(held)) if part == "val" else part for part in parts]
    notes = [f"val: {written['val']:,} {VAL_USES[held]}"] if written["val"] else []
    if share:
        if "test" in parts:
            hint = "omit data.test: it draws test images for files without any"
            raise DataError("the file already has test images", where=listed.file, hint=hint)
        draw = drawn([row.id for row in listed.rows], share)
        parts = ["test" if part and chosen else part for part, chosen in zip(parts, draw, strict=True)]
        notes.append(f"test images drawn by the rule {RULE} at {share:g}")
    for part in ("train", "test"):
        if part not in parts:
            raise DataError(
                f"no {part} images; {_counts(listed, written)}", where=listed.file, hint=_hint(part, written)
            )
    return parts, "; ".join([f"{parts.count('train'):,} train, {parts.count('test'):,} test", *notes])


def _part(listed: Listing, number: int) -> Part:
    row = listed.rows[number]
    if row.split is None:
        return "train"
    if row.split.lower() not in SPLITS:
        raise unknown("split", row.split, ("train", "val", "test"), where=f"{listed.file}, {row.place}")
    return SPLITS[row.split.lower()]


def _val_part(held: str) -> Part:
    return "train" if held == "train" else "test"


def _counts(listed: Listing, written: Mapping[Part | None, int]) -> str:
    if not listed.rows or listed.rows[0].split is None:
        return f"the file lists {counted(len(listed.rows), 'image')} without splits"
    return "the file has " + ", ".join(f"{count:,} of the split {part}" for part, count in written.items())


def _hint(part: str, written: Mapping[Part | None, int]) -> str:
    if part == "test" and not written["test"]:
        use = "score on val: --set data.val=test; or " if written["val"] else ""
        draw = "draw test images, for example 20 %: --set data.test=0.2"
        return f"{use}{draw}; or add a column 'split' with train and test"
    return "both splits need at least one image; try another share of data.test"
