"""Tracks and settings that the prompt methods of SARL's Table 4 share: `coop`, `coop-csp`, `coop-sd`, `sarl`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..recipe import Recipe, Track, Values

TINY_PROMPTS = {"tower": "tiny", "n_ctx": 4, "start": "a photo of a", "context_sd": None, "offset": -2.0}
DUALCOOPS: Mapping[str, Any] = {"views": ("dualcoop",), "test_view": "bilinear"}  # the same tower and resolution
COOPS: Mapping[str, Any] = {"momentum": 0.9, "weight_decay": 5e-4}
PAPER = Track(
    recipe=Recipe(
        resolution=448,
        batch=64,
        epochs=100,
        optimizer="sgd",
        lr=2e-3,
        schedule="cosine",
        warmup_epochs=1,
        warmup_lr=5e-4,
        **DUALCOOPS,
        **COOPS,
    ),
    source="SARL, 4.2",
    datasets=("coco2014", "voc2007"),
    regimes=("partial",),
    values=(
        Values(recipe=DUALCOOPS, source="inferred: DualCoOp's, released code"),
        Values(recipe=COOPS, source="inferred: CoOp's, released code"),
    ),
)
SMOKE_SETTINGS = {**TINY_PROMPTS, "scale": 20.0, "loss": "bce"}
INFERRED = (
    "σ(cos/τ) is read out: with the printed softmax over labels (`readout`) at most one label an image would pass 0.5",
    "τ is the tower's own, 0.01 for OpenAI's; contexts start from N(0, 0.02²); momentum and weight decay are CoOp's",
    "views are DualCoOp's: the paper names none",
)
AFTER_SARL = ("SARL's Table 4 gives numbers alone for it: resolution, loss, optimizer and read-out are SARL's",)
