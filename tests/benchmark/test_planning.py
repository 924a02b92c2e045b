"""Plans on real layouts: the default options of the data sets of a cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from layouts import write_coco
from pmll_bench.cli.describe import describe
from pmll_bench.cli.description import as_text
from pmll_bench.errors import ConfigError
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request

CATEGORIES = {1: "person", 18: "dog"}


@pytest.fixture
def coco(tmp_path: Path) -> str:
    """Two training images, one of them without labels, and a test image."""
    write_coco(tmp_path, "train2014", [30, 20], [(30, 1)], CATEGORIES)
    write_coco(tmp_path, "val2014", [42], [(42, 18)], CATEGORIES)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("changes", "labelless", "images"),
    [
        ({"ratios": (1.0,)}, "keep", 2),
        ({"regime": "single-positive"}, "drop", 1),
        ({"regime": "semi", "ratios": (1.0,)}, "drop", 1),
        ({"regime": "single-positive", "track": "controlled"}, "keep", 2),
        ({"regime": "single-positive", "sets": ("data.labelless=keep",)}, "keep", 2),
    ],
    ids=["partial", "single-positive", "semi", "another track", "as told"],
)
def test_on_the_paper_track_images_without_labels_are_treated_as_in_the_papers_of_the_regime(
    changes: dict[str, Any], labelless: str, images: int, coco: str
) -> None:
    given = {"methods": ("bce", "an", "cap"), "datasets": ("coco-subset",), "data_root": coco, **changes}
    planned = plan(Request(**given))
    assert {cell.cell.options["labelless"] for cell in planned.cells} == {labelless}
    assert {facts.train for facts in planned.data} == {images}


@pytest.mark.parametrize(("dataset", "regime"), [("voc", "partial"), ("coco2014", "full")])
def test_a_method_is_described_on_a_data_set_value_by_value_with_sources(dataset: str, regime: str) -> None:
    described = describe("bce", (dataset,), regime)
    (found,) = described["resolved"]
    assert (found["regime"], found["track"]) == (regime, "paper")
    values = {each["name"]: each["value"] for each in found["recipe"]}
    assert (values["epochs"], values["lr"]) == (20, 1e-5)
    text = as_text(described)
    assert f"on {found['dataset']}, regime {regime}, track paper" in text
    assert "tower" in text
    assert "HCP-MLR-PL, all scripts" in text


@pytest.mark.parametrize(
    ("datasets", "regime", "track", "what"),
    [
        (("vocc",), "partial", "paper", "unknown data set 'vocc'"),
        (("voc",), "single-positive", "paper", "unknown regime 'single-positive'"),
        (("voc",), "partial", "papr", "unknown track 'papr'"),
    ],
)
def test_what_a_method_has_not_is_named_when_its_recipe_is_asked_for(
    datasets: tuple[str, ...], regime: str, track: str, what: str
) -> None:
    with pytest.raises(ConfigError, match=what):
        describe("bce", datasets, regime, track)


@pytest.mark.parametrize(
    ("name", "changes", "difficult"),
    [
        ("voc2012-subset", {"regime": "single-positive"}, "positive"),
        ("voc2012-subset", {"regime": "single-positive", "sets": ("data.difficult=negative",)}, "negative"),
        ("voc2012-subset", {"regime": "semi", "ratios": (0.2,)}, "negative"),
        ("voc2007-subset", {"regime": "single-positive"}, "negative"),
    ],
)
def test_difficult_objects_of_voc_2012_are_present_where_single_labels_are_published(
    name: str, changes: dict[str, Any], difficult: str, shared: Path
) -> None:
    given = {"methods": ("an", "cap"), "datasets": (name,), "data_root": str(shared / "data"), **changes}
    planned = plan(Request(**given))
    assert {cell.cell.options["difficult"] for cell in planned.cells} == {difficult}


def test_a_deterministic_method_is_so_only_with_views_that_never_change() -> None:
    axes: dict[str, Any] = {
        "methods": ("linear-probe",),
        "ratios": (0.5,),
        "seeds": (0, 1),
        "subset": 60,
    }
    seeds = {
        view: [
            item.cell.seed
            for item in plan(
                Request(**axes, mask_seeds=(0,), sets=(f"recipe.views={view}", "recipe.cache=false"))
            ).cells
        ]
        for view in ("squash", "hcp")
    }
    assert seeds == {"squash": [0], "hcp": [0, 1]}
