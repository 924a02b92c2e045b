"""Tracks and settings of methods on a CNN trunk, after HCP-MLR-PL.

Recipes that train `layer4` follow the released scripts; recipes for a frozen trunk are ours.
"""

from __future__ import annotations

from dataclasses import replace

from ..recipe import Track
from .recipes import CONTROLLED, FROZEN_TRUNK, HCP, HCP_DATASETS, HCP_SCRIPTS, SMOKE_TRUNK

# How the biases of the classifiers are initialised
RELEASED_START = {"start": "released"}  # by torch's default, as in released code
LOG_ODDS_START = {"start": "log-odds"}  # as the log-odds of each class; on frozen trunks, with our recipes

TINY_CLASSIFIER = {"tower": "tiny", "pooling": "avg+max"}  # settings of the track `smoke`
CONTROLLED_TRUNK = Track(recipe=CONTROLLED, settings={"tower": "clip:RN101:openai"})  # also the tower of CLIP methods

HCP_BASELINE = Track(  # a linear classifier on pooled features
    recipe=HCP,
    frozen=FROZEN_TRUNK,
    settings=RELEASED_START,
    frozen_settings=LOG_ODDS_START,
    source=HCP_SCRIPTS,
    datasets=HCP_DATASETS,
    regimes=("partial",),
)

LABEL_FEATURES = {  # SSGRL and KGGR
    "paper": Track(
        recipe=HCP,
        frozen=FROZEN_TRUNK.at(batch=16, epochs=10, lr=2e-4, batch_norm="train"),
        frozen_settings=LOG_ODDS_START,
        source=HCP_SCRIPTS,
        datasets=HCP_DATASETS,
        regimes=("partial",),
    ),
    "smoke": Track(
        recipe=SMOKE_TRUNK.at(batch_norm="train"),  # the new batch norm of the head has no statistics yet
        settings={
            "tower": "tiny",
            "words": "tiny",
            "map_pool": 2,
            "width": 128,
            "attention_width": 64,
            "start": "log-odds",  # otherwise the biases need half of the few steps, and rounding decides the result
        },
    ),
}
TRANSFER = {  # SST and HST
    "paper": replace(
        LABEL_FEATURES["paper"], source="released scripts, COCO and VOC 2007", datasets=("coco2014", "voc2007")
    ),
    "smoke": Track(
        recipe=LABEL_FEATURES["smoke"].recipe,
        # in so few steps, the released weight of 10 would train the trunk on label pairs rather than labels
        settings={**LABEL_FEATURES["smoke"].settings, "transfer_from": 2, "cooccurrence": 1.0},
    ),
}
BLENDING = {  # SARB and DSRB
    "paper": replace(
        LABEL_FEATURES["paper"], source="released scripts, COCO and VG-200", datasets=("coco2014", "vg200")
    ),
    "smoke": Track(
        recipe=LABEL_FEATURES["smoke"].recipe,
        settings={**LABEL_FEATURES["smoke"].settings, "blend_from": 1, "prototype_epochs": (1, 2, 3)},
    ),
}
