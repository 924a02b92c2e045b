"""Published numbers beside ours: which row they stand below, the difference, and what makes it grey.

The published numbers are those of the papers' tables, written out by hand.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from command_line import Command
from made_up_results import RATIOS, keep, made_up, table_of
from pmll_bench.report.formats.registry import FORMATS
from pmll_bench.report.frame import frame
from pmll_bench.report.papers.against import against_papers
from pmll_bench.report.papers.departures import Made, made, tower
from pmll_bench.report.tables.row import Beside
from pmll_bench.report.tables.table import Table
from pmll_bench.store.result import Result
from pmll_methods import registry
from pmll_methods.settings import as_plain, resolve

AS_THE_PAPER = Made("RN101", ())
SCPNET_ON_VOC = (91.1, 92.8, 93.5, 93.6, 93.8, 94.0, 94.1, 94.2, 94.3)  # SCPNet's Table 2


def ours(method: str, *values: float, ratios: Sequence[float] = RATIOS, **more: Any) -> list[Result]:
    """One result per ratio on VOC 2007, at the resolution of most papers."""
    given = {"dataset": "voc2007", "track": "paper", "recipe": {"resolution": 448}, **more}
    label = given.pop("label", method)
    values = values * len(ratios) if len(values) == 1 else values
    return [
        made_up(label, value / 100, ratio=ratio, method=method, **given)
        for ratio, value in zip(ratios, values, strict=True)
    ]


def beside(results: Sequence[Result], how: Made = AS_THE_PAPER, **layout: Any) -> tuple[Beside, ...]:
    (block,) = against(results, how, **layout).blocks
    return block.beside


def against(results: Sequence[Result], how: Made = AS_THE_PAPER, **layout: Any) -> Table:
    return against_papers(table_of(results, **layout), frame(results), lambda line: how)


def texts(row: Beside) -> list[str]:
    return [cell if isinstance(cell, str) else cell.text for cell in row.cells]


def test_the_difference_is_ours_minus_the_papers() -> None:
    """DualCoOp on VOC 2007, as SCPNet's Table 2 quotes it: 90.3 at 10 %, 94.2 at 90 %, 93.2 on average."""
    published, difference = beside(ours("dualcoop", 91.0, oracle=0.925))
    assert published.name == "SCPNet 2023, Table 2, quoted by others"
    assert texts(published) == ["90.3", "92.2", "92.8", "93.3", "93.6", "93.9", "94.0", "94.1", "94.2", "93.2"]
    assert texts(difference) == ["+2.2", "+0.3", "-0.3", "-0.8", "-1.1", "-1.4", "-1.5", "-1.6", "-1.7", "-0.7"]
    assert (published.tags, published.grey, difference.grey) == ("", False, False)


def test_a_paper_that_chose_on_the_test_set_stands_below_the_oracle() -> None:
    rows = beside(ours("dualcoop", 91.0, oracle=0.925))
    assert {row.below for row in rows} == {("dualcoop", "best-test")}


def test_without_an_oracle_it_stands_in_grey_below_the_last_epoch() -> None:
    published, difference = beside(ours("dualcoop", 91.0))
    assert published.below == difference.below == ("dualcoop", "last")
    assert published.grey
    assert difference.grey
    assert published.tags == "selection best-test, ours last"


def test_a_paper_that_states_no_selection_stands_below_the_last_epoch_in_grey() -> None:
    published, _ = beside(ours("sarl", 92.0, oracle=0.93))
    assert published.name == "SARL 2024, Table 2"
    assert published.below == ("sarl", "last")
    assert published.tags == "selection not stated"
    assert texts(published)[0] == "88.5 ± 0.2"


def test_authors_come_first_and_others_are_listed_without_a_difference() -> None:
    """SARL quotes SST, and so does SCPNet; SST's own paper is not in the list."""
    rows = beside(ours("sst", 90.0, oracle=0.91))
    assert [(row.kind, row.name) for row in rows] == [
        ("published", "SARL 2024, Table 2, quoted by others"),
        ("difference", "difference"),
        ("published", "SCPNet 2023, Table 2, quoted by others"),
    ]
    on_coco = beside(ours("ssgrl", 83.0, ratios=(1.0,), regime="full", dataset="coco2014", oracle=0.84))
    named = [(row.name, row.below[1] if row.below else "") for row in on_coco if row.kind == "published"]
    assert named == [
        ("ADD-GCN 2020, README, quoted by others", "last"),
        ("SSGRL 2019, README, released page", "best-test"),
    ]


@pytest.mark.parametrize(
    ("changes", "how", "tag"),
    [
        ({"recipe": {"resolution": 224}}, AS_THE_PAPER, "448 px, ours 224 px"),
        ({}, Made("RN50", ()), "RN101, ours RN50"),
        ({}, Made("", ()), "RN101, ours without tower"),
        ({}, Made("RN101", ("our recipe.batch 16 for 32",)), "our recipe.batch 16 for 32"),
        ({"options": {"subset": 500}}, AS_THE_PAPER, "all images, ours a subset"),
        ({"noise": 0.1}, AS_THE_PAPER, "no label noise, ours has"),
    ],
)
def test_every_tag_that_differs_is_named_and_makes_the_difference_grey(
    changes: dict[str, Any], how: Made, tag: str
) -> None:
    published, difference = beside(ours("dualcoop", 91.0, oracle=0.925, **changes), how)
    assert published.tags == tag
    assert difference.grey


def test_the_envelope_ap_of_released_code_compares_with_the_envelope_only() -> None:
    """HCP-MLR-PL computes its mAP from the envelope of precision and recall."""
    results = ours("sst", 90.0, oracle=0.91, metrics={"map_hcp": 0.92})
    assert beside(results)[0].tags == "envelope AP, as map_hcp"
    rows = beside(results, metric="map_hcp")
    assert rows[0].tags == ""
    quoted = beside(ours("dualcoop", 91.0, metrics={"map_hcp": 0.92}), metric="map_hcp")[0]
    assert quoted.tags == "selection best-test, ours last, not known to be the envelope AP"


def test_a_setup_of_which_our_results_know_nothing_is_a_tag() -> None:
    results = ours("scpnet", 75.0, ratios=(1.0,), dataset="coco2014", regime="single-positive", oracle=0.78)
    rows = beside(results, Made("RN50", ()))
    tags = {row.below: row.tags for row in rows if row.kind == "published" and row.name.startswith("SCPNet 2023")}
    assert tags[("scpnet", "last")] == "selection best-val, ours last, resolution not stated, LargeLoss setup"
    assert tags[("scpnet", "best-test")] == "resolution not stated, SPLC setup"


def test_a_mean_compares_only_with_the_mean_over_the_same_ratios() -> None:
    """CoOp has five ratios in SARL's Table 4; its mean there is 89.9."""
    five = ours("coop", 90.0, ratios=(0.1, 0.3, 0.5, 0.7, 0.9))
    assert texts(beside(five)[0]) == ["85.7", "88.9", "91.3", "91.9", "92.0", "89.9"]
    two = ours("coop", 90.0, ratios=(0.1, 0.3))
    assert texts(beside(two)[0]) == ["85.7", "88.9", ""]
    assert texts(beside(two)[1]) == ["+4.3", "+1.1", ""]


def test_a_missing_number_of_ours_has_no_difference() -> None:
    results = [*ours("scpnet", *SCPNET_ON_VOC), *ours("sarl", 92.0, ratios=(0.1,))]
    (block,) = against(results).blocks
    rows = {row.below: texts(row) for row in block.beside if row.kind == "difference"}
    assert rows["scpnet", "last"] == ["+0.0"] * 10
    assert rows["sarl", "last"] == ["+3.5", *[""] * 9]


def test_no_negative_zero() -> None:
    _, difference = beside(ours("dualcoop", 90.26, ratios=(0.1,)))
    assert texts(difference) == ["+0.0"]


def test_what_no_paper_reports_is_said() -> None:
    results = [*ours("dualcoop", 91.0), *ours("linear-probe", 80.0)]
    assert "No published number for linear-probe." in against(results).blocks[0].notes
    subset = against(ours("dualcoop", 91.0, dataset="voc2007-subset")).blocks[0]
    assert subset.beside == ()
    assert "No published number compares: voc2007-subset is a part of voc2007." in subset.notes
    shapes = against(ours("dualcoop", 50.0, dataset="shapes")).blocks[0]
    assert "No published number for these methods on shapes, partial labels, map." in shapes.notes


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_shows_the_published_number_and_the_difference(name: str) -> None:
    shown = FORMATS[name](against(ours("sarl", 88.0)))
    assert "SARL 2024, Table 2" in shown
    assert "88.5" in shown
    assert "selection not stated" in shown
    assert ("$-$0.5" if name == "latex" else "-0.5") in shown


def paper_result(method: str, changes: Mapping[str, Any] | None = None) -> Result:
    """A result as the track `paper` makes it, but for `changes` of its settings; recipe fields start with `recipe.`."""
    kind = registry.find(method)
    found = resolve(kind.card, kind.settings_class(), "paper", {}, {}, dataset="voc2007", regime="partial")
    all_changes = (changes or {}).items()
    recipe = {name.removeprefix("recipe."): value for name, value in all_changes if name.startswith("recipe.")}
    settings = {name: value for name, value in all_changes if not name.startswith("recipe.")}
    return made_up(
        method,
        0.9,
        dataset="voc2007",
        track="paper",
        settings=as_plain(found.settings) | settings,
        recipe={field.name: getattr(found.recipe, field.name) for field in dataclasses.fields(found.recipe)} | recipe,
    )


def test_departures_from_the_recipe_of_the_paper() -> None:
    assert made(paper_result("dualcoop")) == Made("RN101", ())
    changed = made(paper_result("dualcoop", {"recipe.batch": 8, "n_ctx": 4}))
    assert changed.departures == ("our n_ctx 4 for 16", "our recipe.batch 8 for 32")
    assert made(paper_result("scpnet")).departures == ("recipe not stated by a source",)
    assert made(made_up("dualcoop", 0.5)).departures == ("ours on the track smoke",)


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("RN101:openai", "RN101"),
        ("clip:RN50:openai", "RN50"),
        ("resnet101", "RN101"),
        ("RN101-quickgelu:openai", "RN101"),
        ("timm:vit_base_patch16_224", "vit_base_patch16_224"),
        ("tiny", "tiny"),
    ],
)
def test_towers_are_named_as_in_papers(setting: str, name: str) -> None:
    assert tower({"tower": setting}) == name


def test_the_command(command: Command, tmp_path: Path) -> None:
    keep(tmp_path / "runs", *[paper_result("dualcoop"), paper_result("sarl")])
    lines = command("table", "--against", "paper").out.splitlines()
    shown = [" ".join(line.split()) for line in lines]
    assert "SARL 2024, Table 2 [1] 88.5 ± 0.2" in shown
    assert "[1] selection not stated" in shown
    assert "difference +1.5" in shown
    rows = json.loads(command("table", "--against", "paper", "--json").out)["blocks"][0]["beside"]
    assert [(row["kind"], row["below"]) for row in rows][:2] == [
        ("published", ["sarl", "last"]),
        ("difference", ["sarl", "last"]),
    ]
    refused = command("table", "--against", "paper", "--labels", "usable")
    assert refused.code == 2
    assert "published numbers are over all labels" in refused.err
    assert command("table", "--against", "papers").code == 2
