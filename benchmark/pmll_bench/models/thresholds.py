"""The score from which a class counts as present: chosen on known labels that the model was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64
from scipy.special import logit

from pmll_datasets.handles import opaque_images
from pmll_datasets.loader import ImageSet
from pmll_errors import counted
from pmll_methods.method import Labels, Scores

from ..machine import cores, usual_workers
from ..running.selection import ranking_labels
from ..running.train_set import hold_out, train_set
from ..store.cell_folder import CellFolder
from ..store.scored_data import planned_of
from .kept import KeptModel

LEAST = 3
"""The known present and the known absent labels that a class needs for a threshold of its own."""
NAMED = 5
"""Classes that are named in one message."""
NONE_HELD_OUT = (
    "no training label was held out, so a class is present from a probability of 0.5; to choose thresholds on held-out "
    "labels, train with --set recipe.selection=best-val --set recipe.validation=0.2, or give --threshold"
)


@dataclass(frozen=True)
class Thresholds:
    """The lowest score of each class that counts as present, and how they were chosen, in one sentence."""

    values: Float64[np.ndarray, " c"]
    how: str


def fixed(probability: float, classes: int) -> Thresholds:
    """One threshold for all classes, given as a probability. It needs scores that are logits."""
    return Thresholds(np.full(classes, logit(probability)), f"a class is present from a probability of {probability:g}")


def chosen(model: KeptModel, folder: CellFolder, data_root: Path | None = None) -> Thresholds:
    """The threshold of each class with the highest F1 on known training labels that the model was not trained on.

    These are the labels of held-out images (`recipe.selection=best-val`), or all known ones if the method uses no
    labels. If the model was trained on all of them, a class is present from a probability of 0.5; scores that are no
    logits have none, so that the labels of training must do.

    Raises `DataError` if the data set is needed and is missing or has changed.
    """
    classes = len(model.classes)
    unseen = not model.uses_labels
    held_out = model.run.recipe.selection == "best-val"
    if model.logits and not (held_out or unseen):
        return Thresholds(np.zeros(classes), NONE_HELD_OUT)
    whole = train_set(*planned_of(folder, data_root), workers=usual_workers(cores()))
    if held_out and not unseen:
        rows, images = hold_out(whole, model.run.recipe.validation)
        labels, whose = whole.labels[rows], f"{counted(int(rows.sum()), 'held-out training image')}"
    else:
        images, labels = ImageSet(opaque_images(whole.images), whole.workers), whole.labels
        whose = counted(len(whole), "training image")
        whose += ", of which the method uses no label" if unseen else ", on which the model was trained: a weak choice"
    return best_by_f1(model.predict(images), ranking_labels(labels), model, whose)


def best_by_f1(scores: Scores, labels: Labels, model: KeptModel, whose: str) -> Thresholds:
    """The threshold with the highest F1 of each class; classes with too few known labels share one."""
    known = labels != 0
    enough = ((labels > 0).sum(axis=0) >= LEAST) & ((labels < 0).sum(axis=0) >= LEAST)
    values = np.zeros(labels.shape[1])
    for c in np.flatnonzero(enough):
        values[c] = best_threshold(scores[known[:, c], c].astype(np.float64), labels[known[:, c], c] > 0)
    how = f"the threshold of each class has the highest F1 on the known labels of {whose}"
    if not enough.all():
        few = [name for name, has in zip(model.classes, enough, strict=True) if not has]
        values[~enough], instead = (0.0, "0.5") if model.logits else (_common(scores, labels), "that of all classes")
        shown = ", ".join(few[:NAMED]) + (f" and {len(few) - NAMED} more" if len(few) > NAMED else "")
        have = "has" if len(few) == 1 else "have"
        how += f"; {shown} {have} fewer than {LEAST} present or absent ones there: {instead}"
    return Thresholds(values, how)


def _common(scores: Scores, labels: Labels) -> float:
    """The threshold with the highest F1 over the known labels of all classes together."""
    known = labels != 0
    return best_threshold(scores[known].astype(np.float64), labels[known] > 0)


def best_threshold(scores: Float64[np.ndarray, " n"], present: Bool[np.ndarray, " n"]) -> float:
    """The threshold with the highest F1, halfway between two scores; of several, the highest.

    >>> best_threshold(np.array([3.0, 1.0, -1.0, -2.0]), np.array([True, True, False, False]))
    0.0
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(present[order])
    f1 = 2 * hits / (np.arange(1, len(scores) + 1) + present.sum())
    last = np.append(ranked[1:] < ranked[:-1], True)  # of equal scores, the last: all of them are predicted together
    best = int(np.argmax(np.where(last, f1, -1.0)))
    below = ranked[best + 1] if best + 1 < len(ranked) else ranked[best]
    return float((ranked[best] + below) / 2)
