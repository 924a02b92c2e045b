"""Tracks of the semi-supervised methods per data set. CAP's are released; SSMLL's are inferred from CAP's."""

from __future__ import annotations

from ..recipe import Recipe, Track, Values
from .prompts import DUALCOOP
from .recipes import FROZEN_TRUNK
from .trunks import LOG_ODDS_START, RELEASED_START

DATASETS = ("coco2014", "voc2012", "nuswide")
VOC = ("voc2007", "voc2012")
VIEWS = ("flip+bilinear", "flip+bilinear+randaugment", "flip+dualcoop")  # CAP's released code; the last has Cutout
HALVED = {"later_batch": 0.5}

CAP = Track(
    recipe=Recipe(
        resolution=224,
        views=VIEWS,
        test_view="bilinear",
        batch=64,
        epochs=40,
        optimizer="adamw",
        lr=1e-4,
        weight_decay=1e-4,
        schedule="onecycle",
        ema=0.9997,
        batch_norm="train",
    ),
    frozen=FROZEN_TRUNK.at(epochs=40, ema=0.99),
    settings=RELEASED_START,
    frozen_settings=LOG_ODDS_START,
    source="released code",
    datasets=DATASETS,
    values=(
        Values(datasets=("voc2012",), settings=HALVED, source="released code, VOC 2012"),
        Values(datasets=("voc2007",), settings=HALVED, source="inferred: as on VOC 2012"),
        Values(datasets=("nuswide",), settings={"second_start": "averaged"}, source="released code, NUS-WIDE"),
    ),
)

SSMLL = Track(
    recipe=DUALCOOP.at(views=VIEWS, batch=64, epochs=40, ema=0.9997),
    source="inferred: resolution, optimizer and schedule are DualCoOp's, the rest is CAP's",
    datasets=DATASETS,
    values=(
        Values(datasets=("coco2014",), settings={"k": 6}, source="paper, summary"),
        Values(datasets=("nuswide",), settings={"k": 6}, source="inferred: about a tenth of the number of classes"),
        Values(datasets=VOC, settings={"k": 4}, source="inferred: about a tenth of the number of classes, at least 4"),
        Values(datasets=VOC, settings=HALVED, source="inferred: as in CAP's code"),
    ),
)
