"""Tracks and settings of methods with learned prompts. All rows of SARL's Table 4 share a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..recipe import Recipe, Track, Values
from .recipes import SMOKE_PROMPTS

TINY_PROMPTS = {"tower": "tiny", "n_ctx": 4, "start": "a photo of a", "context_sd": None, "offset": -2.0}

DUALCOOP = Recipe(  # released code
    resolution=448,
    views=("dualcoop",),
    test_view="bilinear",
    batch=32,
    epochs=50,
    optimizer="sgd",
    lr=2e-3,
    momentum=0.9,
    weight_decay=5e-4,
    schedule="cosine",
    warmup_epochs=1,
    warmup_lr=1e-5,
)

# fields of a recipe, so values of any type; DualCoOp has the same tower and resolution
DUALCOOPS: Mapping[str, Any] = {"views": DUALCOOP.views, "test_view": DUALCOOP.test_view}
COOPS: Mapping[str, Any] = {"momentum": 0.9, "weight_decay": 5e-4}
SARL_PAPER = Track(
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
SARL_SMOKE = Track(recipe=SMOKE_PROMPTS, settings={**TINY_PROMPTS, "scale": 20.0, "loss": "bce"})

SARL_INFERRED = (
    "P(present) = σ(cos/τ); with the printed softmax over labels (`readout`), at most one label per image exceeds 0.5",
    "τ is the tower's, 0.01 for OpenAI's; contexts are drawn from N(0, 0.02²); momentum and weight decay are CoOp's",
    "views are DualCoOp's; the paper states none",
)
TABLE_4_INFERRED = (
    "SARL's Table 4 gives only results for this row; resolution, loss, optimizer and read-out are SARL's",
)
