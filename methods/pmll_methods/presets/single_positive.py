"""Tracks per data set of methods for single positive labels, by Cole et al. and in work that builds on their code.

Cole et al. (CVPR 2021) select the batch size, 8 or 16, and the learning rate, 1e-2 to 1e-5, on complete validation
labels. They do not release the selected values for end-to-end training. Zhou et al. (EM, ECCV 2022) use their code and
release one configuration per data set, including one for AN.
"""

from __future__ import annotations

from dataclasses import replace

from ..recipe import Recipe, Track, Values
from .departures import ALL_IMAGES, ALL_TEST_IMAGES, DIFFICULT_PRESENT
from .recipes import SMOKE_TRUNK
from .trunks import LOG_ODDS_START, RELEASED_START

DATASETS = ("voc2012", "coco2014", "nuswide", "cub")
STATED = ("single-positive",)
AS_2012 = "inferred: as on VOC 2012"
COLE = "Cole et al.'s released code"
EM = "EM's released code, for AN"  # within the search space of Cole et al.
LATER = "later code of the same authors, all data sets"  # youngwk/BridgeGapExplanationPAMC
FROM_AN_LS = f"{COLE}, linear phase of AN-LS"

END_TO_END = Recipe(  # mode end_to_end; batch and rate: EM on COCO
    resolution=448,
    views=("bilinear+flip",),
    test_view="bilinear",
    batch=16,
    epochs=10,
    optimizer="adam",
    lr=1e-5,
    batch_norm="train",
    drop_last=True,
)
LINEAR = END_TO_END.at(  # mode linear_fixed_features; batch and rate of AN-LS on VOC, COCO and CUB
    views=("bilinear",), batch=8, epochs=25, lr=1e-4, batch_norm="eval", cache=True
)
SEARCHED = (
    Values(recipe={"batch": 16, "lr": 1e-5}, source=EM),
    Values(datasets=("voc2012",), recipe={"batch": 8}, source=EM),
    Values(datasets=("cub",), recipe={"batch": 8, "lr": 1e-4}, source=EM),
    Values(datasets=("voc2007",), recipe={"batch": 8}, source=AS_2012),
)
POSITIVES = {"voc2012": 1.5, "coco2014": 2.9, "nuswide": 1.9, "cub": 31.4}  # present labels per image, k
EXPECTED = (  # k cannot be estimated if only present labels are known
    *(
        Values(datasets=(name,), regimes=STATED, settings={"expected_positives": k}, source=COLE)
        for name, k in POSITIVES.items()
    ),
    Values(datasets=("voc2007",), regimes=STATED, settings={"expected_positives": 1.5}, source=AS_2012),
)

PAPER = Track(
    recipe=END_TO_END,
    frozen=LINEAR,
    settings=RELEASED_START,
    frozen_settings=LOG_ODDS_START,
    source=COLE,
    frozen_source=f"{COLE}; batch and rate: AN-LS",
    datasets=DATASETS,
    regimes=STATED,
    values=(*SEARCHED, Values(datasets=("nuswide",), frozen={"batch": 16}, source=FROM_AN_LS)),
)
DIFFERS = (
    ALL_IMAGES,
    DIFFICULT_PRESENT,
    ALL_TEST_IMAGES,
    "features of a frozen trunk are standardised; in the code they are not (no setting)",
)

SMOKE_SETTINGS = {"tower": "tiny", "pooling": "avg+max", "train_from": "auto"}
SMOKE = Track(recipe=SMOKE_TRUNK, settings=SMOKE_SETTINGS)
OF_SHAPES = {"expected_positives": 1.9}  # the mean of `shapes`; the paper likewise uses the means of its data sets


def large_loss_tracks(delta: float) -> dict[str, Track]:
    """The tracks of a method of Kim et al. (Large Loss, CVPR 2022), with `delta` from the authors' later code."""
    return {
        "paper": Track(
            recipe=END_TO_END.at(lr_scale={"head": 10}, drop_last=False),
            frozen=LINEAR.at(batch=16, drop_last=False),
            settings=RELEASED_START,
            frozen_settings=LOG_ODDS_START,
            source="released code",
            datasets=DATASETS,
            regimes=STATED,
            values=(Values(settings={"delta": delta}, source=LATER),),
        ),
        "smoke": replace(SMOKE, settings={**SMOKE_SETTINGS, "delta": 0.01}),
    }


TRACKS = {"paper": PAPER, "smoke": SMOKE}
REGIMES = ("full", "partial", "single-positive")
TRAINS = "the trunk and a linear classifier; on a frozen trunk, only the classifier"
INFERRED = (
    "batch size and learning rate are those of AN in EM's code; the paper selects them on complete validation labels",
    "a known absent label has the loss of a negative label",
)
LINEAR_BATCHES = (  # batch sizes of the optional linear phase
    Values(settings={"linear_batch": 8}, source=FROM_AN_LS),
    Values(datasets=("nuswide",), settings={"linear_batch": 16}, source=FROM_AN_LS),
)
