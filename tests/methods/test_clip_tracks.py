"""The paper track of the CLIP family, value by value: what each method takes on each data set, in each regime."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pmll_bench.plan.overrides import parse_sets
from pmll_methods import registry
from pmll_methods.settings import Resolved, resolve

SELF_TAUGHT = ("scpnet", "scpnet-frozen", "scinet")
AFTER_SARL = ("coop", "coop-csp", "coop-sd", "sarl")

ONE_CYCLE = {
    "recipe.resolution": 224,
    "recipe.test_view": "centre-bilinear",
    "recipe.optimizer": "adam",
    "recipe.weight_decay": 1e-4,
    "recipe.decay_vectors": False,
    "recipe.schedule": "onecycle",
    "recipe.drop_last": False,
    "unknown": "absent",
    "cutoff": 0.95,
    "share": 0.2,
    "scale": 10.0,
    "start": "a photo of a",
}
SCPNET = {
    **ONE_CYCLE,
    "recipe.views": ("weak", "weak", "scpnet-strong"),
    "recipe.batch": 128,
    "recipe.epochs": 60,
    "recipe.horizon": 80,
    "recipe.lr": 3e-5,
    "graph lr": 1e-5,
    "recipe.ema": 0.82 ** (1 / 641),
    "neighbours": 62,
    "temperature": 0.2,
    "hard_k": 2,
    "lambda_cst": 1 / 8,
    "lambda_dstl": 1 / 8,
    "tower": "RN101:openai",
}
SCPNET_VOC = {
    **SCPNET,
    "recipe.epochs": 120,
    "recipe.horizon": None,
    "recipe.lr": 4e-5,
    "graph lr": 2e-4,
    "recipe.ema": 0.82 ** (1 / 45),
    "neighbours": 20,
    "temperature": 0.3,
    "hard_k": 5,
    "lambda_dstl": 1 / 4,
}
SCPNET_NUS = {
    **SCPNET,
    "graph lr": 1e-4,
    "recipe.ema": 0.82 ** (1 / 931),
    "neighbours": 50,
    "hard_k": 6,
    "scale": None,  # learned
}
SCPNET_CUB = {
    **SCPNET,
    "recipe.batch": 96,
    "recipe.epochs": 100,
    "recipe.horizon": None,
    "recipe.lr": 3e-4,
    "graph lr": 2e-4,
    "recipe.ema": 0.82 ** (1 / 63),
    "neighbours": 312,
    "temperature": 0.3,
    "hard_k": 31,
    "lambda_dstl": 3 / 8,
}
SCINET_VOC = {
    **ONE_CYCLE,
    "recipe.views": ("weak", "scinet-medium", "scpnet-strong"),
    "recipe.batch": 64,
    "recipe.epochs": 120,
    "recipe.horizon": None,
    "recipe.lr": 4e-5,
    "graph lr": 2e-4,
    "recipe.ema": 0.82 ** (1 / 45),
    "neighbours": None,  # all
    "temperature": 0.3,
    "hard_k": 5,
    "lambda_u": 0.125,
    "lambda_c": 0.25,
    "tower": "RN101:openai",
}
SCINET_COCO = {
    **SCINET_VOC,
    "recipe.batch": 32,
    "recipe.epochs": 60,
    "recipe.lr": 3e-5,
    "recipe.ema": 0.82 ** (1 / 641),
    "neighbours": 62,
}
SCINET_CUB = {
    **SCINET_VOC,
    "recipe.batch": 32,
    "recipe.epochs": 30,
    "recipe.lr": 3e-4,
    "recipe.ema": 0.82 ** (1 / 47),
    "neighbours": 312,
}
SGD = {
    "recipe.resolution": 448,
    "recipe.views": ("dualcoop",),
    "recipe.test_view": "bilinear",
    "recipe.optimizer": "sgd",
    "recipe.momentum": 0.9,
    "recipe.weight_decay": 5e-4,
    "recipe.lr": 2e-3,
    "recipe.schedule": "cosine",
    "recipe.warmup_epochs": 1,
    "recipe.ema": None,
    "recipe.batch_norm": "eval",
    "recipe.drop_last": False,
    "tower": "RN101:openai",
    "n_ctx": 16,
    "gamma_negative": 2.0,
    "gamma_positive": 1.0,
    "clip": 0.05,
}
DUALCOOP = {
    **SGD,
    "recipe.batch": 32,
    "recipe.epochs": 50,
    "recipe.warmup_lr": 1e-5,
    "loss_weight": 0.03,
    "class_specific": True,
}
SARL = {**SGD, "recipe.batch": 64, "recipe.epochs": 100, "recipe.warmup_lr": 5e-4}
WORDS = {name: {"words": "glove"} for name in ("coop-sd", "sarl")}
RN50 = {"tower": "RN50:openai"}
REST, LATER = {"recipe.batch_norm": "eval"}, {"recipe.batch_norm": "train-from-second"}

ALL = ("coco2014", "voc2007", "voc2012", "nuswide", "vg200", "cub")
SCPNET_ON = {"voc2007": SCPNET_VOC, "voc2012": SCPNET_VOC, "nuswide": SCPNET_NUS, "cub": SCPNET_CUB}
SCINET_ON = {"coco2014": SCINET_COCO, "cub": SCINET_CUB}
EXPECTED: list[tuple[str, str, str, dict[str, Any]]] = [
    *(
        (
            name,
            dataset,
            regime,
            {**SCPNET_ON.get(dataset, SCPNET), **norm, **(RN50 if regime == "single-positive" else {})},
        )
        for name, norm in (("scpnet", LATER), ("scpnet-frozen", REST))
        for dataset in ALL
        for regime in ("full", "partial", "single-positive")
    ),
    *(
        ("scinet", dataset, regime, {**SCINET_ON.get(dataset, SCINET_VOC), **REST})
        for dataset in ALL
        for regime in ("full", "partial", "single-positive")
    ),
    *(
        ("dualcoop", dataset, regime, {**DUALCOOP, "recipe.lr": 1e-3 if dataset in ("voc2007", "voc2012") else 2e-3})
        for dataset in ALL
        for regime in ("full", "partial")
    ),
    *(
        (name, dataset, regime, {**SARL, "class_specific": name in ("coop-csp", "sarl"), **WORDS.get(name, {})})
        for name in AFTER_SARL
        for dataset in ALL
        for regime in ("full", "partial")
    ),
]


def on(name: str, dataset: str, regime: str, **settings: Any) -> Resolved:
    kind = registry.find(name)
    return resolve(kind.card, kind.settings_class(), "paper", settings, {}, dataset=dataset, regime=regime)


def value(found: Resolved, name: str) -> Any:
    if name == "graph lr":
        return found.recipe.lr * found.recipe.lr_scale["graph"]
    return getattr(found.recipe if name.startswith("recipe.") else found.settings, name.removeprefix("recipe."))


@pytest.mark.parametrize(
    ("name", "dataset", "regime", "expected"), EXPECTED, ids=lambda each: each if isinstance(each, str) else ""
)
def test_what_a_method_takes_on_a_data_set(name: str, dataset: str, regime: str, expected: dict[str, Any]) -> None:
    found = on(name, dataset, regime)
    for field, wanted in expected.items():
        exact = not isinstance(wanted, float)
        assert value(found, field) == (wanted if exact else pytest.approx(wanted, rel=1e-12)), field
        if field != "graph lr":
            assert found.sources[field] or field in ("tower", "recipe.drop_last"), field


@pytest.mark.parametrize("name", SELF_TAUGHT)
@pytest.mark.parametrize(
    ("dataset", "images"),
    [("coco2014", 82_081), ("voc2007", 5_011), ("voc2012", 5_717), ("nuswide", 119_103), ("cub", 5_994)],
)
def test_next_to_nothing_of_the_start_is_left_in_the_average_that_is_scored(
    name: str, dataset: str, images: int
) -> None:
    recipe = on(name, dataset, "partial").recipe
    assert recipe.ema is not None
    assert recipe.ema ** (recipe.epochs * images // recipe.batch) < 1e-4


@pytest.mark.parametrize("dataset", ALL)
def test_a_released_scinet_trains_its_tower_at_the_rates_of_the_frozen_one(dataset: str) -> None:
    frozen, trained = on("scinet", dataset, "partial"), on("scinet", dataset, "partial", variant="released")
    assert (frozen.recipe.batch_norm, trained.recipe.batch_norm) == ("eval", "train-from-second")
    assert trained.recipe.at(batch_norm="eval") == frozen.recipe


@pytest.mark.parametrize("dataset", ALL)
@pytest.mark.parametrize("regime", ["partial", "single-positive"])
def test_scpnet_with_a_frozen_tower_is_scpnet_frozen(dataset: str, regime: str) -> None:
    assert on("scpnet", dataset, regime, train_from="none").recipe == on("scpnet-frozen", dataset, regime).recipe


SINGLE = {(dataset, "single-positive") for dataset in ("coco2014", "voc2012", "nuswide", "cub")}
SCINETS = {(name, how) for name in ("coco2014", "voc2007", "voc2012", "cub") for how in ("full", "single-positive")}
SARLS = {("coco2014", "partial"), ("voc2007", "partial")}


@pytest.mark.parametrize(
    ("name", "settings", "stated"),
    [
        ("scpnet", {}, SINGLE),
        ("scpnet", {"train_from": "none"}, set()),
        ("scpnet-frozen", {}, set()),  # the paper has a row of it, and no recipe
        ("scinet", {}, set()),
        ("scinet", {"variant": "released"}, SCINETS),
        *((name, {}, SARLS) for name in ("dualcoop", *AFTER_SARL)),
    ],
)
def test_rows_are_marked_where_the_source_states_no_recipe(
    name: str, settings: dict[str, str], stated: set[tuple[str, str]]
) -> None:
    pairs = [(dataset, regime) for dataset in ALL for regime in registry.find(name).card.regimes]
    assert {pair for pair in pairs if on(name, *pair, **settings).stated} == stated


def test_what_the_code_does_not_say_is_not_called_released() -> None:
    found = on("scpnet", "voc2012", "single-positive")
    assert found.sources["recipe.lr"] == "released code, VOC 2012"
    assert found.sources["tower"] == "paper, 4.1"
    assert {found.sources[f"recipe.{name}"] for name in ("precision", "selection", "cache")} == {"ours"}
    assert on("scpnet", "voc2007", "partial").sources["recipe.lr"].startswith("inferred")
    assert on("sarl", "coco2014", "partial").sources["recipe.views"].startswith("inferred")


@pytest.mark.parametrize("name", [*SELF_TAUGHT, *AFTER_SARL, "dualcoop", "clip-zeroshot"])
def test_what_restores_released_code_is_a_setting_that_there_is(name: str) -> None:
    """Each line of `differs` ends in a setting, or says that there is none."""
    for line in registry.find(name).card.differs:
        found = re.search(r"\(([a-z_.]+=[\w.-]+)", line)
        assert found or "(no setting)" in line, line
        if found:
            given = parse_sets([found[1]])  # of `data.…` nothing is left for the method
            kind = registry.find(name)
            resolve(kind.card, kind.settings_class(), "paper", given.settings, given.recipe)
