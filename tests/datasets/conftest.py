"""Complete copies of VOC 2007 and COCO 2014, written once per test session from the complete label lists."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from layouts import voc_objects, write_coco, write_voc
from pmll_datasets.dataset import Dataset, load


@pytest.fixture(scope="session")
def complete_voc(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data root with all 9,963 images of VOC 2007, as many objects in each as the official annotations have."""
    with np.load(shared / "data/labels/voc2007.npz", allow_pickle=False) as file:
        ids, test, names = file["ids"].tolist(), file["split"] == "test", file["names"]
        clear, difficult = file["n_objects"], file["n_difficult"]
    objects = {
        each: voc_objects(*np.repeat(names, clear[row]).tolist(), difficult=np.repeat(names, difficult[row]).tolist())
        for row, each in enumerate(ids)
    }
    lists = {
        "trainval": [each for each, other in zip(ids, test, strict=True) if not other],
        "test": [each for each, other in zip(ids, test, strict=True) if other],
    }
    root = tmp_path_factory.mktemp("voc")
    write_voc(root, lists, objects)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def voc2007(complete_voc: Path) -> Dataset:
    """The complete data set with its default options."""
    return load("voc2007", complete_voc)


@pytest.fixture(scope="session")
def complete_coco(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data root with as many images as COCO 2014 has.

    The label-less images are made up (702 and 367, ids from 600,001 on) and stand first, categories in falling
    order: neither rows nor columns may rely on the order of the ids in the file.
    """
    root = tmp_path_factory.mktemp("coco")
    for part, whole in (("train2014", 82_783), ("val2014", 40_504)):
        with np.load(shared / f"data/labels/coco_{part}.npz", allow_pickle=False) as file:
            ids, keys, names = file["ids"], file["category_ids"], file["names"].tolist()
            rows, columns = np.nonzero(np.unpackbits(file["labels_packed"], axis=1)[:, :80])
        images = [*range(600_001, 600_001 + whole - len(ids)), *ids.tolist()]
        pairs = zip(ids[rows].tolist(), keys[columns].tolist(), strict=True)
        categories = dict(zip(keys.tolist()[::-1], names[::-1], strict=True))
        write_coco(root, part, images, pairs, categories)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def complete_voc2012(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data root with all 11,540 images of VOC 2012 train and val, one object a label; difficult where only such."""
    with np.load(shared / "data/labels/voc2012.npz", allow_pickle=False) as file:
        ids, split, names, labels = file["ids"].tolist(), file["split"], file["names"], file["labels"]
    objects = {
        each: voc_objects(*names[row == 1].tolist(), difficult=names[row == 0].tolist())
        for each, row in zip(ids, labels, strict=True)
    }
    lists = {part: [each for each, own in zip(ids, split, strict=True) if own == part] for part in ("train", "val")}
    root = tmp_path_factory.mktemp("voc2012")
    write_voc(root, lists, objects, year=2012)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def voc2012(complete_voc2012: Path) -> Dataset:
    """The complete data set with its default options."""
    return load("voc2012", complete_voc2012)
