"""Rules: the requirements of the checks, as functions of a method's trials. `catalogue` names and explains them.

A rule compares trials on data sets that differ in one thing. It returns a remark, which may be "", or raises `Failed`,
or `Skipped` if it does not apply to the method.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import TypeAlias

import numpy as np

from pmll_datasets.dataset import Dataset
from pmll_datasets.registry import REGIMES
from pmll_methods.method import Card, Scores
from pmll_methods.recipe import Recipe
from pmll_methods.settings import Settings, as_plain, resolve, updated

from ..metrics import average_precision, mean_ap
from ..plan.cell import canonical
from .scenes import RATIO, relabelled, scenes, tested_on
from .trial import Broken, Trials

TOLERANCE = 1e-5  # relative to the largest score: other batch shapes may use other kernels
MARGIN = 0.05  # of mAP above chance

Rule: TypeAlias = Callable[[Trials], str]


class Failed(Exception):
    """The method breaks a rule; the message says what was seen."""


class Skipped(Exception):
    """The rule does not apply to this method; the message says why."""


def difference(found: Scores, expected: Scores, tolerance: float = 0.0) -> str:
    """Describe a difference of scores above a tolerance relative to the largest score; "" if there is none."""
    gap = np.abs(found.astype(np.float64) - expected)
    differing = gap > tolerance * max(1.0, float(np.abs(expected).max()))
    if not differing.any():
        return ""
    return f"{differing.any(axis=1).sum()} of {len(found)} images differ, by up to {gap.max():.2g}"


def expect_same(found: Scores, expected: Scores, tolerance: float = 0.0) -> None:
    """Raise `Failed` if scores differ."""
    if seen := difference(found, expected, tolerance):
        raise Failed(seen)


def scores_as_promised(trials: Trials) -> str:
    images, classes = trials.baseline.scores.shape
    return f"{images} images, {classes} classes"


def same_seed(trials: Trials) -> str:
    expect_same(trials.run(trials.data).scores, trials.baseline.scores)
    return ""


def other_seed(trials: Trials) -> str:
    seen = difference(trials.run(trials.data, seed=1).scores, trials.baseline.scores)
    states = "that it is deterministic" if trials.card.deterministic else ""
    return _as_stated(seen, states, without="seeds 0 and 1 give the same scores")


def hidden_labels(trials: Trials) -> str:
    complete, visible = trials.data.train.labels, trials.baseline.visible
    hidden = visible != complete
    if not hidden.any():
        raise Skipped(f"the regime {trials.regime} hides nothing")
    other = -1 if trials.regime == "single-positive" else -complete  # another positive could be drawn as the known one
    altered = relabelled(trials.data, train=np.where(hidden, other, complete))
    expect_same(trials.run(altered).scores, trials.baseline.scores)
    return f"{(altered.train.labels != complete).sum()} labels altered"


def test_labels(trials: Trials) -> str:
    altered = relabelled(trials.data, test=-trials.data.test.labels)
    expect_same(trials.run(altered).scores, trials.baseline.scores)
    return f"{altered.test.labels.size} labels altered"


def known_labels(trials: Trials) -> str:
    complete, visible = trials.data.train.labels, trials.baseline.visible
    altered = relabelled(trials.data, train=np.where(visible != 0, -complete, complete))
    seen = difference(trials.run(altered).scores, trials.baseline.scores)
    states = "" if trials.card.uses_labels else "that it uses no labels"
    return _as_stated(seen, states, without="with every known label flipped the scores are the same")


def _as_stated(seen: str, states: str, *, without: str) -> str:
    """Scores must differ, unless the card states a reason why they do not."""
    if states and seen:
        raise Failed(f"its card says {states}, but {seen}")
    if states:
        raise Skipped(f"its card says {states}, which is true")
    if not seen:
        raise Failed(without)
    return ""


def order_of_images(trials: Trials) -> str:
    order = np.arange(len(trials.data.test))[::-1]
    expect_same(trials.run(tested_on(trials.data, order)).scores, trials.baseline.scores[order], TOLERANCE)
    return ""


def batches_of_images(trials: Trials) -> str:
    alone = np.array([0])
    expect_same(trials.run(tested_on(trials.data, alone)).scores, trials.baseline.scores[alone], TOLERANCE)
    return ""


def copes_with(change: Callable[[Dataset], Dataset]) -> Rule:
    """The rule that the method works on a changed data set, or raises a clear error."""

    def rule(trials: Trials) -> str:
        try:
            trials.run(change(trials.data)).require_scores()
        except Broken as broken:
            if not broken.clear:
                raise
            return f"refused: {broken.error}"
        return ""

    return rule


def stop_and_resume(trials: Trials) -> str:
    calls = trials.baseline.stop_calls
    if not calls:
        raise Skipped("it never asks whether to stop: after a kill it restarts from the beginning")
    middle = -(-5 * calls // 8)
    for at in sorted({1, middle, calls}) if trials.full else (middle,):
        stopped = trials.run(trials.data, stop_at=at)
        if not stopped.stopped:
            raise Failed(
                f"asked to stop at call {at} of {calls} of should_stop, it ended as {stopped.folder.state().name}"
            )
        try:
            expect_same(trials.run(trials.data, store=stopped.store).scores, trials.baseline.scores)
        except Failed as failed:
            raise Failed(f"stopped at call {at} of {calls} of should_stop: {failed}") from None
    return ""


def grouped(trials: Trials) -> str:
    if not trials.kind.grouped:
        raise Skipped("its cells train alone, not in groups")
    if not REGIMES[trials.regime].has_ratio:
        raise Skipped(f"the regime {trials.regime} has one ratio and thus no groups")
    together = trials.run(trials.data, ratios=(RATIO / 2, RATIO))
    expect_same(together.scores, trials.baseline.scores)
    return f"a group of {len(together.cells)}"


def settings_survive(trials: Trials) -> str:
    card, defaults = trials.card, trials.kind.settings_class()
    for track in card.tracks:
        for record in _resolved(card, defaults, track):
            again = updated(record, json.loads(canonical(as_plain(record))), where=f"track {track}")
            for field in fields(record):
                meant, read = (getattr(each, field.name) for each in (record, again))
                if meant != read:
                    raise Failed(f"{field.name} of track {track} is {meant!r}, but {read!r} when read back")
    return f"tracks {', '.join(card.tracks)}"


def _resolved(card: Card, defaults: Settings, track: str) -> Iterator[Settings | Recipe]:
    """The settings and recipes of a track, for each data set and regime with its own values."""
    values = card.tracks[track].values
    for dataset in {"", *(name for each in values for name in each.datasets)}:
        for regime in {"", *(name for each in values for name in each.regimes)}:
            found = resolve(card, defaults, track, {}, {}, dataset=dataset, regime=regime)
            yield found.settings
            yield found.recipe


def regimes(trials: Trials) -> str:
    for regime in trials.card.regimes:
        if regime != trials.regime:
            try:
                trials.run(trials.data, regime=regime).require_scores()
            except Broken as broken:
                raise Failed(f"regime {regime}: {broken.error}") from broken
    return ", ".join(trials.card.regimes)


def learns(trials: Trials) -> str:
    data = scenes(train=300, test=200)
    scores, labels = trials.run(data, sets=()).scores, data.test.labels
    reached, chance = (mean_ap(average_precision(each, labels)) for each in (scores, np.zeros_like(scores)))
    seen = f"mAP {100 * reached:.1f}, chance {100 * chance:.1f}"
    if reached < chance + MARGIN:
        raise Failed(f"{seen}, expected at least {100 * MARGIN:g} above chance")
    return seen
