"""The checks by name: the rule, why it is made, and what to do where a method fails it."""

from __future__ import annotations

from dataclasses import dataclass

from . import rules
from .scenes import label_set, one_class, one_image, row_unknown


@dataclass(frozen=True)
class Check:
    """One thing that every method is to keep."""

    name: str
    rule: rules.Rule
    reason: str
    hint: str
    full: bool = False  # part of the long form only


NEEDED = Check(
    "finite float32 scores of the right shape",
    rules.scores_as_promised,
    "every number of the bench comes from one float32 score per test image and class",
    "return a float32 array [images, classes] in the order of `images`, without NaN and infinity",
)
"""Comes first: without scores no other check can say anything."""

CHECKS: tuple[Check, ...] = (
    Check(
        "same seed, same scores",
        rules.same_seed,
        "a cell's identity promises one number; two runs of it must not differ by a bit",
        "draw all randomness from run.seed (a learner: step.generator); keep nothing in globals or class attributes",
    ),
    Check(
        "another seed, other scores",
        rules.other_seed,
        "means over seeds say nothing about a method whose seed is fixed inside",
        "draw initialisation and order from run.seed, or state deterministic=True in the card",
    ),
    Check(
        "hidden labels altered on disk: scores unchanged",
        rules.hidden_labels,
        "a hidden label must not reach training; here every one of them was flipped in labels.csv",
        "take labels from train.labels alone (0 is unknown); open no file of the data set",
    ),
    Check(
        "test labels altered on disk: scores unchanged",
        rules.test_labels,
        "test labels are for the bench alone; here every one of them was flipped in labels.csv",
        "predict from pixels and from what was learned; open no file of the data set",
    ),
    Check(
        "known labels flipped: scores change",
        rules.known_labels,
        "a method that learns nothing from labels must not stand among those that do",
        "train on train.labels, or state uses_labels=False in the card",
    ),
    Check(
        "test order permuted, scores permuted alike",
        rules.order_of_images,
        "an image's score must not depend on its place in the list",
        "score each image by itself, in the order of `images`; keep no state from image to image in predict",
    ),
    Check(
        "image batch size doesn't matter",
        rules.batches_of_images,
        "an image's score must not depend on the images beside it (batch norm left in training mode does that)",
        "call eval() before predicting, and normalise nothing over a batch or over the test images",
    ),
    Check(
        "an all-unknown row",
        rules.copes_with(row_unknown),
        "at low ratios many images have no known label at all",
        "divide by no count of known labels without a lower bound, or raise MethodError with a message",
    ),
    Check(
        "a label without positives",
        rules.copes_with(lambda data: label_set(data, -1)),
        "rare labels have no known positive at low ratios",
        "guard means over a label's positives, or raise MethodError with a message",
    ),
    Check(
        "a label never known",
        rules.copes_with(lambda data: label_set(data, 0)),
        "a label may be unknown in every training image",
        "guard means over a label's known entries, or raise MethodError with a message",
    ),
    Check(
        "one training image",
        rules.copes_with(one_image),
        "small data sets and small shares must not end in an obscure error",
        "guard against an empty or tiny batch, or raise MethodError with a message",
    ),
    Check(
        "one class",
        rules.copes_with(one_class),
        "a user's data set may have a single label",
        "keep the class axis (no squeeze), guard what compares classes, or raise MethodError with a message",
    ),
    Check(
        "stop and resume equals unbroken",
        rules.stop_and_resume,
        "clusters kill jobs; a number must not depend on when",
        "keep all state in what is saved (a learner: parameters and buffers), random numbers keyed by the step",
    ),
    Check(
        "alone equals grouped",
        rules.grouped,
        "cells of several ratios train together to save time; that must not change a number",
        "let encode depend on the frozen tower alone, and keep nothing in class attributes or on the tower",
    ),
    Check(
        "settings survive JSON",
        rules.settings_survive,
        "settings and recipe are stored with each number, and are what a resumed cell is built from",
        "use numbers, text, true/false, None, tuples and mappings of them, each with its exact type annotation",
    ),
    Check(
        "declared regimes run",
        rules.regimes,
        "a grid plans every regime that the card names",
        "name in the card's regimes those that the method can train in",
    ),
    Check(
        "learns",
        rules.learns,
        f"300 scenes at half the labels should lift mAP {100 * rules.MARGIN:g} points above chance",
        "look at the loss with 'pmll-bench run'; is the smoke track's recipe long enough?",
        full=True,
    ),
)
