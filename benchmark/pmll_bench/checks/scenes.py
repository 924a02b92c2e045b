"""The data sets of the checks: the first scenes of `shapes`, changed in one way, written as a user's own data set."""

from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from pmll_datasets import shapes
from pmll_datasets.dataset import Dataset, Images, Labels, Split
from pmll_datasets.masks import counter, counter_semi

RATIO = 0.5
"""The default ratio of trials; their mask seed is 0."""
COMMON = shapes.CLASSES.index("circle")
"""The class with the most positives."""


def scenes(train: int, test: int) -> Dataset:
    """The first scenes of both splits with their complete labels; no other scene is drawn."""
    return Dataset("labels", shapes.CLASSES, shapes.CLASSES, _split("train", train), _split("test", test))


def _split(name: str, count: int) -> Split:
    ids = tuple(shapes.image_id(name, index) for index in range(count))
    images = Images(ids, lambda i: shapes.scene(shapes.VERSION, 0, name, i).image)
    return Split(images, shapes.labels(name)[:count])


def relabelled(data: Dataset, *, train: Labels | None = None, test: Labels | None = None) -> Dataset:
    """The same images with other labels."""
    return replace(
        data,
        train=data.train if train is None else replace(data.train, labels=train),
        test=data.test if test is None else replace(data.test, labels=test),
    )


def row_unknown(data: Dataset) -> Dataset:
    """All labels of the first training image are unknown."""
    labels = data.train.labels.copy()
    labels[0] = 0
    return relabelled(data, train=labels)


def label_set(data: Dataset, value: int) -> Dataset:
    """The most common label has one value in all training images."""
    labels = data.train.labels.copy()
    labels[:, COMMON] = value
    return relabelled(data, train=labels)


def one_class(data: Dataset) -> Dataset:
    """The most common label alone."""
    train, test = (replace(split, labels=split.labels[:, [COMMON]]) for split in (data.train, data.test))
    return replace(
        data, classes=(data.classes[COMMON],), prompt_names=(data.prompt_names[COMMON],), train=train, test=test
    )


def one_image(data: Dataset) -> Dataset:
    """One training image: the first that has a known positive under the masks of all regimes."""
    train = data.train
    known = counter(train.ids, data.classes, RATIO, 0) & counter_semi(train.ids, RATIO, 0)[:, None]
    return replace(data, train=train.take(np.flatnonzero((known & (train.labels == 1)).any(axis=1))[:1]))


def tested_on(data: Dataset, positions: np.ndarray) -> Dataset:
    """Some of the test images, in the order given."""
    return replace(data, test=data.test.take(positions))


def write(data: Dataset, folder: Path, drawn: Path) -> Path:
    """The data set as `folder/labels.csv` with its images beside it; they are drawn once, in the folder `drawn`."""
    folder.mkdir()
    table = folder / "labels.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["path", "split", *data.classes])
        for name, split in (("train", data.train), ("test", data.test)):
            for position, (image, labels) in enumerate(zip(split.ids, split.labels.tolist(), strict=True)):
                path = drawn / f"{image}.png"
                if not path.exists():
                    Image.fromarray(split.images.read(position)).save(path)
                os.link(path, folder / path.name)
                lines.writerow([path.name, name, *(label or "" for label in labels)])
    return table
