"""VOC 2012: train and val of the official lists, and the published treatments of difficult objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from layouts import voc_objects, write_voc
from pmll_datasets.dataset import DataError, Dataset, load


def test_the_complete_data_set_has_the_official_counts(voc2012: Dataset) -> None:
    assert (len(voc2012.train), len(voc2012.test)) == (5717, 5823)
    assert [(split.labels == 1).sum() for split in (voc2012.train, voc2012.test)] == [8331, 8351]
    assert voc2012.train.ids[0] == "2008_000008"


@pytest.mark.parametrize(("choice", "label"), [("ignored", 0), ("positive", 1), ("negative", -1)])
def test_labels_of_difficult_objects_follow_the_option(
    complete_voc2012: Path, shared: Path, choice: str, label: int
) -> None:
    data = load("voc2012", complete_voc2012, {"difficult": choice})
    with np.load(shared / "data/labels/voc2012.npz", allow_pickle=False) as file:
        labels, parts = file["labels"], file["split"]
    for split, part, count in ((data.train, "train", 532), (data.test, "val", 505)):
        only_difficult = labels[parts == part] == 0
        assert only_difficult.sum() == count
        assert (split.labels[only_difficult] == label).all()
        np.testing.assert_array_equal(split.labels[~only_difficult], labels[parts == part][~only_difficult])


def test_the_test_labels_of_the_single_positive_literature_count_difficult_objects(
    complete_voc2012: Path, shared: Path
) -> None:
    data = load("voc2012", complete_voc2012, {"difficult": "positive"})
    with np.load(shared / "data/labels/single_positive/splc_setup-voc2012.npz", allow_pickle=False) as file:
        published = np.unpackbits(file["val_labels_packed"], axis=1)[:, :20] == 1
        rows = [data.test.ids.index(name) for name in file["val_name"].tolist()]
    np.testing.assert_array_equal(data.test.labels[rows] == 1, published)


def test_a_partial_copy_uses_the_images_that_are_present(shared: Path) -> None:
    data = load("voc2012-subset", shared / "data")
    assert (len(data.train), len(data.test)) == (189, 194)
    assert [(split.labels == 1).sum() for split in (data.train, data.test)] == [481, 475]
    assert data.train.official is None
    assert data.train.images.read(0).ndim == 3


def test_a_partial_copy_is_refused_under_the_complete_name(tmp_path: Path) -> None:
    objects = {"2008_000002": voc_objects("tvmonitor"), "2008_000003": voc_objects("train")}
    write_voc(tmp_path, {"train": ["2008_000002"], "val": ["2008_000003"]}, objects, year=2012)
    with pytest.raises(DataError, match="5,717 train images, this copy lists 1") as caught:
        load("voc2012", tmp_path)
    assert "voc2012-subset" in str(caught.value.hint)
    assert len(load("voc2012-subset", tmp_path).test) == 1


def test_a_copy_of_another_year_is_refused(tmp_path: Path) -> None:
    write_voc(tmp_path, {"trainval": ["000005"], "test": ["000007"]}, {"000005": voc_objects("car"), "000007": ""})
    with pytest.raises(DataError, match="folder VOCdevkit/VOC2012/ImageSets/Main not found"):
        load("voc2012", tmp_path)


def test_the_published_single_labels_need_difficult_objects_as_present(complete_voc2012: Path, shared: Path) -> None:
    with np.load(shared / "data/labels/single_positive/splc_setup-voc2012.npz", allow_pickle=False) as file:
        names, columns = file["train_name"].tolist(), file["train_label"]
    absent = {}
    for choice in ("negative", "positive"):
        train = load("voc2012", complete_voc2012, {"difficult": choice}).train
        rows = [train.ids.index(name) for name in names]
        absent[choice] = int((train.labels[rows, columns] < 0).sum())
    assert absent == {"negative": 204, "positive": 0}
