"""`tests/soak/overfit.py`: what it trains on, how it judges, and what it says of a wrong name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmll_methods.method import REGISTRY
from pmll_methods.towers.words import word_vectors
from soak import overfit

CHEATERS = Path(__file__).resolve().parents[1] / "data" / "cheaters"
LEARNS_NOTHING = str(CHEATERS / "learns_nothing.py")
BY_HEART = """
import numpy as np

class ByHeart:
    def fit(self, train, run):
        self.labels = dict(zip(train.ids, train.labels))

    def predict(self, images, run):
        return np.array([self.labels[each] for each in images.ids], np.float32)
"""


def test_a_method_that_learns_nothing_is_told_to_stay_below(capsys: pytest.CaptureFixture[str]) -> None:
    assert overfit.main([LEARNS_NOTHING, "--epochs", "1"]) == 1
    said = capsys.readouterr().out
    assert "| `learns-nothing` |" in said
    assert f"{LEARNS_NOTHING}: it should come further" in said


def test_a_method_that_knows_the_scenes_by_heart_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "by_heart.py"
    path.write_text(BY_HEART, encoding="utf-8")
    assert overfit.main([str(path)]) == 0
    printed = capsys.readouterr().out
    assert "| 100.0 |" in printed
    assert "1 methods, 0 below 95" in printed


def test_a_method_with_a_reason_may_stay_below(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overfit, "REASONS", {LEARNS_NOTHING: "it only counts"})
    assert overfit.main([LEARNS_NOTHING, "--epochs", "1"]) == 0
    assert f"{LEARNS_NOTHING}: it only counts" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["linear-prob"], "unknown method 'linear-prob'; did you mean 'linear-probe'?"),
        (["linear-probe", "--set", "pool=avg"], "unknown setting 'pool' (settings of linear-probe)"),
        (["linear-probe", "--set", "pooling"], "invalid setting 'pooling'"),
    ],
)
def test_a_wrong_name_is_told_before_anything_trains(
    argv: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        overfit.main([*argv, "--epochs", "1"])
    printed = capsys.readouterr()
    assert told in printed.err
    assert printed.out == ""


def test_every_built_in_method_can_be_given_all_labels() -> None:
    fits = list(overfit.plan(REGISTRY, epochs=7))
    assert {fit.name for fit in fits} == REGISTRY.keys()
    for regime in {fit.regime for fit in fits}:
        data = overfit.fully_labelled(regime, {})
        assert data.labels.shape == (64, 20)
        assert (data.labels != 0).all()


def test_a_method_that_needs_a_setting_is_tried_without_and_with_it() -> None:
    without, given = overfit.plan(["gcn-ml"], epochs=7)
    assert without.recipe == given.recipe
    assert without.recipe.epochs == 7
    assert without.settings != given.settings
    assert given.row(1.0, 7).startswith("| `gcn-ml`, words=one-hot |")


def texts_of_their_own(given: overfit.Given) -> int:
    """How many different texts the class names give the embedded tower."""
    texts = word_vectors("tiny", overfit.fully_labelled("full", given.names).prompt_names)
    return len({tuple(text) for text in texts.mul(1000).round().int().tolist()})


def test_the_embedded_tower_tells_all_classes_apart_under_the_known_names_alone() -> None:
    assert texts_of_their_own(overfit.NOTHING) == 20 - 3
    assert texts_of_their_own(overfit.KNOWN) == 20


def test_the_best_row_of_a_method_counts() -> None:
    assert overfit.short({"gcn-ml": 0.99, "bce": 0.949}) == {"bce": ""}


def test_the_reasons_and_the_help_name_methods_that_exist() -> None:
    assert overfit.REASONS.keys() | overfit.HELPED.keys() <= REGISTRY.keys()
