"""Data sets and images in a program's own hands: arrays, lists of arrays, or lists of files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Int, UInt8

from pmll_errors import counted

from .dataset import Dataset, ImageArray, Images, Labels, Split
from .decode import decode
from .errors import DataError
from .registry import ALIASES, DATASETS
from .user_files.splits import drawn

ImageFiles: TypeAlias = Sequence[str | os.PathLike[str]]
OwnImages: TypeAlias = UInt8[np.ndarray, "n h w 3"] | Sequence[ImageArray] | ImageFiles
"""Images as one array, as arrays that may differ in size, or as paths of image files."""

ENCODING = "1 is present, -1 absent and 0 unknown; for a matrix of 0 and 1: np.where(matrix > 0, 1, -1)"
PIXELS = "give uint8 RGB with values from 0 to 255; for floats from 0 to 1: (images * 255).round().astype(np.uint8)"


def own_images(
    images: OwnImages, ids: Sequence[str] | None = None, *, prefix: str = "image", folder: Path | None = None
) -> Images:
    """Images of a program. Files are decoded when they are read, upright as their EXIF orientation says.

    Args:
        images: one uint8 array [n, h, w, 3], uint8 arrays [h, w, 3], or paths of files; the last two may be mixed.
        ids: one name per image; the default is `PREFIX-0`, `PREFIX-1` … for arrays, and for files the path below
            `folder`, without the extension.
        prefix: the beginning of default names.
        folder: the folder that contains the files; the default is their common folder.

    Raises:
        DataError: another shape or type, a file that does not exist, or a wrong number of names.
    """
    if isinstance(images, np.ndarray) and images.ndim != 4:
        raise DataError(f"an array of images has shape {images.shape}, expected (n, h, w, 3)", hint=PIXELS)
    found = [_checked(each, f"{prefix} {number}") for number, each in enumerate(images)]
    names = _names(found, prefix, folder or _common_folder(found)) if ids is None else tuple(map(str, ids))
    if len(names) != len(found):
        raise DataError(f"{counted(len(names), 'id')} for {counted(len(found), 'image')}")
    return Images.decoded(names, lambda i, library: _pixels(found[i], library))


def own_dataset(
    images: OwnImages,
    labels: Int[np.ndarray, "n c"],
    classes: Sequence[str],
    *,
    test_images: OwnImages | None = None,
    test_labels: Int[np.ndarray, "m c"] | None = None,
    test: float = 0.0,
    prompt_names: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    test_ids: Sequence[str] | None = None,
    name: str = "own",
) -> Dataset:
    """A data set of a program's own images and labels. Test images are given, or drawn from the images by `test`.

    Args:
        images: the training images, see `own_images`.
        labels: integers [images, classes]: 1 present, -1 absent, 0 unknown in training and ignored in scores.
        classes: class names; with the names of the images, they determine the masks.
        test_images: the test images.
        test_labels: their labels, encoded as `labels`.
        test: share of `images` that is drawn for testing by the rule `test/1` of `user_files.splits`.
        prompt_names: class names in natural language; the default is `classes` with spaces for underscores.
        ids: names of the images, see `own_images`.
        test_ids: names of the test images.
        name: the name of the data set, not that of a built-in one.

    Raises:
        DataError: labels of another shape or encoding, no test images, or repeated names of images.
    """
    if name in DATASETS or name in ALIASES:
        raise DataError(f"{name!r} is the name of a built-in data set", hint="choose another name")
    folder = _common_folder([*images, *([] if test_images is None else test_images)])
    train = Split(own_images(images, ids, prefix="train", folder=folder), _labels(labels, "labels"))
    if test_images is not None and test_labels is not None and not test:
        found = own_images(test_images, test_ids, prefix="test", folder=folder)
        tested = Split(found, _labels(test_labels, "test_labels"))
    elif test and test_images is None and test_labels is None:
        train, tested = _drawn(train, test)
    else:
        hint = "give test_images and test_labels, or a share of the images as test=0.2"
        raise DataError("test images are missing or given in two ways", hint=hint)
    if not (tested.labels == -1).any():
        raise DataError("no label of the test images is absent", hint=ENCODING)
    spoken = prompt_names or [" ".join(each.replace("_", " ").split()) for each in classes]
    return Dataset(name, tuple(classes), tuple(spoken), train, tested)


def _drawn(split: Split, share: float) -> tuple[Split, Split]:
    """The images for training and for testing."""
    if not 0 < share < 1:
        raise DataError(f"invalid share of test images {share:g} (expected a number between 0 and 1)")
    chosen = np.array(drawn(split.ids, share))
    return split.take(np.flatnonzero(~chosen)), split.take(np.flatnonzero(chosen))


def _labels(labels: np.ndarray, where: str) -> Labels:
    """Labels as int8. Values other than 1, -1 and 0 are refused by `Split`."""
    given = np.asarray(labels)
    if given.dtype.kind not in "iu":
        raise DataError(f"labels of type {given.dtype}", where=where, hint=f"give integers: {ENCODING}")
    if ((given < -1) | (given > 1)).any():
        raise DataError("labels have other values than 1, -1 and 0", where=where, hint=ENCODING)
    return given.astype(np.int8)


def _checked(image: ImageArray | str | os.PathLike[str], where: str) -> ImageArray | Path:
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise DataError(f"an image of shape {image.shape} and type {image.dtype}", where=where, hint=PIXELS)
        return image
    if not isinstance(image, str | os.PathLike):
        raise DataError(f"an image of type {type(image).__name__}", where=where, hint="give arrays or paths of files")
    path = Path(image).expanduser()
    if not path.is_file():
        raise DataError("no such image file", where=path)
    return path


def _pixels(image: ImageArray | Path, library: str) -> ImageArray:
    return image if isinstance(image, np.ndarray) else decode(image, upright=True, library=library)


def _names(images: Sequence[ImageArray | Path], prefix: str, folder: Path) -> tuple[str, ...]:
    return tuple(
        each.absolute().relative_to(folder).with_suffix("").as_posix()
        if isinstance(each, Path)
        else f"{prefix}-{number}"
        for number, each in enumerate(images)
    )


def _common_folder(images: Sequence[ImageArray | str | os.PathLike[str]]) -> Path:
    """The folder that contains all files among the images."""
    paths = [Path(each).expanduser().absolute().parent for each in images if not isinstance(each, np.ndarray)]
    return Path(os.path.commonpath(paths)) if paths else Path()
