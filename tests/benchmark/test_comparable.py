"""Which results can be compared: shared blocks, the reason if there is none, and results that only one row has."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from made_up_results import made_up
from pmll_bench.errors import ConfigError, UsageError
from pmll_bench.report.comparing.blocks import find_name, shared_blocks, with_names
from pmll_bench.report.comparing.design import design
from pmll_bench.report.frame import frame
from pmll_bench.store.result import Result


def lines(*results: Result) -> pd.DataFrame:
    return with_names(frame(results))


def both(**of_the_second: Any) -> pd.DataFrame:
    """Two rows; `of_the_second` distinguishes the second."""
    return lines(made_up("bce", 0.5), made_up("sst", 0.6, **of_the_second))


def test_rows_of_one_data_set_and_protocol_share_a_block() -> None:
    (block,), others = shared_blocks(both(), ["bce", "sst"])
    assert not others
    assert list(block["name"]) == ["bce", "sst"]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"track": "paper"}, "the track (smoke, paper)"),
        ({"recipe": {"resolution": 96}}, "the resolution (64, 96)"),
        ({"mask": "hcp"}, "the mask rule (counter/1, hcp)"),
        ({"noise": 0.2}, "the noise (0%, 20%)"),
        ({"regime": "semi"}, "the regime (partial, semi)"),
        ({"dataset": "voc2007"}, "the data set (shapes, voc2007)"),
        ({"options": {"subset": 60}}, "the options of the data set (none, subset=60)"),
        ({"ap": [0.5, None]}, "the labels scored (2 labels, 1 label)"),
        ({"track": "paper", "noise": 0.2}, "the noise (0%, 20%); the track (smoke, paper)"),
    ],
)
def test_rows_without_a_common_block_are_refused_with_what_differs(other: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError) as error:
        shared_blocks(both(**other), ["bce", "sst"])
    assert error.value.what == f"bce and sst cannot be compared: they differ in {named}"


def test_other_images_are_told_by_the_beginning_of_the_fingerprints() -> None:
    found = both()
    found.loc[found["name"] == "sst", "fingerprint"] = "ab" * 32
    with pytest.raises(ConfigError, match=r"differ in the fingerprint of the data set \([0-9a-f]{8}, abababab\)"):
        shared_blocks(found, ["bce", "sst"])


def test_the_most_similar_results_explain_why_there_is_no_common_block() -> None:
    found = lines(
        made_up("bce", 0.5, dataset="voc2007", track="paper"),
        made_up("bce", 0.5),
        made_up("sst", 0.6, track="paper"),
    )
    with pytest.raises(ConfigError, match=r"bce and sst cannot be compared: they differ in the track"):
        shared_blocks(found, ["bce", "sst"])


def test_a_row_is_found_by_its_name_or_by_its_method() -> None:
    found = lines(made_up("ours", 0.5, method="sst"), made_up("bce", 0.4))
    assert find_name("ours", found) == find_name("sst", found) == "ours"
    with pytest.raises(UsageError, match="no results of 'bec'") as error:
        find_name("bec", found)
    assert "bce" in str(error.value.hint)


def test_a_method_with_several_rows_is_ambiguous() -> None:
    found = lines(made_up("long", 0.5, method="sst"), made_up("short", 0.4, method="sst"))
    with pytest.raises(UsageError, match="'sst' has 2 rows") as error:
        find_name("sst", found)
    assert error.value.hint == "choose one of long, short"


def test_the_rows_of_a_selection_rule_have_its_name_and_oracles_are_left_out() -> None:
    found = lines(made_up("bce", 0.5, selection="best-val"), made_up("sst", 0.5, selection="best-test", oracle=0.7))
    assert sorted(found["name"]) == ["bce [best-val]", "sst"]
    assert find_name("bce", found) == "bce [best-val]"


def repeated(label: str, **of_cell: Any) -> Result:
    return made_up(label, 0.5, method=label, **of_cell)


def test_the_repetitions_are_the_masks_that_both_rows_have() -> None:
    results = lines(
        *(repeated("bce", ratio=ratio, seed=seed) for ratio in (0.1, 0.5) for seed in (0, 1, 2)),
        *(repeated("sst", ratio=ratio, seed=seed) for ratio in (0.1, 0.5) for seed in (0, 1)),
        repeated("sst", ratio=0.9),
    )
    found = design(results, ["bce", "sst"])
    assert found.unit == "mask"
    assert found.ratios == (0.1, 0.5)
    assert found.common == (0, 1)
    assert found.left_out == ("bce at 10% (mask 2), 50% (mask 2)", "sst at 90% (mask 0)")
    assert len(found.ids) == 8


def test_the_mean_over_ratios_is_over_masks_that_every_ratio_has() -> None:
    grid = [(0.1, 0), (0.1, 1), (0.1, 2), (0.9, 0)]
    found = design(
        lines(*(repeated(label, ratio=ratio, seed=seed) for label in ("bce", "sst") for ratio, seed in grid)),
        ["bce", "sst"],
    )
    assert list(found.cells[0.1]) == [0, 1, 2]
    assert found.common == (0,)


def test_with_one_mask_the_repetitions_are_the_seeds_and_a_deterministic_row_stands_for_each() -> None:
    found = design(
        lines(
            *(repeated("bce", seed=seed, mask_seed=0) for seed in (0, 1, 2)),
            repeated("probe", seed=0, mask_seed=0, deterministic=True),
        ),
        ["bce", "probe"],
    )
    assert found.unit == "seed"
    assert found.common == (0, 1, 2)
    assert len({runs["probe"] for runs in found.cells[0.1].values()}) == 1
    assert found.left_out == ()


def test_seeds_on_one_of_several_masks_belong_together() -> None:
    found = design(
        lines(
            *(
                repeated(label, seed=seed, mask_seed=mask)
                for label in ("bce", "sst")
                for mask in (0, 1)
                for seed in (0, 1)
            )
        ),
        ["bce", "sst"],
    )
    assert found.unit == "mask"
    assert [len(runs["bce"]) for runs in found.cells[0.1].values()] == [2, 2]
