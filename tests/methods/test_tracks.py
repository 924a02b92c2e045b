"""Tracks: the recipe and the settings that hold on a data set in a regime, and where each value comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from pmll_datasets.registry import DATASETS, REGIMES
from pmll_methods import registry
from pmll_methods.method import REGISTRY, Card
from pmll_methods.recipe import Recipe, Track, Values
from pmll_methods.settings import Resolved, Settings, resolve, setting

CHOICES = ("log-odds", "released")  # of the setting `start` of classifiers; in prompt methods it is words
BASE = Recipe(resolution=224, batch=64, epochs=60, lr=3e-5)


@dataclass(frozen=True, kw_only=True)
class Own(Settings):
    """Settings of a made-up method."""

    k: int = setting(62, "neighbours", "paper, 3.1")
    head: str = "drawn"
    head_only: bool = False

    @property
    def frozen(self) -> bool:
        return self.head_only


CARD = Card(
    name="made-up",
    title="made up",
    paper="none",
    trains="nothing",
    tracks={
        "paper": Track(
            recipe=BASE,
            frozen=BASE.at(lr=1e-3),
            frozen_settings={"head": "zero"},
            source="released code, COCO",
            datasets=("coco2014",),
            regimes=("partial",),
            values=(
                Values(
                    datasets=("voc2007", "voc2012"),
                    recipe={"epochs": 120},
                    frozen={"epochs": 7},
                    settings={"k": 20},
                    source="released code, VOC",
                ),
                Values(datasets=("voc2012",), recipe={"batch": 32}, source="released code, VOC 2012"),
                Values(regimes=("single-positive",), recipe={"lr": 1e-4}, source="paper, 4.2"),
                Values(datasets=("cub",), recipe={"batch": 16}, source="inferred: as on VOC 2007"),
            ),
        )
    },
)


def on(dataset: str, regime: str = "partial", *, k: str | None = None, head_only: bool = False) -> Resolved:
    given = {"head_only": head_only} | ({} if k is None else {"k": k})
    return resolve(CARD, Own(), "paper", given, {}, dataset=dataset, regime=regime)


@pytest.mark.parametrize(
    ("dataset", "regime", "epochs", "batch", "lr", "stated"),
    [
        ("coco2014", "partial", 60, 64, 3e-5, True),
        ("coco2014", "single-positive", 60, 64, 1e-4, True),
        ("coco2014", "full", 60, 64, 3e-5, False),
        ("voc2007", "partial", 120, 64, 3e-5, True),
        ("voc2007-subset", "partial", 120, 64, 3e-5, True),
        ("voc2012", "single-positive", 120, 32, 1e-4, True),
        ("cub", "partial", 60, 16, 3e-5, False),
        ("mine", "partial", 60, 64, 3e-5, False),
    ],
)
def test_the_values_of_the_data_set_and_of_the_regime_hold_and_what_no_source_states_is_known(
    dataset: str, regime: str, epochs: int, batch: int, lr: float, stated: bool
) -> None:
    found = on(dataset, regime)
    assert (found.recipe.epochs, found.recipe.batch, found.recipe.lr, found.stated) == (epochs, batch, lr, stated)


def test_each_value_names_its_source() -> None:
    found = on("voc2012", k="5")
    assert found.settings == Own(k=5)
    assert {name: found.sources[name] for name in ("k", "recipe.lr", "recipe.epochs", "recipe.batch")} == {
        "k": "--set",
        "recipe.lr": "released code, COCO",
        "recipe.epochs": "released code, VOC",
        "recipe.batch": "released code, VOC 2012",
    }
    assert on("coco2014").sources["k"] == "paper, 3.1"
    assert on("voc2007").settings == Own(k=20)


def test_a_frozen_trunk_takes_the_values_for_it_alone() -> None:
    found = on("voc2012", head_only=True)
    assert (found.recipe.epochs, found.recipe.batch, found.recipe.lr) == (7, 64, 1e-3)
    assert (found.settings, found.sources["head"]) == (Own(k=20, head="zero", head_only=True), "ours")
    assert on("voc2012").settings == Own(k=20)


@pytest.mark.parametrize(
    "name", ["bce", "asl", "cap", "an", "role", "ll-cp", "hill", "splc", "ssgrl", "kggr", "sst", "hst", "sarb", "dsrb"]
)
def test_a_classifier_on_a_frozen_trunk_starts_at_the_log_odds_unless_told_otherwise(name: str) -> None:
    kind = registry.find(name)
    for given, start in (({}, "released"), ({"train_from": "none"}, "log-odds"), ({"start": "released"}, "released")):
        settings: Any = resolve(kind.card, kind.settings_class(), "paper", given, {}).settings
        assert settings.start == start
    told = {"train_from": "none", "start": "released"}
    kept: Any = resolve(kind.card, kind.settings_class(), "paper", told, {}).settings
    assert kept.start == "released"


@pytest.mark.parametrize("name", REGISTRY)
def test_tracks_name_data_sets_and_regimes_that_exist(name: str) -> None:
    card = registry.find(name).card
    for track in card.tracks.values():
        parts: tuple[Track | Values, ...] = (track, *track.values)
        for part in parts:
            assert set(part.datasets) <= {known for known in DATASETS if not known.endswith("-subset")}
            assert set(part.regimes) <= REGIMES.keys() & set(card.regimes)
        for values in track.values:
            assert values.source
            assert values.recipe or values.frozen or values.settings or values.datasets


STARTS = [name for name in REGISTRY if getattr(registry.find(name).settings_class(), "start", "") in CHOICES]


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize(("track", "start"), [("paper", "released"), ("controlled", "log-odds"), ("smoke", "log-odds")])
def test_classifiers_start_alike_on_the_tracks_that_compare_methods(name: str, track: str, start: str) -> None:
    kind = registry.find(name)
    settings: Any = resolve(kind.card, kind.settings_class(), track, {}, {}).settings
    assert settings.start == start
