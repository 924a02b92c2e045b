"""What `table` says about uncertainty on request: half-widths, ranks and letters, the gap to the oracle."""

from __future__ import annotations

import json
from zlib import crc32

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score

from command_line import Command
from made_up_results import made_up, table_of
from pmll_bench.report.comparing.measured import Sampling
from pmll_bench.report.comparing.uncertainty import NO_ORACLE, ORACLE_GAP, Wanted, with_uncertainty
from pmll_bench.report.frame import frame
from pmll_bench.report.tables.table import Block
from pmll_bench.statistics.resampling import image_weights
from pmll_bench.store.result import Result
from pmll_bench.store.store import Store
from scored_results import Scores, finish, noisy, shapes


def scores_of(label: str, mask: int, ratio: float) -> Scores:
    quality = {"good": 2.0, "bad": 0.4, "twin": 0.4}[label]
    return noisy(quality, seed=crc32(f"{label} {mask} {ratio}".encode()))


def fill(store: Store, *labels: str, masks: int = 1, ratios: tuple[float, ...] = (0.1, 0.5)) -> None:
    for label in labels:
        for mask in range(masks):
            for ratio in ratios:
                finish(store, label, scores_of(label, mask, ratio), ratio=ratio, mask_seed=mask, seed=mask)


def refined(store: Store, wanted: Wanted, sampling: Sampling) -> Block:
    results = list(store.results())
    (block,) = with_uncertainty(table_of(results), store, frame(results), wanted, sampling).blocks
    return block


def mean_ap(scores: Scores, images: np.ndarray) -> float:
    labels = shapes().test.labels[images] == 1
    present = [c for c in range(labels.shape[1]) if labels[:, c].any()]
    return float(np.mean([average_precision_score(labels[:, c], scores[images, c]) for c in present]))


def test_with_one_mask_the_half_width_is_that_of_the_images_in_percent(store: Store) -> None:
    fill(store, "good")
    block = refined(store, Wanted(intervals=True), Sampling(resamples=30))
    draws = [np.repeat(np.arange(60), counts) for counts in image_weights(60, 30, 0)]
    by_ratio = np.array([[mean_ap(scores_of("good", 0, ratio), of) for of in draws] for ratio in (0.1, 0.5)])
    z = stats.norm.ppf(0.975)
    (row,) = block.rows
    expected = 100 * z * by_ratio.std(axis=1, ddof=1)
    assert [number.half_width for number in row.means.cells] == pytest.approx(expected)
    assert row.means.average.half_width == pytest.approx(100 * z * by_ratio.mean(axis=0).std(ddof=1))
    assert row.means.cells[0].text.endswith(f"± {expected[0]:.1f}")
    assert "± is the half-width of a 95% interval for other test images only" in block.caption
    assert "1 mask cannot show what another mask changes, three can" in block.caption


def test_three_masks_widen_what_the_images_alone_would_say(store: Store) -> None:
    fill(store, "good", "bad", masks=3)
    block = refined(store, Wanted(intervals=True), Sampling(resamples=100))
    over_masks = np.std([mean_ap(scores_of("bad", mask, 0.1), np.arange(60)) for mask in (0, 1, 2)], ddof=1) / np.sqrt(
        3
    )
    (bad, _) = block.rows
    assert bad.means.cells[0].half_width > 100 * stats.norm.ppf(0.975) * over_masks
    assert "Mean over 3 masks × 1 seed; ± is the half-width of a 95% interval for other masks" in block.caption
    assert "Differences of two rows under " in block.caption


def test_ranks_and_letters_are_columns(store: Store) -> None:
    fill(store, "good", "bad", "twin", masks=3)
    block = refined(store, Wanted(ranks=True), Sampling(resamples=200))
    assert [row.label for row in block.rows] == ["bad", "good", "twin"]
    assert [(column.key, column.cells) for column in block.columns] == [
        ("rank", ("2–3", "1", "2–3")),
        ("letters", ("b", "a", "b")),
    ]
    assert {number.spread for number in block.numbers} == {"sd"}


def test_no_scores_are_read_unless_intervals_or_ranks_are_wanted(store: Store) -> None:
    fill(store, "good", "bad")
    for path in store.root.rglob("scores.npz"):
        path.unlink()
    block = refined(store, Wanted(oracle_gap=True), Sampling())
    assert block.notes[-1] == NO_ORACLE


def with_oracle(label: str, value: float, oracle: float, ratio: float) -> Result:
    return made_up(label, value, oracle=oracle, ratio=ratio, selection="best-test")


def test_the_oracle_gap_is_averaged_over_the_ratios_in_points(store: Store) -> None:
    results = [
        with_oracle("sst", 0.5, 0.53, 0.1),
        with_oracle("sst", 0.6, 0.61, 0.5),
        made_up("bce", 0.4),
        made_up("bce", 0.5, ratio=0.5),
    ]
    made = with_uncertainty(table_of(results), store, frame(results), Wanted(oracle_gap=True), Sampling())
    (block,) = made.blocks
    (column,) = block.columns
    shown = {(row.label, row.selection): cell for row, cell in zip(block.rows, column.cells, strict=True)}
    assert {key: cell if isinstance(cell, str) else cell.mean_text for key, cell in shown.items()} == {
        ("sst", "last"): "2.0",
        ("sst", "best-test"): "—",
        ("bce", "last"): "—",
    }
    assert block.notes[-1] == ORACLE_GAP


def test_the_command_shows_them_and_json_has_the_half_widths(command: Command, store: Store) -> None:
    fill(store, "good", "bad", masks=3)
    given = ("table", "--spread", "interval", "--ranks")
    answer = command(*given)
    assert (answer.code, answer.err) == (0, "")
    assert "letters" in answer.out
    document = json.loads(command(*given, "--json").out)
    cell = document["blocks"][0]["rows"][0]["cells"][0]
    assert cell["half-width"] > 0
    assert cell["sd"] > 0


def test_other_metrics_have_no_intervals(command: Command, store: Store) -> None:
    fill(store, "good", "bad")
    answer = command("table", "--metric", "OF1", "--spread", "interval")
    assert (answer.code, answer.err.splitlines()[0]) == (2, "error: OF1 has no intervals")
    assert command("table", "--metric", "OF1").code == 0
