"""Boxes of objects: those of scenes enclose what is drawn, those of VOC are the annotation's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pmll_datasets import dataset, shapes
from pmll_datasets.boxes import boxes, has_boxes
from pmll_datasets.errors import DataError
from pmll_datasets.voc import object_boxes

OBJECT = (
    "<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>"
    "<ymax>{}</ymax></bndbox></object>"
)


def annotation(folder: Path, *objects: str, width: int = 100) -> Path:
    path = folder / "000001.xml"
    size = f"<size><width>{width}</width><height>50</height></size>"
    path.write_text(f"<annotation>{size}{''.join(objects)}</annotation>")
    return path


def test_every_present_label_of_a_scene_has_a_box_and_no_other() -> None:
    data = dataset.load("shapes", None, {})
    assert has_boxes(data)
    for position in range(40):
        found = {box.label for box in boxes(data, data.test, position)}
        assert found == {data.classes[column] for column in np.flatnonzero(data.test.labels[position] == 1)}


def test_a_box_of_a_scene_encloses_the_visible_pixels_of_its_object() -> None:
    data = dataset.load("shapes", None, {})
    scene = shapes.scene(shapes.VERSION, 0, "test", 3)
    for box in boxes(data, data.test, 3):
        left, top, right, bottom = (round(64 * side) for side in box[1:])
        (number,) = [
            number
            for number, shape in enumerate(scene.shapes, 1)
            if shapes.SHAPES[shape] == box.label and (scene.objects == number).any(axis=0).nonzero()[0][0] == left
        ]
        own = scene.objects == number
        assert own.sum() == own[top:bottom, left:right].sum() > 0
        assert own[top].any()
        assert own[bottom - 1].any()
        assert own[:, right - 1].any()


def test_boxes_of_voc_are_shares_of_the_image_and_count_pixels_from_one(tmp_path: Path) -> None:
    path = annotation(tmp_path, OBJECT.format("cat", 0, 1, 1, 50, 50), OBJECT.format("dog", 1, 1, 1, 9, 9))
    assert object_boxes(path) == [("cat", (0.0, 0.0, 0.5, 1.0))]


def test_a_box_without_numbers_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="invalid box of an object"):
        object_boxes(annotation(tmp_path, OBJECT.format("cat", 0, "left", 1, 50, 50)))
    with pytest.raises(DataError, match="invalid box of an object"):
        object_boxes(annotation(tmp_path, OBJECT.format("cat", 0, 1, 1, 50, 50), width=0))
