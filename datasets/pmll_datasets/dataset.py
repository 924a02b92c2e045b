"""`Dataset` and `Split`, the two main classes of this package, and `load`, which returns a data set by name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
from jaxtyping import Bool, Int8, Int64, UInt8

from pmll_errors import counted

from . import index
from .counter import hash64, mix
from .decode import DECODING
from .errors import DataError, unknown
from .registry import ALIASES, DATASETS, FOLDER, Entry, Option, Value, data_folder, find, resolve_options
from .rendering import LIBRARIES, PILLOW

__all__ = [
    "ALIASES",
    "DATASETS",
    "DataError",
    "Dataset",
    "Entry",
    "ImageArray",
    "Images",
    "Known",
    "Labels",
    "OfficialList",
    "Option",
    "Split",
    "Value",
    "find",
    "load",
    "read_only",
    "resolve_options",
    "unknown",
]  # fmt: skip

ImageArray: TypeAlias = UInt8[np.ndarray, "h w 3"]
Labels: TypeAlias = Int8[np.ndarray, "n c"]
Known: TypeAlias = Bool[np.ndarray, "n c"]


Reader: TypeAlias = Callable[[int], ImageArray]


@dataclass(frozen=True)
class Images:
    """Images by position and id; `read(i)` decodes image i to uint8 RGB [h, w, 3].

    `decoders` read the same images by the name of a library; images that are in no files have none.
    """

    ids: tuple[str, ...]
    read: Reader
    decoders: Mapping[str, Reader] = field(default_factory=dict, compare=False)

    @classmethod
    def decoded(cls, ids: Iterable[str], decode: Callable[[int, str], ImageArray]) -> Images:
        """Images that `decode(i, library)` reads from files."""
        readers = {library: partial(_decoded, decode, library) for library in LIBRARIES}
        return cls(tuple(ids), readers[PILLOW], readers)

    def __len__(self) -> int:
        return len(self.ids)

    def decoded_by(self, library: str) -> Images:
        """The same images, decoded by another library if they are in files."""
        return replace(self, read=self.decoders.get(library, self.read))

    def take(self, positions: Sequence[int] | Int64[np.ndarray, " m"]) -> Images:
        """The images at `positions`, in that order."""
        rows = [int(position) for position in positions]
        decoders = {library: partial(_at, rows, read) for library, read in self.decoders.items()}
        return Images(tuple(self.ids[row] for row in rows), partial(_at, rows, self.read), decoders)


def _decoded(decode: Callable[[int, str], ImageArray], library: str, position: int) -> ImageArray:
    return decode(position, library)


def _at(rows: Sequence[int], read: Reader, position: int) -> ImageArray:
    return read(rows[position])


@dataclass(frozen=True, eq=False)
class OfficialList:
    """The complete official training list, on which published masks are drawn.

    `rows` are the positions of a split's images in the list. `labels` are complete; a class of which an image shows
    only difficult objects is absent. `names` are the strings by which released code sorts the images before it draws;
    without names, it keeps the order of the list.
    """

    labels: Labels
    rows: Int64[np.ndarray, " n"]
    names: tuple[str, ...] = ()

    def sorted(self) -> Int64[np.ndarray, " m"]:
        """The positions of the images that have a label, in the order in which released code draws."""
        labelled = np.flatnonzero((self.labels == 1).any(axis=1))
        return np.array(sorted(labelled, key=self.names.__getitem__) if self.names else labelled, np.int64)


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their complete labels: int8 [images, classes], 1 present, -1 absent, 0 unknown or ignored.

    `labels` is stored as a read-only copy. `official` is None if the complete official list is not available. `files`
    are the image files in the order of the images, or empty if the images are generated.

    Raises:
        DataError: `labels` do not match the images, or have values other than 1, -1 and 0.
    """

    images: Images
    labels: Labels
    official: OfficialList | None = None
    files: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", read_only(np.array(self.labels, np.int8, order="C")))
        if self.labels.ndim != 2 or len(self.labels) != len(self.images):
            raise DataError(f"labels of shape {self.labels.shape} do not match {counted(len(self.images), 'image')}")
        if not ((self.labels >= -1) & (self.labels <= 1)).all():
            raise DataError("invalid labels (expected 1, -1 or 0)")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def ids(self) -> tuple[str, ...]:
        return self.images.ids

    def take(self, positions: Int64[np.ndarray, " m"]) -> Split:
        """The images at `positions` with their labels, in that order."""
        official = self.official and replace(self.official, rows=self.official.rows[positions])
        files = tuple(self.files[position] for position in positions) if self.files else ()
        return Split(self.images.take(positions), self.labels[positions], official, files)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images, complete labels and class names, with `train` and `test` splits.

    `classes` are the official class names, `prompt_names` the same classes in natural language ("dining table").
    `version` is the version of the generator if the images are generated. `notes` describe how a user's file was read.
    `user_file` is True for a user's own images; they have no official release, so their content is part of the
    fingerprint.

    Raises:
        DataError: a split is empty, or an image occurs twice.
    """

    name: str
    classes: tuple[str, ...]
    prompt_names: tuple[str, ...]
    train: Split
    test: Split
    options: Mapping[str, Value] = field(default_factory=dict)
    version: str = ""
    notes: tuple[str, ...] = ()
    user_file: bool = False

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for name, split in (("train", self.train), ("test", self.test)):
            if not len(split):
                raise DataError(f"{self.name} has no {name} images")
            if split.labels.shape[1] != len(self.classes) or len(self.prompt_names) != len(self.classes):
                raise DataError(f"{self.name}: {split.labels.shape[1]} labels, but {len(self.classes)} class names")
            for image in split.ids:
                if image in seen:
                    raise DataError(f"{self.name}: image {image!r} is in {seen[image]} and again in {name}")
                seen[image] = name

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything that defines the data set, independent of where its files are stored.

        The hash is computed over UTF-8 JSON with sorted keys and no spaces. Its keys are `classes`, `spoken` (the
        prompt names), `options`, `version` and, under `train` and `test`, `ids` and the SHA-256 (hex) of the bytes of
        `labels` (int8, row by row). For a user's own images, there is also the key `pictures`, a list of `DECODING`
        (the version of the decoding rules) and `contents`.
        """
        splits = {"train": self.train, "test": self.test}
        content = {name: {"ids": s.ids, "labels": _sha256(s.labels.tobytes())} for name, s in splits.items()}
        names = {"classes": self.classes, "spoken": self.prompt_names}
        whole: dict[str, object] = {**content, **names, "options": dict(self.options), "version": self.version}
        if self.user_file:
            whole["pictures"] = [DECODING, self.contents]
        text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return _sha256(text.encode())

    @cached_property
    def comparison(self) -> index.Comparison:
        """The current image files, compared with the index (see `index`).

        A user's own images are read once and again after each change; changes are accepted. For all other data sets,
        the sizes are compared. The content is compared only if its hash is recorded and the modification time differs.
        """
        return index.compare(self.name, self.files, hashed=self.user_file, accept=self.user_file)

    @property
    def files(self) -> dict[str, Path]:
        """The image files of both splits, by image id; empty if the images are generated."""
        splits = [split for split in (self.train, self.test) if split.files]
        return {each: file for split in splits for each, file in zip(split.ids, split.files, strict=True)}

    @cached_property
    def contents(self) -> str:
        """A digest of the image files; empty if there are no files. Results store it to detect later changes.

        It is the SHA-256 (hex) of sorted lines: "id<tab>SHA-256 (hex) of the file" for a user's own images,
        "id<tab>size of the file in bytes" for all others, whose content is not read during planning.
        """
        files = self.comparison.files.items()
        return (
            index.digest((image, file.sha256 if self.user_file else file.size) for image, file in files)
            if files
            else ""
        )

    def subset(self, count: int) -> Dataset:
        """A fixed subset: at most `count` images of each split, in the official order.

        The choice depends only on the data set's name and the image ids (rule `subset/1`). It keeps the images with the
        `count` smallest values of mix(BLAKE2b-64("subset/1:" + name) XOR BLAKE2b-64(id)). A larger subset contains
        every smaller one.

        Raises:
            DataError: `count` is less than 1.
        """
        if count < 1:
            raise DataError(f"invalid subset size {count} (expected a whole number >= 1)")
        options = {**self.options, "subset": count}
        return replace(self, train=self._part(self.train, count), test=self._part(self.test, count), options=options)

    def _part(self, split: Split, count: int) -> Split:
        ranks = mix(hash64([f"subset/1:{self.name}"]) ^ hash64(split.ids))
        return split.take(np.sort(np.argsort(ranks, kind="stable")[:count]))


def load(
    name: str,
    root: str | os.PathLike[str] | None = None,
    options: Mapping[str, Value] | None = None,
    subset: int | None = None,
) -> Dataset:
    """Load a data set by name, complete and checked.

    Args:
        name: a name of `DATASETS` or `ALIASES`, or the path of a user's own file (see `folder`).
        root: the folder of the data set, or a folder that contains it under its name; the default is the environment
            variable PMLL_DATA. Not needed for a user's own file, whose images are in the same folder.
        options: the options that differ from the data set's defaults.
        subset: the maximum number of images per split (see `Dataset.subset`).

    Raises:
        DataError: unknown name or option, or files that are missing, damaged or incomplete.
    """
    chosen = resolve_options(name, options or {})
    module, function = find(name).target.split(":")
    loader = cast(Callable[[Path | None, Mapping[str, Value]], Dataset], getattr(import_module(module), function))
    dataset = replace(loader(data_folder(name, root), chosen), user_file=find(name) is FOLDER)
    return dataset if subset is None else dataset.subset(subset)


def read_only(array: np.ndarray) -> np.ndarray:
    """Make an array read-only, in place, and return it."""
    array.flags.writeable = False
    return array


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
