"""The paper track of `scinet`: values of the released code by data set.

wuliwuxin/SCINet (ad38024), a copy of SCPNet's code with its own table of values. It trains the image tower (variant
`released`). Variant `paper` has frozen towers and the same learning rates, as `scpnet-frozen` has.
"""

from __future__ import annotations

from ..recipe import Recipe, Track
from .scpnet import FROZEN_SOURCE, both, ema, rates

RELEASED = Recipe(
    resolution=224,
    views=("weak", "scinet-medium", "scpnet-strong"),
    test_view="centre-bilinear",
    batch=64,
    epochs=120,
    **rates(4e-5, graph=2e-4),
    optimizer="adam",
    weight_decay=1e-4,
    decay_vectors=False,
    schedule="onecycle",
    ema=ema(45),
    batch_norm="train-from-second",  # as in SCPNet's code
)
COCO = {**rates(3e-5, graph=2e-4), "batch": 32, "ema": ema(641)}
CUB = {**rates(3e-4, graph=2e-4), "batch": 32, "epochs": 30, "ema": ema(47)}

PAPER = Track(
    recipe=RELEASED,
    frozen=RELEASED.at(batch_norm="eval"),
    source="released code, VOC",
    frozen_source=FROZEN_SOURCE,
    datasets=("voc2007", "voc2012", "coco2014", "cub"),
    regimes=("full", "single-positive"),
    values=(
        both("coco2014", recipe=COCO, settings={"neighbours": 62}, source="released code, COCO"),
        both(
            "coco2014",
            recipe={"epochs": 60},
            settings={},
            source="inferred: SCPNet's; the released value, one epoch, is implausible",
        ),
        both("cub", recipe=CUB, settings={"neighbours": 312}, source="released code, CUB"),
    ),
)
