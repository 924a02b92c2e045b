"""The checks by name: the rule, the reason for it, and what to do if a method fails it."""

from __future__ import annotations

from dataclasses import dataclass

from . import rules
from .scenes import label_set, one_class, one_image, row_unknown


@dataclass(frozen=True)
class Check:
    """One rule that every method keeps."""

    name: str
    rule: rules.Rule
    reason: str
    hint: str
    full: bool = False  # part of the long form only


NEEDED = Check(
    "finite float32 scores of the right shape",
    rules.scores_as_promised,
    "every number of the benchmark comes from one float32 score per test image and class",
    "return a float32 array [images, classes] in the order of `images`, without NaN and infinity",
)
"""Comes first: the other checks need scores."""

CHECKS: tuple[Check, ...] = (
    Check(
        "same seed, same scores",
        rules.same_seed,
        "a cell's identity stands for one number; two runs of it must be equal to the bit",
        "draw all random numbers from run.seed (in a learner: step.generator); keep no state in globals or classes",
    ),
    Check(
        "different seed, different scores",
        rules.other_seed,
        "a standard deviation over seeds is meaningless if the method ignores the seed",
        "draw initialisation and order from run.seed, or state deterministic=True in the card",
    ),
    Check(
        "hidden labels altered on disk: scores unchanged",
        rules.hidden_labels,
        "hidden labels must not reach training; here all of them are flipped in labels.csv",
        "take labels from train.labels alone (0 is unknown); do not open files of the data set",
    ),
    Check(
        "test labels altered on disk: scores unchanged",
        rules.test_labels,
        "test labels are for the benchmark alone; here all of them are flipped in labels.csv",
        "predict from pixels and the trained model; do not open files of the data set",
    ),
    Check(
        "known labels flipped: scores change",
        rules.known_labels,
        "a method that learns nothing from labels is not comparable with those that do",
        "train on train.labels, or state uses_labels=False in the card",
    ),
    Check(
        "test order permuted: scores permuted the same way",
        rules.order_of_images,
        "the score of an image must not depend on its position",
        "score each image on its own, in the order of `images`; keep no state between images in predict",
    ),
    Check(
        "image batch size has no effect",
        rules.batches_of_images,
        "the score of an image must not depend on its batch (as with batch norm in training mode)",
        "call eval() before predicting; do not normalise over a batch or over the test images",
    ),
    Check(
        "an all-unknown row",
        rules.copes_with(row_unknown),
        "at low ratios many images have no known label at all",
        "clamp counts of known labels before dividing by them, or raise MethodError with a message",
    ),
    Check(
        "a label without positives",
        rules.copes_with(lambda data: label_set(data, -1)),
        "rare labels have no known positives at low ratios",
        "guard means over a label's positives, or raise MethodError with a message",
    ),
    Check(
        "a label that is never known",
        rules.copes_with(lambda data: label_set(data, 0)),
        "a label may be unknown in every training image",
        "guard means over a label's known entries, or raise MethodError with a message",
    ),
    Check(
        "one training image",
        rules.copes_with(one_image),
        "small data sets and low ratios must not end in an obscure error",
        "guard against an empty or tiny batch, or raise MethodError with a message",
    ),
    Check(
        "one class",
        rules.copes_with(one_class),
        "a user's data set may have a single label",
        "keep the class axis (no squeeze), guard comparisons of classes, or raise MethodError with a message",
    ),
    Check(
        "stop and resume equals an uninterrupted run",
        rules.stop_and_resume,
        "clusters kill jobs; results must not depend on when",
        "keep all state in what is saved (in a learner: parameters and buffers); key random numbers by the step",
    ),
    Check(
        "alone equals grouped",
        rules.grouped,
        "cells of several ratios train together to save time; this must not change any result",
        "encode with the frozen tower alone; keep no state in class attributes or on the tower",
    ),
    Check(
        "settings survive JSON",
        rules.settings_survive,
        "settings and recipe are stored with each result, and a resumed cell is built from them",
        "use numbers, strings, booleans, None, and tuples and mappings of them, with exact type annotations",
    ),
    Check(
        "declared regimes run",
        rules.regimes,
        "a grid may plan every regime that the card names",
        "name only regimes in which the method can train",
    ),
    Check(
        "learns",
        rules.learns,
        f"300 scenes at half the labels should lift mAP {100 * rules.MARGIN:g} points above chance",
        "look at the loss with 'pmll-bench run'; is the smoke track's recipe long enough?",
        full=True,
    ),
)
