"""Tracks of `scpnet` and `scpnet-frozen`, with the released values per data set, and the list of inferred parts.

The released code (jameslahm/SCPNet, d56341a) has one configuration per data set, each for single positive labels, and
cannot train on partial labels. We did not have the paper's supplement, which describes that training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..recipe import Recipe, Track, Values


def ema(steps: int) -> float:
    """The decay per step that keeps 0.82 of an average after one epoch of `steps` steps."""
    return math.pow(0.82, 1 / steps)


def rates(tower: float, graph: float) -> dict[str, Any]:
    """Recipe fields for two peak learning rates: of image tower and contexts, and of the graph network."""
    return {"lr": tower, "lr_scale": {"graph": graph / tower}}


def both(*datasets: str, recipe: Mapping[str, Any], settings: Mapping[str, Any], source: str) -> Values:
    """Values for both a trained and a frozen image tower; `recipe` and `settings` map names of fields to values."""
    return Values(datasets=datasets, recipe=recipe, frozen=recipe, settings=settings, source=source)


RELEASED = Recipe(
    resolution=224,
    views=("weak", "weak", "scpnet-strong"),
    test_view="centre-bilinear",
    batch=128,
    epochs=60,
    horizon=80,  # the schedule has a length of 80 epochs; training stops early
    **rates(3e-5, graph=1e-5),
    optimizer="adam",
    weight_decay=1e-4,
    decay_vectors=False,
    schedule="onecycle",
    ema=ema(641),
    batch_norm="train-from-second",  # in the code, the tower is in eval mode until the first validation
)
FROZEN = RELEASED.at(batch_norm="eval")
FROZEN_SOURCE = "inferred: as with a trained tower"

VOC = {**rates(4e-5, graph=2e-4), "epochs": 120, "horizon": None, "ema": ema(45)}
VOC_SETTINGS = {"neighbours": 20, "temperature": 0.3, "hard_k": 5, "lambda_dstl": 1 / 4}
CUB = {**rates(3e-4, graph=2e-4), "batch": 96, "epochs": 100, "horizon": None, "ema": ema(63)}
CUB_SETTINGS = {"neighbours": 312, "temperature": 0.3, "hard_k": 31, "lambda_dstl": 3 / 8}
NUS = {**rates(3e-5, graph=1e-4), "ema": ema(931)}
NUS_SETTINGS = {"neighbours": 50, "hard_k": 6, "scale": None}

PAPER = Track(
    recipe=RELEASED,
    frozen=FROZEN,
    source="released code, COCO",
    frozen_source=FROZEN_SOURCE,
    datasets=("coco2014", "voc2012", "nuswide", "cub"),
    regimes=("single-positive",),
    values=(
        both("voc2012", recipe=VOC, settings=VOC_SETTINGS, source="released code, VOC 2012"),
        both("voc2007", recipe=VOC, settings=VOC_SETTINGS, source="inferred: VOC 2012's, released code"),
        both("nuswide", recipe=NUS, settings=NUS_SETTINGS, source="released code, NUS-WIDE"),
        both("cub", recipe=CUB, settings=CUB_SETTINGS, source="released code, CUB"),
        Values(regimes=("single-positive",), settings={"tower": "RN50:openai"}, source="paper, 4.1"),
    ),
)
FROZEN_PAPER = Track(
    recipe=FROZEN, source=FROZEN_SOURCE, datasets=PAPER.datasets, regimes=PAPER.regimes, values=PAPER.values
)

SMOKE = Recipe(resolution=64, batch=64, epochs=4, optimizer="adamw", lr=3e-3, schedule="cosine", cache=True)
SMOKE_FROZEN = SMOKE.at(epochs=20, lr=6e-3)
SMOKE_SETTINGS = {"tower": "tiny", "neighbours": 8, "unknown": "ignored"}
TRACKS = {
    "paper": PAPER,
    "smoke": Track(recipe=SMOKE, frozen=SMOKE_FROZEN, settings={**SMOKE_SETTINGS, "train_from": "attnpool"}),
}
FROZEN_TRACKS = {"paper": FROZEN_PAPER, "smoke": Track(recipe=SMOKE_FROZEN, settings=SMOKE_SETTINGS)}

INFERRED = (
    "partial labels: the paper states only the tower, RN101; the recipe is that for single positive labels, with VOC "
    "2012's values on VOC 2007 and COCO's on VG-200",
    "the resolution is 224 px, the only one in the code, although the paper compares with methods at 448 px "
    "(`recipe.resolution`)",
    "an unknown label is assumed negative until SPLC corrects it, since the paper follows SPLC (`unknown`); a known "
    "absent label is never corrected and never gets a pseudo-label",
    "RN101's graph network has widths d, 2d, 2d and d, as RN50's: 2.1 M parameters",
    "as in the code, graph convolutions use Ā (eq. 3) and not A* as in eq. 6 (`sam_graph`), and images without a "
    "confident label are left out of eq. 10",
    "dynamic graphs (`sam_graph`, `pessl_graph`) have no gradient",
)
FROZEN_INFERRED = (*INFERRED, "learning rates and schedule are those of the trained image tower; the paper gives none")
