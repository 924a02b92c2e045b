"""Attention maps: where they lie relative to the boxes of objects, through any view, and the figure of them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from command_line import SMALL, Command
from drawn_figures import check_text, drawn_figures, texts
from pmll_bench.models.attention import box_mask, on_mask
from pmll_bench.report.plots.attention import Localised, Look, Looks, attention_plot, tinted
from pmll_datasets.boxes import Box

MAP = np.array([[0.1, 0.2], [0.3, 0.4]])


def mask(rows: slice, columns: slice, side: int = 4) -> np.ndarray:
    drawn = np.zeros((side, side), bool)
    drawn[rows, columns] = True
    return drawn


def test_the_share_inside_is_that_of_the_covered_part_of_each_position() -> None:
    left_half = mask(slice(None), slice(0, 2))
    inside, hit = on_mask(MAP, left_half)
    assert inside == pytest.approx(0.1 + 0.3)
    assert not hit
    corner = mask(slice(3, 4), slice(2, 4))  # half of the lower right position, without its centre line
    assert on_mask(MAP, corner)[0] == pytest.approx(0.2)


def test_the_maximum_is_inside_where_the_centre_of_its_position_is() -> None:
    assert on_mask(MAP, mask(slice(2, 4), slice(2, 4)))[1]
    assert not on_mask(MAP, mask(slice(0, 2), slice(2, 4)))[1]


def test_boxes_are_squashed_as_their_image_is() -> None:
    seen = box_mask([Box("cat", 0.0, 0.5, 0.5, 1.0)], (50, 200), "squash", 8)
    np.testing.assert_array_equal(seen, mask(slice(4, 8), slice(0, 4), side=8))


def test_boxes_are_cropped_as_their_image_is() -> None:
    """The centre crop of an image twice as wide as high keeps its middle half."""
    outside, inside = Box("cat", 0.0, 0.0, 0.25, 1.0), Box("cat", 0.25, 0.0, 0.5, 1.0)
    assert not box_mask([outside], (64, 128), "centre", 8).any()
    np.testing.assert_array_equal(box_mask([inside], (64, 128), "centre", 8), mask(slice(0, 8), slice(0, 4), side=8))


def test_an_image_is_dark_red_where_the_attention_is_and_light_grey_elsewhere() -> None:
    shown = tinted(np.full((8, 8, 3), 200, np.uint8), np.array([[0.0, 0.0], [0.0, 1.0]])).astype(int)
    red, green, blue = shown[-1, -1]
    assert red > 2 * green
    assert red > 2 * blue
    assert np.ptp(shown[0, 0]) <= 1  # grey, to within rounding
    assert shown[0, 0].mean() > 1.5 * shown[-1, -1].mean()


def look(label: str, probability: float, *, present: bool) -> Look:
    boxes = ((1.0, 1.0, 4.0, 4.0),) if present else ()
    inside, area = (0.6, 0.25) if present else (np.nan, np.nan)
    return Look(label, probability, present, MAP, boxes, inside, area, hit=present)


def looks(models: int, labels: int = 3) -> list[Looks]:
    pixels = np.zeros((8, 8, 3), np.uint8)
    own = tuple(look(f"a label {place}", 0.9 - 0.1 * place, present=place == 0) for place in range(labels))
    return [Looks(f"shapes-test-{n:04d}", pixels, {f"m{model}": own for model in range(models)}) for n in range(4)]


@pytest.mark.parametrize("models", [1, 2])
def test_the_figure_names_labels_probabilities_and_numbers(models: int) -> None:
    found = {f"m{model}": Localised(0.6, 0.25, 0.8, 1200) for model in range(models)}
    with drawn_figures() as figures:
        content = attention_plot(looks(models), found)["csv"].decode()
    check_text(figures[0])
    shown = texts(figures[0])
    assert {"a label 0 90 %", "(a label 1 80 %)"} <= set(shown)
    assert any("60.0 % of the attention" in text and "25.0 % of" in text for text in [" ".join(shown)])
    rows = list(csv.DictReader(content.splitlines()))
    assert len(rows) == 4 * models * 3
    assert (rows[0]["attention in the boxes"], rows[0]["boxes"], rows[0]["maximum in a box"]) == ("0.6", "0.25", "1")
    assert (rows[1]["present"], rows[1]["boxes"]) == ("0", "")


def test_the_command_draws_kept_models_and_says_how_much_of_the_attention_is_on_objects(command: Command) -> None:
    quick = [*SMALL, "--ratios", "0.5", "--set", "recipe.epochs=1", "--keep-model"]
    assert command("run", "--methods", "dualcoop", "bce", *quick).code == 0
    (cell,) = (path.parent.name for path in Path("runs").glob("cells/shapes/dualcoop/*/result.json"))
    answer = command("plot", "attention", cell, "--number", "2", "--top", "2")
    assert answer.code == 0
    assert "dualcoop: " in answer.err
    assert "% of the attention lies on the objects of a present label" in answer.err
    with Path("plots/attention-dualcoop-shapes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2
    assert all(0 <= float(row["P(present)"]) <= 1 for row in rows)
    (other,) = (path.parent.name for path in Path("runs").glob("cells/shapes/bce/*/result.json"))
    refused = command("plot", "attention", other)
    assert refused.code == 3
    assert "bce has no attention maps" in refused.err
    unknown = command("plot", "attention", cell, "--images", "nothing")
    assert unknown.code == 2
    assert "no test image 'nothing' in shapes" in unknown.err
