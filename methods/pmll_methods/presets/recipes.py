"""Recipes that methods share: HCP-MLR-PL's, and ours for frozen trunks and the tracks `smoke` and `controlled`."""

from __future__ import annotations

from ..recipe import Recipe

HCP = Recipe(  # HCP-MLR-PL's scripts of SST, HST, SARB and DSRB; their papers' tables also use it for SSGRL
    resolution=448,
    views=("hcp",),
    batch=8,
    epochs=20,
    optimizer="adam",
    lr=1e-5,
    weight_decay=5e-4,
    schedule="step",
    decay_epochs=(10,),
    batch_norm="train",  # in the trained layers; frozen layers keep their statistics
    drop_last=True,
)
HCP_SCRIPTS = "released scripts of HCP-MLR-PL"  # for COCO; earlier versions: VOC 2007 (SST), VG-200 (SARB)
HCP_DATASETS = ("coco2014", "voc2007", "vg200")

FROZEN_TRUNK = Recipe(  # ours: a head on fixed features
    resolution=448,
    batch=64,
    epochs=20,
    optimizer="adamw",
    lr=1e-4,
    weight_decay=1e-2,
    schedule="cosine",
    cache=True,
)
CONTROLLED = Recipe(  # ours: the same trunk, resolution, augmentation and budget for all methods
    resolution=448,
    views=("hcp",),
    batch=32,
    epochs=20,
    optimizer="adamw",
    lr=5e-4,
    rates=(2e-5, 1e-4, 5e-4, 2.5e-3, 1.25e-2),  # a wide grid: heads and prompts need larger rates than trunks
    validation=0.2,
    weight_decay=1e-2,
    schedule="cosine",
    warmup_epochs=1,
    batch_norm="train",
)

SMOKE_TRUNK = Recipe(  # ours: seconds on `shapes` with the trunk `tiny`
    resolution=64,
    batch=32,
    epochs=4,
    optimizer="adamw",
    lr=1.5e-3,
    weight_decay=1e-2,
    schedule="cosine",
    warmup_epochs=0.5,
    cache=True,
)
SMOKE_PROMPTS = Recipe(  # ours: seconds on `shapes` with the towers `tiny`
    resolution=64, batch=64, epochs=20, optimizer="adamw", lr=2e-2, schedule="cosine", warmup_epochs=1, cache=True
)
