"""Training curves and pseudo-labels over epochs: their numbers, readable text, and clear errors."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from drawn_figures import check_text, drawn_figures, texts
from made_up_results import made_up
from pmll_bench.errors import ConfigError
from pmll_bench.report.plots.pseudo_labels import pseudo_label_plot
from pmll_bench.report.plots.training import training_plot
from pmll_bench.report.tables.table import Layout
from pmll_bench.store.result import Result

Plot = Callable[[Sequence[Result], Layout], dict[str, bytes]]


def trained(label: str, losses: Sequence[float], maps: Sequence[float] = (), **more: Any) -> Result:
    """A result with a loss term `cls` and, after each epoch, the mAP on the selecting images."""
    history = tuple({"epoch": epoch, "cls": value} for epoch, value in enumerate(losses, 1))
    watched = tuple({"epoch": epoch, "map": value} for epoch, value in enumerate(maps, 1))
    return made_up(label, 0.5, **more).model_copy(update={"history": history, "epoch_maps": watched})


def guessing(label: str, precisions: Sequence[float | None], kind: str = "pseudo", **more: Any) -> Result:
    """A result with pseudo-labels: after each epoch their precision, and half of it as recall."""
    found = tuple(
        {"epoch": epoch, "precision": value, "recall": None if value is None else value / 2}
        for epoch, value in enumerate(precisions, 1)
    )
    return made_up(label, 0.5, **more).model_copy(update={"pseudo_label_epochs": {kind: found}})


def lines(plot: Plot, results: Sequence[Result]) -> list[dict[str, str]]:
    with drawn_figures() as figures:
        read = list(csv.DictReader(io.StringIO(plot(results, Layout())["csv"].decode())))
    check_text(figures[0])
    return read


def test_a_loss_is_the_mean_over_masks_epoch_by_epoch() -> None:
    read = lines(training_plot, [trained("sst", [1.0, 0.5], seed=0), trained("sst", [3.0, 0.5], seed=1)])
    assert [(line["term"], line["epoch"], line["n"]) for line in read] == [("cls", "1", "2"), ("cls", "2", "2")]
    assert [float(line["mean"]) for line in read] == [2.0, 0.5]
    assert float(read[0]["sd"]) == pytest.approx(2**0.5)


def test_each_ratio_has_its_own_line() -> None:
    made = [trained("sst", [1.0, ratio], ratio=ratio) for ratio in (0.1, 0.5)]
    read = lines(training_plot, made)
    assert [(line["known labels (%)"], float(line["mean"])) for line in read if line["epoch"] == "2"] == [
        ("10", 0.1),
        ("50", 0.5),
    ]


def test_the_map_of_the_epochs_is_drawn_in_percent_where_one_is_selected() -> None:
    read = lines(training_plot, [trained("sst", [1.0, 0.5], [0.25, 0.75])])
    assert [float(line["mean"]) for line in read if line["term"] == "selecting mAP"] == [25.0, 75.0]


def test_text_says_which_method_and_term_a_panel_shows() -> None:
    with drawn_figures() as figures:
        training_plot([trained("sst", [1.0, 0.5], [0.2, 0.3]), trained("hst", [1.0, 0.5])], Layout(inferred=["sst"]))
    assert {"sst †", "hst", "Loss: cls", "selecting mAP (%)", "10% known labels"} <= set(texts(figures[0]))
    assert "† parts of the method are inferred or reconstructed." in texts(figures[0])


def test_one_epoch_has_no_curve() -> None:
    with pytest.raises(ConfigError, match="no training curve to draw"):
        lines(training_plot, [trained("sst", [1.0]), made_up("clip-zeroshot", 0.4)])


def test_pseudo_labels_are_drawn_in_percent_and_epochs_without_any_are_left_out() -> None:
    made = [guessing("scpnet", [None, 0.5, 1.0], seed=0), guessing("scpnet", [None, 0.7, 0.8], seed=1)]
    read = lines(pseudo_label_plot, made)
    found = {(line["measure (%)"], line["epoch"]): float(line["mean"]) for line in read}
    assert found == pytest.approx(
        {("precision", "2"): 60, ("precision", "3"): 90, ("recall", "2"): 30, ("recall", "3"): 45}
    )
    assert float(read[0]["sd"]) == pytest.approx(14.142135623730951)


def test_a_method_with_two_kinds_of_pseudo_labels_has_a_line_for_each() -> None:
    sst = guessing("sst", [0.5, 0.6], kind="intra")
    both = sst.model_copy(
        update={
            "pseudo_label_epochs": {
                **sst.pseudo_label_epochs,
                **guessing("sst", [0.7, 0.8], kind="cross").pseudo_label_epochs,
                "expected_positives": ({"epoch": 1, "value": 1.5}, {"epoch": 2, "value": 1.6}),
            }
        }
    )
    read = lines(pseudo_label_plot, [both, guessing("cap", [0.1, 0.2])])
    assert {line["line"] for line in read} == {"sst, intra", "sst, cross", "cap"}


def test_results_without_pseudo_labels_of_every_epoch_are_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="no pseudo-labels over epochs to draw") as error:
        lines(pseudo_label_plot, [made_up("bce", 0.5)])
    assert "scpnet" in str(error.value.hint)
