"""Tables: the golden aggregation, comparable rows, marks, captions and notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden import cases, load
from made_up_results import RATIOS, grid, made_up, table_of
from pmll_bench.errors import ConfigError
from pmll_bench.report.frame import frame
from pmll_bench.report.tables.aggregate import Means, Value, aggregate
from pmll_bench.report.tables.table import Block
from pmll_bench.store.result import Result

FIELDS = ("mean", "sd", "n", "text", "eligible")


def golden_rows(arrays: dict[str, np.ndarray], options: dict[str, Any], dataset: str) -> tuple[Means, ...]:
    columns = (arrays[f"in.{name}"].tolist() for name in ("method", "ratio", "seed", "value", "dataset"))
    values = [Value(*fields) for *fields, of in zip(*columns, strict=True) if of == dataset]
    names = {"rows": options["methods"], "columns": options["ratios"]}
    return aggregate(values, **names, decimals=options["decimals"], min_seeds=options["min_seeds"])


def agrees(actual: Any, expected: np.ndarray, meta: dict[str, Any]) -> None:
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(actual, expected, rtol=meta["rtol"], atol=meta["atol"])
    else:
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("path", cases("aggregate_table"))
def test_golden_aggregate_table(path: Path) -> None:
    arrays, meta = load(path)
    for d, dataset in enumerate(meta["options"]["datasets"]):
        rows = golden_rows(arrays, meta["options"], dataset)
        for name in FIELDS:
            got = [[getattr(cell, name) for cell in row.cells] for row in rows]
            agrees(got, arrays[f"out.{name}"][:, d], meta)
        for mark in ("best", "second"):
            agrees([[cell.mark == mark for cell in row.cells] for row in rows], arrays[f"out.{mark}"][:, d], meta)
            agrees([row.average.mark == mark for row in rows], arrays[f"out.avg_{mark}"][:, d], meta)
        agrees([row.average.mean for row in rows], arrays["out.avg"][:, d], meta)
        agrees([row.average.sd for row in rows], arrays["out.avg_sd"][:, d], meta)
        agrees([row.average.text for row in rows], arrays["out.avg_text"][:, d], meta)
        agrees([sum(cell.n > 0 for cell in row.cells) for row in rows], arrays["out.n_ratios"][:, d], meta)
        agrees([not row.average.eligible for row in rows], arrays["out.incomplete"][:, d], meta)


def test_two_values_of_one_seed_are_refused() -> None:
    twice = [Value("sst", 0.1, 0, 70.0), Value("sst", 0.1, 0, 71.0)]
    with pytest.raises(ValueError, match=r"two values for 'sst' at 0\.1, seed 0"):
        aggregate(twice, rows=["sst"], columns=[0.1], decimals=1)


def only_block(results: Sequence[Result], labels: str = "all", **layout: Any) -> Block:
    (block,) = table_of(results, labels, **layout).blocks
    return block


def shown(block: Block, column: int = 0) -> dict[str, str]:
    return {row.name: row.numbers[column].text for row in block.rows}


def marks(block: Block, column: int = 0) -> dict[str, str]:
    return {row.name: row.numbers[column].mark for row in block.rows}


def test_a_table_has_one_row_per_method_one_column_per_ratio_and_the_average_in_percent() -> None:
    block = only_block([*grid("sst", 0.70), *grid("bce", 0.60)], order=["sst", "bce"])
    assert block.headers == (*(f"{number}%" for number in range(10, 100, 10)), "Avg.")
    assert shown(block) == {"sst": "71.5 ± 0.5", "bce": "61.5 ± 0.5"}
    assert shown(block, -1) == {"sst": "75.5 ± 0.5", "bce": "65.5 ± 0.5"}
    assert marks(block) == marks(block, -1) == {"sst": "best", "bce": "second"}


def test_the_caption_describes_the_numbers() -> None:
    block = only_block(grid("sst", 0.7, options={"subset": 1200}, track="paper"))
    assert block.title == "shapes, partial labels"
    assert block.caption == (
        "mAP (%) on shapes (1,200 training and 800 test images, 2 classes, subset=1200). Labels: all 2."
        " Regime: partial, mask counter/1. Track: paper, tested at 64 px, view squash. Selection: last."
        " Mean ± sd (ddof 1) over 3 masks, one seed each."
    )
    assert block.notes == ()


@pytest.mark.parametrize(
    ("dataset", "known", "title", "expected"),
    [
        ("shapes", None, "shapes, full labels", "full, mask none."),
        ("toys", 2400, "toys, full labels", "full, mask none."),
        ("toys", 900, "toys, known labels", "full (the data set knows 37.5% of its training labels), mask none."),
        ("toys", 2399, "toys, known labels", "full (the data set knows 99.9% of its training labels), mask none."),
        ("toys", None, "toys, known labels", "full (share of labels known in the data set not recorded), mask none."),
    ],
)
def test_labels_are_called_full_only_where_the_data_set_knows_all_of_them(
    dataset: str, known: int | None, title: str, expected: str
) -> None:
    block = only_block(grid("sst", 0.7, ratios=[1.0], dataset=dataset, known=known, regime="full", mask="none"))
    assert block.title == title
    assert f" Regime: {expected}" in block.caption
    assert ("full labels" in block.title + block.caption) == (title == f"{dataset}, full labels")


def test_a_ratio_of_labels_that_are_not_all_known_says_so() -> None:
    block = only_block(grid("sst", 0.7, dataset="toys", known=900))
    assert "Regime: partial (the data set knows 37.5% of its training labels), mask counter/1." in block.caption
    semi = only_block(grid("cap", 0.7, dataset="toys", known=900, regime="semi")).caption
    assert "(share of images whose labels are not hidden; the data set knows 37.5% of its training labels)" in semi


def test_methods_that_resize_differently_share_a_table_that_names_the_views() -> None:
    block = only_block([*grid("sst", 0.7), *grid("gcn-ml", 0.6, recipe={"test_view": "bilinear"})])
    assert "tested at 64 px, views bilinear, squash." in block.caption
    assert {row.label: row.view for row in block.rows} == {"gcn-ml": "bilinear", "sst": "squash"}


def test_one_seed_has_no_spread_and_the_caption_says_so() -> None:
    block = only_block(grid("sst", 0.7, seeds=1))
    assert shown(block) == {"sst": "71.0"}
    assert block.caption.endswith("One mask and one seed (no ±).")
    assert only_block(grid("sst", 0.7, seeds=1, regime="full", mask="none")).caption.endswith("One seed (no ±).")


def crossed(
    label: str, level: float, *, masks: Sequence[int] = (0, 1), seeds: Sequence[int] = (0, 1, 2), **more: Any
) -> list[Result]:
    """Results on several masks, a point apart, with several seeds on each, two points apart."""
    return [
        made_up(label, level + 0.01 * mask + 0.02 * seed, mask_seed=mask, seed=seed, **more)
        for mask in masks
        for seed in seeds
    ]


def test_seeds_on_one_mask_are_averaged_before_the_spread_over_masks() -> None:
    block = only_block(crossed("sst", 0.7))
    assert shown(block) == {"sst": "72.5 ± 0.7"}  # 72.0 and 73.0, not 70, 72, 74, 71, 73, 75
    assert block.rows[0].means.cells[0].n == 2
    expected = "Mean over 2 masks × 3 seeds; ± is the sd (ddof 1) over masks of the mean over seeds."
    assert block.caption.endswith(expected)


def test_the_spread_over_seeds_of_a_single_mask_is_shown_and_the_caption_counts_both() -> None:
    block = only_block(crossed("sst", 0.7, masks=[4]))
    assert shown(block) == {"sst": "76.0 ± 2.0"}
    assert block.caption.endswith("Mean ± sd (ddof 1) over 3 seeds on one mask.")
    full = only_block(crossed("sst", 0.7, masks=[0], regime="full", mask="none", ratio=1.0))
    assert full.caption.endswith("Mean ± sd (ddof 1) over 3 seeds.")


def test_a_deterministic_method_is_ranked_with_one_run_per_mask() -> None:
    probe = crossed("linear-probe", 0.8, seeds=[0], deterministic=True)
    block = only_block([*crossed("sst", 0.7), *probe])
    assert shown(block) == {"linear-probe": "80.5 ± 0.7", "sst": "72.5 ± 0.7"}
    assert marks(block) == {"linear-probe": "best", "sst": "second"}
    assert block.caption.endswith(
        "Mean over 2 masks × 3 seeds; ± is the sd (ddof 1) over masks of the mean over seeds."
    )
    assert block.notes == ("Deterministic, so trained once per mask: linear-probe.",)
    unknown = [*crossed("sst", 0.7), *crossed("bce", 0.6), *crossed("linear-probe", 0.8, seeds=[0])]
    assert marks(only_block(unknown)) == {"bce": "second", "linear-probe": "", "sst": "best"}  # one may be luck


def test_a_number_over_fewer_seeds_on_its_masks_is_not_ranked() -> None:
    block = only_block([*crossed("sst", 0.7), *crossed("bce", 0.6), *crossed("lucky", 0.9, seeds=[0])])
    assert marks(block) == {"bce": "second", "lucky": "", "sst": "best"}
    assert "Numbers over fewer than 2 masks × 3 seeds are not ranked." in block.notes
    assert "Mean over 2 masks × 1 to 3 seeds;" in block.caption


def test_a_metric_that_a_method_cannot_have_is_explained() -> None:
    without = [result.model_copy(update={"metrics": {"map": 0.8}}) for result in grid("clip-zeroshot", 0.8)]
    block = only_block([*grid("sst", 0.7), *without], metric="OF1")
    assert shown(block)["clip-zeroshot"] == "—"
    expected = "the scores are not logits of P(present), so a threshold has no meaning"
    assert block.notes == (f"— clip-zeroshot: no OF1; {expected}.",)
    with pytest.raises(ConfigError, match="these results have no OF1") as caught:
        table_of(without, metric="OF1")
    assert caught.value.hint == f"{expected}: try map"


def test_different_machines_and_versions_are_named_in_a_note() -> None:
    here, there = {"cpu": "EPYC", "torch": "2.13", "numpy": "2"}, {"cpu": "Xeon", "torch": "2.13", "numpy": None}
    block = only_block([*grid("sst", 0.7, environment=here), *grid("bce", 0.6, environment=there)])
    assert block.notes == (
        "Made on different machines or versions, which may affect the numbers: cpu EPYC (sst) and Xeon (bce).",
    )
    assert only_block([*grid("sst", 0.7, environment=here), *grid("bce", 0.6, environment=here)]).notes == ()
    gpu, cpu = {"device": "cuda:1", "gpu": "H200"}, {"device": "cpu"}
    (note,) = only_block([*grid("sst", 0.7, environment=gpu), *grid("bce", 0.6, environment=cpu)]).notes
    assert note.endswith(": gpu H200 (sst) and none (bce).")


def test_any_set_of_ratios_makes_the_columns_and_a_single_one_needs_no_average() -> None:
    assert only_block(grid("sst", 0.7, ratios=[0.1, 0.5, 1.0])).headers == ("10%", "50%", "100%", "Avg.")
    assert only_block(grid("sst", 0.7, ratios=[0.125])).headers == ("12.5%",)
    assert only_block(grid("sst", 0.7, ratios=[1.0], regime="full", mask="none")).headers == ("mAP",)


def test_a_missing_cell_shows_a_dash_and_its_row_has_no_average() -> None:
    block = only_block([*grid("sst", 0.7), *grid("bce", 0.8, ratios=RATIOS[:-1])])
    assert shown(block, -2) == {"sst": "79.5 ± 0.5", "bce": "—"}
    assert shown(block, -1) == {"sst": "75.5 ± 0.5", "bce": "—"}
    assert marks(block, -1) == {"sst": "best", "bce": ""}
    assert "— no result." in block.notes


def test_a_number_over_fewer_seeds_than_most_is_shown_and_not_ranked() -> None:
    block = only_block([*grid("sst", 0.7), *grid("bce", 0.6), *grid("lucky", 0.9, seeds=1)])
    assert shown(block)["lucky"] == "91.0"
    assert marks(block) == {"bce": "second", "lucky": "", "sst": "best"}
    assert "Numbers over fewer than 3 masks are not ranked." in block.notes
    assert "over 1 to 3 masks, one seed each" in block.caption
    assert marks(only_block([*grid("sst", 0.7), *grid("lucky", 0.9, seeds=1)], min_seeds=1))["lucky"] == "best"


def test_an_oracle_is_named_and_never_ranked() -> None:
    block = only_block([*grid("sst", 0.7, oracle=0.95), *grid("bce", 0.6)])
    assert shown(block)["sst [best-test, oracle]"].startswith("95.0")
    assert marks(block) == {"bce": "second", "sst": "best", "sst [best-test, oracle]": ""}
    assert any("never ranked" in note for note in block.notes)


def test_a_run_with_best_test_has_a_row_of_its_last_epoch_and_one_of_its_oracle() -> None:
    block = only_block([*grid("sst", 0.7, oracle=0.95, selection="best-test"), *grid("bce", 0.6)])
    assert shown(block)["sst"].startswith("71.5")
    assert marks(block) == {"bce": "second", "sst": "best", "sst [best-test, oracle]": ""}


def test_a_cell_selected_on_the_test_labels_is_an_oracle_too() -> None:
    assert marks(only_block(grid("sst", 0.7, selection="best-test"))) == {"sst [best-test, oracle]": ""}


def test_another_selection_rule_is_named_in_its_row() -> None:
    block = only_block([*grid("sst", 0.7), *grid("sst", 0.71, selection="best-val")])
    assert list(shown(block)) == ["sst", "sst [best-val]"]
    assert "Selection: last, unless a row names another." in block.caption


def test_methods_with_inferred_parts_are_marked() -> None:
    block = only_block([*grid("kggr", 0.7), *grid("mine", 0.6, method="bce")], inferred=["kggr"])
    assert list(shown(block)) == ["kggr †", "mine"]
    assert any(note.startswith("† Parts of the method are inferred") for note in block.notes)


@pytest.mark.parametrize(
    ("other", "told_apart"),
    [
        ({"dataset": "voc2007"}, "voc2007, partial labels"),
        ({"options": {"difficult": "ignored"}}, "shapes, partial labels, difficult=ignored"),
        ({"regime": "semi"}, "shapes, semi labels"),
        ({"mask": "hcp"}, "shapes, partial labels, mask hcp"),
        ({"noise": 0.1}, "shapes, partial labels, label noise 10%"),
        ({"track": "controlled"}, "shapes, partial labels, track controlled"),
        ({"recipe": {"resolution": 224}}, "shapes, partial labels, 224 px"),
        ({"recipe": {"rates": (0.1, 0.2)}}, "shapes, partial labels, the best of 2 learning rates"),
        ({"ap": [0.7, None]}, "shapes, partial labels, labels scored: 1"),
    ],
    ids=["data set", "options", "regime", "mask", "noise", "track", "resolution", "rates", "labels"],
)
def test_rows_that_may_not_be_compared_never_share_a_block(other: dict[str, Any], told_apart: str) -> None:
    blocks = table_of([*grid("sst", 0.7), *grid("bce", 0.6, **other)]).blocks
    assert [len(block.rows) for block in blocks] == [1, 1]
    assert told_apart in [block.title for block in blocks]


def test_a_caption_describes_the_known_labels() -> None:
    assert "Regime: partial, mask counter/1." in only_block(grid("sst", 0.7)).caption
    semi = only_block(grid("cap", 0.7, regime="semi", mask="cap-semi/1", ratios=[0.05, 0.1]))
    assert "Regime: semi (share of fully labelled images), mask cap-semi/1." in semi.caption
    assert semi.headers == ("5%", "10%", "Avg.")
    noisy = only_block(grid("sst", 0.7, noise=0.2))
    assert "mask counter/1, 20% of the known labels flipped." in noisy.caption


def test_a_table_of_single_positive_labels_has_no_ratio() -> None:
    block = only_block(grid("an", 0.7, ratios=[1.0], regime="single-positive"))
    assert block.headers == ("mAP",)
    assert block.title == "shapes, single-positive labels"


def test_a_data_set_with_unverified_counts_is_marked() -> None:
    assert "2 classes, counts unverified)" in only_block(grid("sst", 0.7, dataset="nuswide")).caption
    assert "unverified" not in only_block(grid("sst", 0.7)).caption


def test_two_cells_that_claim_one_number_are_both_named() -> None:
    one = made_up("sst", 0.7)
    other = made_up("sst", 0.8, settings={"margin": 0.1})
    with pytest.raises(ConfigError, match="one label for different settings, recipes or revisions: sst") as caught:
        frame([one, other])
    assert caught.value.where == f"cells {one.cell_id} and {other.cell_id}"
    with pytest.raises(ConfigError, match=r"two results for sst on shapes at ratio 0\.1, seed 0"):
        frame([one, one])


def test_a_variant_with_its_own_label_gets_its_own_row() -> None:
    results = [*grid("sst", 0.7), *grid("sst-wide", 0.8, method="sst", settings={"margin": 0.1})]
    assert list(shown(only_block(results))) == ["sst", "sst-wide"]


def test_a_row_whose_settings_differ_between_ratios_says_so() -> None:
    results = [made_up("sst", 0.7, ratio=0.1), made_up("sst", 0.8, ratio=0.2, recipe={"epochs": 9})]
    assert "sst: settings or recipe differ between ratios." in only_block(results).notes


def test_the_usable_labels_exclude_rare_ones_and_the_caption_counts_them() -> None:
    result = made_up("sst", 0.5, ap=[0.9, 0.7, 0.1, None], train_positives=[5, 60, 4, 50])
    block = only_block([result], labels="usable")
    assert shown(block) == {"sst": "80.0"}
    assert "Labels: usable, 2 of 4 (at least 5 training positives and 1 test positive)." in block.caption
    assert "Labels: all 4, 3 of them with test positives." in only_block([result]).caption


def test_other_metrics_are_available_unless_labels_are_filtered() -> None:
    results = grid("sst", 0.7)
    assert shown(only_block(results, metric="OF1", decimals=2)) == {"sst": "35.75 ± 0.25"}
    assert only_block(results, metric="OF1").caption.startswith("OF1 (%) on shapes")
    with pytest.raises(ConfigError, match="these results have no OF1"):
        table_of(results, labels="usable", metric="OF1")
    with pytest.raises(ConfigError, match="unknown metric 'OFF1'") as caught:
        table_of(results, metric="OFF1")
    assert caught.value.hint == "did you mean 'OF1'?"
    with pytest.raises(ConfigError, match="unknown label filter 'useable'"):
        frame(results, "useable")


def test_a_row_whose_recipe_comes_from_another_data_set_is_marked_and_the_mark_explained() -> None:
    block = only_block([made_up("kggr", 0.4, stated=False), made_up("mine", 0.5)], inferred=["kggr"])
    assert list(shown(block)) == ["kggr †‡", "mine"]
    assert any(
        note.startswith("‡ No source states this recipe: it comes from another data set") for note in block.notes
    )


def test_blocks_on_other_images_are_told_apart_by_eight_digits_of_their_fingerprint() -> None:
    def on(fingerprint: str) -> list[Result]:
        found = grid("sst", 0.7)
        return [each.model_copy(update={"cell": replace(each.cell, fingerprint=fingerprint)}) for each in found]

    titles = [block.title for block in table_of([*on("0123456789ab"), *on("fedcba987654")]).blocks]
    assert titles == [f"shapes, partial labels, data {digits}" for digits in ("01234567", "fedcba98")]


def test_blocks_without_options_say_so_beside_those_with_options() -> None:
    blocks = table_of([*grid("sst", 0.7), *grid("sst", 0.7, options={"subset": 1200})]).blocks
    assert {block.title for block in blocks} == {f"shapes, partial labels, {o}" for o in ("no options", "subset=1200")}


def test_ratios_are_plotted_to_a_hundredth_of_a_percent() -> None:
    assert only_block(grid("sst", 0.7, ratios=[0.0725, 0.07, 0.1234])).percents == (7.0, 7.25, 12.34)
