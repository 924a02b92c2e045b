"""What the CNN methods and the semi-supervised ones train with on each data set, as numbers of their sources."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pmll_methods import registry
from pmll_methods.cap import Cap, CapSettings
from pmll_methods.learners.learner import Problem
from pmll_methods.settings import Resolved, resolve
from pmll_methods.towers.cnn import load_trunk


def on(name: str, dataset: str, regime: str, **settings: Any) -> Resolved:
    """A method's own recipe and settings."""
    kind = registry.find(name)
    return resolve(kind.card, kind.settings_class(), "paper", settings, {}, dataset=dataset, regime=regime)


def values(found: Resolved, names: tuple[str, ...]) -> tuple[Any, ...]:
    """Fields of the recipe, to seven places."""
    given = (getattr(found.recipe, name) for name in names)
    return tuple(round(value, 7) if isinstance(value, float) else value for value in given)


TRUNK = ("resolution", "batch", "epochs", "horizon", "optimizer", "lr", "weight_decay", "ema", "schedule", "drop_last")
HCP8 = (448, 8, 20, None, "adam", 1e-5, 5e-4, None, "step", True)
HCP32 = (448, 32, *HCP8[2:])
ML_GCN = (448, 16, 20, None, "sgd", 0.1, 1e-4, None, "step", False)
ADD_GCN = (448, 16, 50, None, "sgd", 0.05, 1e-4, None, "step", True)
COLE8 = (448, 8, 10, None, "adam", 1e-5, 0.0, None, "constant", True)
COLE16 = (448, 16, *COLE8[2:])
COLE_CUB = (448, 8, 10, None, "adam", 1e-4, 0.0, None, "constant", True)
ROLE8, ROLE16, ROLE_CUB = ((*each[:2], 35, *each[3:]) for each in (COLE8, COLE16, COLE_CUB))
LARGE_LOSS = (448, 16, 10, None, "adam", 1e-5, 0.0, None, "constant", False)
SPLC = (448, 128, 31, 80, "adam", 1e-4, 1e-4, 0.9997, "onecycle", False)
SPLC_VOC12, SPLC_VOC07, SPLC_CUB = ((*SPLC[:7], ema, *SPLC[8:]) for ema in (0.9955997, 0.9950510, 0.9957865))
CAP = (224, 64, 40, None, "adamw", 1e-4, 1e-4, 0.9997, "onecycle", False)
SSMLL = (448, 64, 40, None, "sgd", 2e-3, 5e-4, 0.9997, "cosine", False)

PARTIAL, FULL, SINGLE, SEMI = "partial", "full", "single-positive", "semi"
EXPECTED: list[
    tuple[str, str, str, tuple[Any, ...], bool]
] = [  # method, data set, regime, recipe, stated by its source
    *(
        (name, dataset, PARTIAL, HCP8, dataset in ("coco2014", "voc2007", "vg200"))
        for name in ("bce", "asl", "ssgrl", "kggr")
        for dataset in ("coco2014", "voc2007", "vg200", "nuswide")
    ),
    ("bce", "voc2012", SEMI, HCP8, False),
    ("sst", "coco2014", PARTIAL, HCP8, True),
    ("sst", "voc2007", PARTIAL, HCP8, True),
    ("sst", "vg200", PARTIAL, HCP8, False),
    ("hst", "coco2014", PARTIAL, HCP32, True),
    ("hst", "voc2007", PARTIAL, HCP32, False),
    ("sarb", "coco2014", PARTIAL, HCP8, True),
    ("sarb", "vg200", PARTIAL, HCP8, True),
    ("sarb", "voc2007", PARTIAL, HCP8, False),
    ("dsrb", "coco2014", PARTIAL, HCP8, True),
    ("dsrb", "coco2014", FULL, HCP8, False),
    ("dsrb", "voc2007", PARTIAL, HCP8, False),
    ("gcn-ml", "coco2014", FULL, ML_GCN, True),
    ("gcn-ml", "voc2007", FULL, ML_GCN, True),
    ("gcn-ml", "voc2007", PARTIAL, ML_GCN, False),
    ("add-gcn", "coco2014", FULL, ADD_GCN, True),
    ("add-gcn", "voc2007", FULL, ADD_GCN, True),
    ("add-gcn", "voc2012", FULL, ADD_GCN, True),
    ("add-gcn", "coco2014", PARTIAL, ADD_GCN, False),
    *(
        (name, dataset, SINGLE, recipe, dataset != "voc2007")
        for name in ("an", "an-ls", "wan", "epr")
        for dataset, recipe in {
            **{"voc2012": COLE8, "coco2014": COLE16, "nuswide": COLE16, "cub": COLE_CUB, "voc2007": COLE8}
        }.items()
    ),
    ("an", "coco2014", PARTIAL, COLE16, False),
    ("role", "voc2012", SINGLE, ROLE8, True),
    ("role", "coco2014", SINGLE, ROLE16, True),
    ("role", "nuswide", SINGLE, ROLE16, True),
    ("role", "cub", SINGLE, ROLE_CUB, True),
    *(
        (name, dataset, SINGLE, LARGE_LOSS, dataset != "voc2007")
        for name in ("ll-r", "ll-ct", "ll-cp")
        for dataset in ("voc2012", "coco2014", "nuswide", "cub", "voc2007")
    ),
    *(
        (name, dataset, SINGLE, recipe, dataset in ("coco2014", "nuswide"))
        for name in ("hill", "splc")
        for dataset, recipe in {
            **{"coco2014": SPLC, "nuswide": SPLC, "voc2012": SPLC_VOC12, "voc2007": SPLC_VOC07, "cub": SPLC_CUB}
        }.items()
    ),
    *(
        (name, dataset, SEMI, recipe, name == "cap" and dataset != "voc2007")  # ssmll: inferred from a summary
        for name, recipe in (("cap", CAP), ("ssmll", SSMLL))
        for dataset in ("coco2014", "voc2012", "nuswide", "voc2007")
    ),
]


@pytest.mark.parametrize(("name", "dataset", "regime", "recipe", "stated"), EXPECTED)
def test_each_data_set_is_trained_on_as_the_source_says(
    name: str, dataset: str, regime: str, recipe: tuple[Any, ...], stated: bool
) -> None:
    found = on(name, dataset, regime)
    assert values(found, TRUNK) == recipe
    assert found.stated is stated


FROZEN = {  # batch and rate of a linear classifier on fixed features
    ("an-ls", "voc2012"): (8, 1e-4),
    ("an-ls", "coco2014"): (8, 1e-4),
    ("an-ls", "nuswide"): (16, 1e-4),
    ("an-ls", "cub"): (8, 1e-4),
    ("role", "voc2012"): (16, 1e-3),
    ("role", "coco2014"): (16, 1e-3),
    ("role", "nuswide"): (16, 1e-3),
    ("role", "cub"): (8, 1e-3),
}


@pytest.mark.parametrize(("name", "dataset"), FROZEN)
def test_linear_classifiers_on_fixed_features_have_the_batch_and_the_rate_of_their_data_set(
    name: str, dataset: str
) -> None:
    found = on(name, dataset, SINGLE, train_from="none")
    assert values(found, ("batch", "lr")) == FROZEN[name, dataset]
    assert values(found, ("epochs", "drop_last", "cache")) == (25, True, True)


@pytest.mark.parametrize("name", ["ll-r", "ll-ct", "ll-cp", "hill", "splc"])
def test_the_loader_of_cole_et_al_goes_no_further_than_their_methods(name: str) -> None:
    assert not on(name, "voc2012", SINGLE, train_from="none").recipe.drop_last


@pytest.mark.parametrize("track", ["paper", "controlled", "smoke"])
@pytest.mark.parametrize("name", ["epr", "role"])
@pytest.mark.parametrize(
    ("dataset", "expected"),
    [("voc2012", 1.5), ("coco2014", 2.9), ("nuswide", 1.9), ("cub", 31.4), ("voc2012-subset", 1.5), ("voc2007", 1.5)],
)
def test_how_many_labels_an_image_has_is_known_on_the_papers_data_sets(
    name: str, track: str, dataset: str, expected: float
) -> None:
    kind = registry.find(name)
    found = resolve(kind.card, kind.settings_class(), track, {}, {}, dataset=dataset, regime=SINGLE)
    settings: Any = found.settings
    assert settings.expected_positives == expected


def test_where_absent_labels_are_known_how_many_labels_an_image_has_is_counted() -> None:
    settings: Any = on("epr", "voc2012", PARTIAL).settings
    assert settings.expected_positives is None


@pytest.mark.parametrize(
    ("name", "dataset", "regime", "setting", "value"),
    [
        ("ll-r", "coco2014", SINGLE, "delta", 0.005),
        ("ll-ct", "voc2012", SINGLE, "delta", 0.002),
        ("ll-cp", "cub", SINGLE, "delta", 0.001),
        ("ll-cp", "cub", SINGLE, "permanent", "reaching"),
        ("role", "voc2012", SINGLE, "linear_lr", 1e-3),
        ("an-ls", "cub", SINGLE, "linear_lr", 1e-4),
        ("role", "voc2012", SINGLE, "linear_batch", 16),
        ("role", "nuswide", SINGLE, "linear_batch", 16),
        ("role", "cub", SINGLE, "linear_batch", 8),
        ("an-ls", "voc2012", SINGLE, "linear_batch", 8),
        ("an-ls", "nuswide", SINGLE, "linear_batch", 16),
        ("an-ls", "nuswide", SINGLE, "linear_phase", 0.0),
        ("splc", "coco2014", SINGLE, "tau", 0.6),
        ("hill", "nuswide", SINGLE, "lamb", 1.5),
        ("sst", "voc2007", PARTIAL, "margin", 0.95),
        ("sst", "coco2014", PARTIAL, "memory", 100),
        ("sst", "coco2014", PARTIAL, "cooccurrence", 10.0),
        ("hst", "coco2014", PARTIAL, "prototype_weight", 0.05),
        ("hst", "coco2014", PARTIAL, "prototype_epochs", (5, 10, 15)),
        ("sarb", "vg200", PARTIAL, "blend_from", 5),
        ("sarb", "coco2014", PARTIAL, "contrastive", 0.05),
        ("dsrb", "coco2014", PARTIAL, "top_k", 1),
        ("gcn-ml", "coco2014", FULL, "threshold", 0.4),
        ("cap", "coco2014", SEMI, "later_batch", 1.0),
        ("cap", "voc2012", SEMI, "later_batch", 0.5),
        ("cap", "voc2007-subset", SEMI, "later_batch", 0.5),
        ("cap", "nuswide", SEMI, "second_start", "averaged"),
        ("cap", "coco2014", SEMI, "second_start", "raw"),
        ("ssmll", "coco2014", SEMI, "k", 6),
        ("ssmll", "nuswide", SEMI, "k", 6),
        ("ssmll", "voc2012", SEMI, "k", 4),
        ("ssmll", "voc2012", SEMI, "later_batch", 0.5),
    ],
)
def test_settings_have_the_values_of_the_data_set(
    name: str, dataset: str, regime: str, setting: str, value: Any
) -> None:
    found = on(name, dataset, regime)
    assert getattr(found.settings, setting) == value
    assert found.sources[setting]


BATCHES = {  # of the released code: labelled alone, then labelled and unlabelled, by share of labelled images
    "coco2014": {0.05: (16, 4, 60), 0.1: (32, 8, 56), 0.15: (48, 12, 52), 0.2: (64, 16, 48)},
    "voc2012": {0.05: (16, 2, 30), 0.1: (32, 4, 28), 0.15: (48, 6, 26), 0.2: (64, 8, 24)},
}


@pytest.mark.parametrize(("dataset", "images"), [("coco2014", 82081), ("voc2012", 5717)])
def test_batches_of_cap_are_the_released_ones_at_every_share(dataset: str, images: int) -> None:
    found = on("cap", dataset, SEMI, tower="tiny")
    assert isinstance(found.settings, CapSettings)
    tower, classes = load_trunk("tiny"), ("a", "b")
    for share, (alone, labelled, unlabelled) in BATCHES[dataset].items():
        labels = torch.zeros(images, 2, dtype=torch.int8)
        labels[: int(share * images)] = 1
        on_data: dict[str, Any] = {"classes": classes, "prompt_names": classes, "labels": labels, "regime": SEMI}
        warm, later = Cap(Problem(**on_data, recipe=found.recipe, tower=tower), found.settings).phases()
        assert (warm.epochs, later.epochs, later.horizon) == (12, 28, 40)
        assert warm.streams == {"labelled": alone}
        assert later.streams == {"unlabelled": unlabelled, "labelled": labelled}
