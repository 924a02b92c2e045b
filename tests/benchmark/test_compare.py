"""`compare`: differences with their intervals, what they are paired by, what is adjusted, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pmll_bench.errors import ConfigError, StoreError, UsageError
from pmll_bench.plan.planned import Planned
from pmll_bench.report.comparing.compare import compare
from pmll_bench.report.comparing.measured import Sampling
from pmll_bench.report.comparing.records import BlockComparison, Comparison, Pair
from pmll_bench.report.comparing.sentences import points, verdict
from pmll_bench.report.comparing.sheets import holds_text
from pmll_bench.statistics.resampling import image_weights
from pmll_bench.store.store import Store
from pmll_datasets.dataset import Dataset
from scored_results import Scores, finish, noisy, shapes

FEW = Sampling(resamples=200)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "runs")


def fill(
    store: Store, label: str, quality: float, masks: Sequence[int] = (0, 1, 2), ratios: Sequence[float] = (0.1, 0.5)
) -> None:
    """The results of one row; the noise of its scores is its own at each mask and ratio."""
    for mask in masks:
        for ratio in ratios:
            finish(store, label, scores_of(label, quality, mask, ratio), ratio=ratio, mask_seed=mask, seed=mask)


def scores_of(label: str, quality: float, mask: int, ratio: float) -> Scores:
    return noisy(quality, seed=crc32(f"{label} {mask} {ratio}".encode()))


def one_pair(found: Comparison) -> tuple[Pair, BlockComparison]:
    (block,) = found.blocks
    (pair,) = block.pairs
    return pair, block


def mean_ap(scores: Scores, images: np.ndarray | None = None) -> float:
    """The mAP of scikit-learn on the test images, or on some of them, which may occur several times."""
    of = np.arange(len(scores)) if images is None else images
    labels = shapes().test.labels[of] == 1
    present = [c for c in range(labels.shape[1]) if labels[:, c].any()]
    return float(np.mean([average_precision_score(labels[:, c], scores[of, c]) for c in present]))


def test_the_difference_is_that_of_the_maps_averaged_over_masks_and_ratios(store: Store) -> None:
    fill(store, "good", 0.9)
    fill(store, "bad", 0.5)
    pair, _ = one_pair(compare(store, ("good", "bad"), sampling=FEW))
    maps = {
        (label, ratio): np.mean([mean_ap(scores_of(label, quality, mask, ratio)) for mask in (0, 1, 2)])
        for label, quality in (("good", 0.9), ("bad", 0.5))
        for ratio in (0.1, 0.5)
    }
    by_ratio = [maps["good", ratio] - maps["bad", ratio] for ratio in (0.1, 0.5)]
    assert [delta.estimate for delta in pair.ratios] == pytest.approx(by_ratio)
    assert pair.mean.estimate == pytest.approx(np.mean(by_ratio))
    assert pair.mean.first == pytest.approx(np.mean([maps["good", 0.1], maps["good", 0.5]]))
    assert pair.mean.low < pair.mean.estimate < pair.mean.high
    assert pair.mean.estimate > 0.1
    assert pair.mean.better == 1.0


def test_swapping_the_rows_flips_every_sign(store: Store) -> None:
    fill(store, "good", 0.6)
    fill(store, "bad", 0.5)
    one, _ = one_pair(compare(store, ("good", "bad"), sampling=FEW))
    other, _ = one_pair(compare(store, ("bad", "good"), sampling=FEW))
    for this, that in zip(one.deltas, other.deltas, strict=True):
        assert (this.estimate, this.low, this.high) == pytest.approx((-that.estimate, -that.high, -that.low))
        assert this.better == pytest.approx(1 - that.better)
        assert this.p == pytest.approx(that.p)
    assert [delta.ratio for delta in one.deltas] == [0.1, 0.5, None]


def test_with_one_mask_the_interval_is_that_of_the_images_and_says_so(store: Store) -> None:
    fill(store, "good", 0.6, masks=[0], ratios=[0.1])
    fill(store, "bad", 0.5, masks=[0], ratios=[0.1])
    pair, block = one_pair(compare(store, ("good", "bad"), sampling=Sampling(resamples=40, seed=7)))
    good, bad = scores_of("good", 0.6, 0, 0.1), scores_of("bad", 0.5, 0, 0.1)
    draws = [np.repeat(np.arange(60), counts) for counts in image_weights(60, 40, 7)]
    sd = np.std([mean_ap(good, images) - mean_ap(bad, images) for images in draws], ddof=1)
    assert pair.mean.noise == pytest.approx(1.959964 * sd, rel=1e-5)
    assert pair.mean.holds == "images only"
    assert holds_text(pair.mean, block, 40).startswith("other test images only")
    assert "1 mask cannot show what another mask changes" in holds_text(pair.mean, block, 40)
    assert pair.mean.shares == {"images": 1.0, "masks": None, "seeds": None}


def test_masks_that_disagree_widen_the_interval(store: Store) -> None:
    for mask, quality in enumerate((0.3, 0.6, 0.9)):
        for label, gain in (("even", 0.0), ("uneven", quality)):
            finish(store, label, noisy(0.5 + gain, seed=3), mask_seed=mask, seed=mask)
    pair, block = one_pair(compare(store, ("uneven", "even"), sampling=FEW))
    by_mask = [mean_ap(noisy(0.5 + gain, seed=3)) - mean_ap(noisy(0.5, seed=3)) for gain in (0.3, 0.6, 0.9)]
    assert pair.mean.noise > 2.9 * np.std(by_mask, ddof=1) / np.sqrt(3)  # images add to the masks
    assert pair.mean.holds == "masks and images"
    images, masks = (pair.mean.shares[name] or 0 for name in ("images", "masks"))
    assert masks > images > 0
    assert pair.mean.shares["seeds"] is None
    assert holds_text(pair.mean, block, 200).startswith("other masks, with their training seeds, and other test")


@pytest.mark.parametrize("masks", [[0], [0, 1, 2]])
def test_nine_equal_ratios_do_not_narrow_the_interval(store: Store, masks: list[int]) -> None:
    for label, quality in (("good", 0.7), ("bad", 0.5)):
        for mask in masks:
            scores = scores_of(label, quality, mask, 0.1)
            for ratio in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
                finish(store, label, scores, ratio=ratio, mask_seed=mask, seed=mask)
    pair, _ = one_pair(compare(store, ("good", "bad"), sampling=FEW))
    single, nine = pair.ratios[0], pair.mean
    assert (nine.low, nine.high) == pytest.approx((single.low, single.high))
    assert nine.p == pytest.approx(single.p)


def test_seeds_are_the_repetitions_on_one_mask_and_a_deterministic_row_needs_one(store: Store) -> None:
    for seed in (0, 1, 2):
        finish(store, "trained", noisy(0.6, seed=seed), seed=seed)
    finish(store, "closed-form", noisy(0.5, seed=9), deterministic=True)
    pair, block = one_pair(compare(store, ("trained", "closed-form"), sampling=FEW))
    by_seed = [mean_ap(noisy(0.6, seed=seed)) - mean_ap(noisy(0.5, seed=9)) for seed in (0, 1, 2)]
    assert block.unit == "seed"
    assert pair.mean.repetitions == 3
    assert pair.mean.estimate == pytest.approx(np.mean(by_seed))
    assert pair.mean.holds == "masks and images"
    assert "other training seeds on this mask and other test images" in holds_text(pair.mean, block, 200)
    assert pair.mean.shares["masks"] is None
    assert pair.mean.shares["seeds"] is not None


def test_seeds_on_one_mask_are_averaged_before_masks_are_compared(store: Store) -> None:
    for mask in (0, 1, 2):
        for seed in (0, 1):
            finish(store, "good", noisy(0.7, seed=10 * mask + seed), mask_seed=mask, seed=seed)
            finish(store, "bad", noisy(0.5, seed=10 * mask + seed), mask_seed=mask, seed=seed)
    pair, _ = one_pair(compare(store, ("good", "bad"), sampling=FEW))
    assert (pair.mean.repetitions, pair.mean.seeds) == (3, 2)
    assert None not in pair.mean.shares.values()
    assert sum(share or 0 for share in pair.mean.shares.values()) == pytest.approx(1)


def test_results_that_only_one_row_has_are_left_out_and_named(store: Store) -> None:
    fill(store, "good", 0.7, ratios=(0.1, 0.5))
    fill(store, "bad", 0.5, ratios=(0.1, 0.9))
    pair, _ = one_pair(compare(store, ("good", "bad"), sampling=FEW))
    assert pair.over == (0.1,)
    assert pair.left_out == ("good at 50% (masks 0, 1, 2)", "bad at 90% (masks 0, 1, 2)")


def test_rows_without_a_common_ratio_are_refused(store: Store) -> None:
    fill(store, "good", 0.7, ratios=[0.1])
    fill(store, "bad", 0.5, ratios=[0.9])
    with pytest.raises(ConfigError, match="good is not compared: no ratio and mask in common with bad"):
        compare(store, ("good", "bad"), sampling=FEW)


def test_against_a_reference_p_is_adjusted_by_holm(store: Store) -> None:
    for label, quality in (("a", 0.62), ("b", 0.55), ("c", 0.5), ("reference", 0.5)):
        fill(store, label, quality)
    (block,) = compare(store, against="reference", sampling=FEW).blocks
    assert [(pair.first, pair.second) for pair in block.pairs] == [(name, "reference") for name in "abc"]
    lowest, middle, highest = sorted(block.pairs, key=lambda pair: pair.mean.p)
    assert lowest.mean.adjusted == pytest.approx(min(1, 3 * lowest.mean.p))
    assert middle.mean.adjusted == pytest.approx(max(lowest.mean.adjusted, min(1, 2 * middle.mean.p)))
    assert highest.mean.adjusted == pytest.approx(max(middle.mean.adjusted, highest.mean.p))
    assert lowest.mean.p > 0


def test_all_pairs_give_ranks_and_letters(store: Store) -> None:
    for label, quality in (("worst", 0.3), ("best", 2.0), ("middle", 0.9), ("like-middle", 0.92)):
        fill(store, label, quality)
    (block,) = compare(store, sampling=FEW).blocks
    names = [each.name for each in block.standings]
    assert (names[0], set(names[1:3]), names[3]) == ("best", {"middle", "like-middle"}, "worst")
    assert [(each.best, each.worst) for each in block.standings] == [(1, 1), (2, 3), (2, 3), (4, 4)]
    assert [each.letters for each in block.standings] == ["a", "b", "b", "c"]
    assert [(pair.first, pair.second) for pair in block.pairs][:3] == [("best", name) for name in names[1:]]
    assert all(pair.mean.adjusted >= pair.mean.p for pair in block.pairs)


def test_a_row_with_few_of_the_usual_ratios_is_not_ranked(store: Store) -> None:
    for label in ("one", "two", "three"):
        fill(store, label, 0.5)
    fill(store, "short", 0.5, ratios=[0.1])
    (block,) = compare(store, sampling=FEW).blocks
    assert {each.name for each in block.standings} == {"one", "two", "three"}
    assert block.skipped == ("short is not compared: it has results at 1 of 2 ratios",)


def test_the_verdict_says_which_is_better_and_by_how_much_or_what_is_noise(store: Store) -> None:
    fill(store, "good", 2.0)
    fill(store, "bad", 0.3)
    fill(store, "twin", 0.3)
    pair, block = one_pair(compare(store, ("bad", "good"), sampling=FEW))
    size, low, high = (points(-value, 1) for value in (pair.mean.estimate, pair.mean.high, pair.mean.low))
    assert verdict(pair, block, 1) == f"good is better than bad by {size} ({low} to {high}) over the 2 ratios"
    pair, block = one_pair(compare(store, ("bad", "twin"), sampling=FEW))
    noise = points(pair.mean.noise, 1)
    assert verdict(pair, block, 1).endswith(
        f"over the 2 ratios is within the noise of this design: differences under {noise} are noise here"
    )


@pytest.mark.parametrize("seed", range(5))
def test_two_rows_differ_exactly_if_their_interval_leaves_out_zero(store: Store, seed: int) -> None:
    for label, quality in (("bad", 0.3), ("twin", 0.4)):
        for mask in (0, 1, 2):
            finish(store, label, noisy(quality, seed=crc32(f"{label} {mask} {seed}".encode())), mask_seed=mask)
    pair, _ = one_pair(compare(store, ("bad", "twin"), sampling=FEW))
    assert pair.mean.significant == (pair.mean.low > 0 or pair.mean.high < 0)


def test_points_keep_a_digit_and_have_no_negative_zero() -> None:
    assert [points(value, 1) for value in (0.1234, -0.005, 0.0003, 0.0)] == ["12.3", "-0.5", "0.03", "0.0"]


@pytest.mark.parametrize(
    ("methods", "options", "message"),
    [
        (["good", "bda"], {}, "no results of 'bda'"),
        (["good", "good"], {}, "a row cannot be compared with itself"),
        (["good"], {"against": "good"}, "a row cannot be compared with itself"),
        (["good"], {}, "a comparison needs two rows"),
        (["good", "bad"], {"metric": "OF1"}, "OF1 has no intervals"),
        (["good", "bad"], {"metric": "mpa"}, "unknown metric 'mpa'"),
    ],
)
def test_wrong_rows_and_metrics_are_usage_errors(
    store: Store, methods: list[str], options: dict[str, Any], message: str
) -> None:
    fill(store, "good", 0.7, masks=[0])
    fill(store, "bad", 0.5, masks=[0])
    with pytest.raises(UsageError, match=message):
        compare(store, methods, sampling=FEW, **options)


def test_rows_of_different_protocols_are_refused(store: Store) -> None:
    fill(store, "good", 0.7, masks=[0])
    finish(store, "other", noisy(0.5, seed=1), track="paper")
    with pytest.raises(ConfigError, match=r"good and other cannot be compared: they differ in the track"):
        compare(store, ("good", "other"), sampling=FEW)


def test_results_that_no_other_row_shares_are_told(store: Store) -> None:
    fill(store, "good", 0.7, masks=[0])
    fill(store, "bad", 0.5, masks=[0])
    finish(store, "bad", noisy(0.5, seed=1), track="paper", recipe={"epochs": 2})
    told: list[str] = []
    compare(store, sampling=FEW, tell=told.append)
    assert told == ["not compared, because no other row has results there: bad on shapes, partial labels, track paper"]


def test_damaged_scores_are_one_clear_error(store: Store) -> None:
    fill(store, "good", 0.7, masks=[0], ratios=[0.1])
    (finish(store, "bad", noisy(0.5, seed=1)) / "attempts/0001/scores.npz").write_bytes(b"nothing")
    with pytest.raises(StoreError, match="the scores file has changed"):
        compare(store, ("good", "bad"), sampling=FEW)


@pytest.fixture
def two_data_sets(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Three rows on shapes and on the same images by another name; "good" is ahead on both.

    "twin" has the scores of "bad", each on another mask: the mean over the masks is the same.
    """
    named = {name: replace(shapes(), name=name) for name in ("shapes", "figures")}

    def open_dataset(planned: Planned) -> Dataset:
        return named[planned.cell.dataset]

    monkeypatch.setattr("pmll_bench.store.scored_data.open_dataset", open_dataset)
    for number, data in enumerate(named.values()):
        for label, quality, of, shift in (("good", 2.0, "good", 0), ("bad", 0.4, "bad", 0), ("twin", 0.4, "bad", 1)):
            for mask in (0, 1, 2):
                scores = noisy(quality, seed=crc32(f"{of} {(mask + shift) % 3} {number}".encode()))
                finish(store, label, scores, mask_seed=mask, seed=mask, data=data)
    return store


def test_over_data_sets_there_is_a_difference_for_each_and_their_mean(two_data_sets: Store) -> None:
    found = compare(two_data_sets, ("good", "bad"), sampling=FEW)
    assert found.across is not None
    (mean,) = found.across.pairs
    single = [block.pairs[0].mean for block in found.blocks]
    assert found.across.datasets == ("figures", "shapes")
    assert mean.estimate == pytest.approx(np.mean([delta.estimate for delta in single]))
    assert (mean.high - mean.low) / 2 < max(delta.noise for delta in single)
    assert found.across.ranks == {}


def test_ranks_over_data_sets_hold_ties(two_data_sets: Store) -> None:
    found = compare(two_data_sets, sampling=FEW)
    assert found.across is not None
    assert found.across.ranks == {"bad": (2, 3), "good": (1, 1), "twin": (2, 3)}


def test_a_frame_has_one_line_per_pair_and_ratio(store: Store) -> None:
    fill(store, "good", 0.7)
    fill(store, "bad", 0.5)
    found = compare(store, ("good", "bad"), sampling=FEW)
    frame = found.frame()
    pair, _ = one_pair(found)
    assert list(frame["ratio"].isna()) == [False, False, True]
    assert frame["estimate"].iloc[-1] == pair.mean.estimate
    assert frame["first_map"].iloc[-1] - frame["second_map"].iloc[-1] == pytest.approx(pair.mean.estimate)
    assert set(frame["first"]) == {"good"}
