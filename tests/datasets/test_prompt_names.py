"""The option `names`: class names in natural language, or as released code writes them in prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cub_attributes import ATTRIBUTES
from layouts import voc_objects, write_voc
from pmll_bench.cli.describe import describe
from pmll_bench.cli.description import as_text
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_datasets import cub
from pmll_datasets.dataset import load
from pmll_datasets.nuswide import CLASSES as NUS
from pmll_datasets.registry import DATASETS, paper_options
from pmll_datasets.voc import CLASSES as VOC


@pytest.fixture
def voc(tmp_path: Path) -> str:
    """A partial copy with two training images and a test image."""
    objects = {"000005": voc_objects("tvmonitor"), "000007": voc_objects("car"), "000001": voc_objects("dog")}
    write_voc(tmp_path, {"trainval": ["000005", "000007"], "test": ["000001"]}, objects)
    return str(tmp_path)


def published(shared: Path, labels: str) -> list[str]:
    return (shared / "data" / "labels" / "classnames" / f"{labels}.txt").read_text().splitlines()


def test_released_names_of_voc_are_those_of_the_code(voc: str, shared: Path) -> None:
    data = load("voc2007-subset", voc, {"names": "released"})
    assert data.prompt_names == VOC == tuple(published(shared, "voc2012-scpnet"))
    assert data.prompt_names[10] == "diningtable"


def test_released_names_of_cub_are_those_of_the_code(shared: Path) -> None:
    assert len(ATTRIBUTES) == 312
    assert [cub._released(name) for name in ATTRIBUTES] == published(shared, "cub312-scpnet")


def test_nuswide_has_no_option_names(shared: Path) -> None:
    assert tuple(published(shared, "nuswide-scpnet")) == NUS
    assert "names" not in DATASETS["nuswide"].options


def test_other_names_change_the_fingerprint_and_the_default_is_not_recorded(voc: str) -> None:
    natural, released = (load("voc2007-subset", voc, {"names": names}) for names in ("natural", "released"))
    assert natural.options == {"difficult": "negative"}
    assert released.options == {"difficult": "negative", "names": "released"}
    assert natural.fingerprint != released.fingerprint
    np.testing.assert_array_equal(natural.train.labels, released.train.labels)


@pytest.mark.parametrize("name", ["voc2007", "voc2007-subset", "voc2012", "voc2012-subset", "cub"])
@pytest.mark.parametrize("regime", ["full", "partial", "single-positive", "semi"])
def test_the_paper_track_uses_released_names_in_every_regime(name: str, regime: str) -> None:
    assert paper_options(name, regime)["names"] == "released"


@pytest.mark.parametrize(
    ("track", "sets", "names"),
    [
        ("paper", (), "released"),
        ("controlled", (), None),
        ("paper", ("data.names=natural",), None),
        ("controlled", ("data.names=released",), "released"),
    ],
)
def test_a_track_and_a_setting_choose_the_names(track: str, sets: tuple[str, ...], names: str | None, voc: str) -> None:
    chosen: dict[str, Any] = {"data_root": voc, "track": track, "sets": sets, "regime": "full"}
    request = Request(methods=("bce",), datasets=("voc2007-subset",), **chosen)
    assert {cell.cell.options.get("names") for cell in plan(request).cells} == {names}


def test_show_describes_the_option_names() -> None:
    assert "released on the track paper" in as_text(describe("voc2007"))
