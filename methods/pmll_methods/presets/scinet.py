"""Tracks of `scinet`, with the released values per data set, and the lists of inferred parts and departures.

The released code (wuliwuxin/SCINet, ad38024) is a copy of SCPNet's with a different table of values. It trains the
image tower (variant `released`). Variant `paper` has frozen towers and the same learning rates, like `scpnet-frozen`.
"""

from __future__ import annotations

from ..recipe import Recipe, Track
from .departures import TRAINED_CLIP
from .scpnet import FROZEN_SOURCE, both, ema, rates
from .scpnet import RELEASED as SCPNET

RELEASED = SCPNET.at(
    views=("weak", "scinet-medium", "scpnet-strong"),
    batch=64,
    epochs=120,
    horizon=None,
    **rates(4e-5, graph=2e-4),
    ema=ema(45),
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

SMOKE = Recipe(resolution=64, batch=64, epochs=16, optimizer="adamw", lr=1e-4, schedule="cosine", cache=True)
SMOKE_FROZEN = SMOKE.at(lr=2e-2, lr_scale={"graph": 0.5})  # SMOKE is for a trained image tower
SMOKE_SETTINGS = {"tower": "tiny", "unknown": "ignored", "hard_k": 3, "lambda_u": 0.03, "lambda_c": 0.06}
TRACKS = {"paper": PAPER, "smoke": Track(recipe=SMOKE, frozen=SMOKE_FROZEN, settings=SMOKE_SETTINGS)}

INFERRED = (
    "variant paper is reconstructed from figures: prompter, fusion and the losses a, b and c, on frozen towers",
    "fusion is a closed-form smoothing over a graph of images and a graph of labels",
    "loss weights, learning rates and schedule are those of the released code, which trains the image tower; they are "
    "also used with frozen towers, as in scpnet-frozen",
    "partial labels: the code reads the ratio without using it; here an unknown label is assumed negative until SPLC "
    "corrects it (`unknown`), and a known absent label is never corrected",
    "the medium view is SCPNet's strong view with a single operation; the code's list of operations is not released",
)
DIFFERS = (
    *TRAINED_CLIP,
    "variant paper: the code has no fusion, trains the image tower and doubles the loss (variant=released)",
    "known absent labels stay absent; the code has only present and unknown labels (known_negatives=ignore)",
    "training on COCO takes 60 epochs; the code has one (recipe.epochs=1)",
    "variant released: one forward pass with a doubled loss; the code makes two passes, which update the batch-norm "
    "statistics twice per step (no setting)",
)
