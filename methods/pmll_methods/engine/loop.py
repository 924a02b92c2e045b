"""The training loop and the prediction loop: the cells of a group share images, views and frozen towers.

One step of training, from batch to averaged weights::

    positions = rows of each stream for this step        # a function of seed and epoch, the same for all cells
    features = encode(views of the images)                # the frozen part, once for the group
    for each cell:                                        # `Member.train_step`
        batch = features, masked labels, positions
        head = learner.head()                             # text features, label graph
        terms = learner.loss(batch, head, step)           # named, weighted, checked to be finite
        sum(terms).backward(); clip the gradient norm     # recipe.clip
        lr = schedule(step) * phase.lr_scale * recipe.lr_scale[group]
        optimizer.step()
        average = ema * average + (1 - ema) * weights     # recipe.ema
    save if a save is due; raise Stopped if a run requests a stop

The sweeps that learners request run before an epoch. After it, losses and pseudo-labels are recorded, and the benchmark
may predict and select.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..learners.learner import AnyLearner, Features, Phase, PseudoLabels, Sweep, with_horizon
from ..method import ImageSet, Positions, Run, Stopped
from . import ema
from .feed import Feed, epoch_batches, in_order
from .isolation import isolate_errors
from .member import Member, Place, read_losses
from .predicting import select_epoch


class Calendar(NamedTuple):
    """The number of epochs before a phase, and in all phases."""

    before: int
    epochs: int


def fit_group(learners: Sequence[AnyLearner], images: ImageSet, runs: Sequence[Run]) -> list[Exception | None]:
    """Train learners of one recipe and seed in lockstep on the same images.

    Every cell runs the same kernels with the same shapes as it would alone, so its result is bit-identical. A cell that
    fails or diverges drops out without affecting the others; its exception is returned instead.

    Returns:
        One entry per learner: None, or the exception that ended its training.

    Raises:
        Stopped: A run requested a stop; the states of all cells are saved.
    """
    members = [Member(learner, run) for learner, run in zip(learners, runs, strict=True)]
    if not members:
        return []
    lead = members[0]
    feed = Feed(images, lead.learner, lead.recipe, lead.run.device, lead.run.seed)
    cohorts = _cohorts(members)
    for cohort in cohorts:
        place = _fit(cohort, feed)
        if cohort is not cohorts[-1]:
            for member in _alive(cohort):
                member.save(place)  # so that a stop in a later cohort does not lose this training
    return [member.failure for member in members]


def _cohorts(members: Sequence[Member]) -> list[list[Member]]:
    """Members grouped by phases and streams of images, since only members with the same ones can share a step.

    Streams depend on labels. For a method with a stream of unlabelled images, every ratio is a cohort.
    """
    cohorts: list[tuple[_Plan, list[Member]]] = []
    for member in members:
        with isolate_errors(member.fail):  # a method may refuse its labels, for example if none is known
            plan = _Plan.of(member.learner)
            mates = next((each for other, each in cohorts if other.same_as(plan)), None)
            if mates is None:
                cohorts.append((plan, [member]))
            else:
                mates.append(member)
    return [mates for _, mates in cohorts]


class _Plan(NamedTuple):
    """The phases of a learner, and the training positions of their streams."""

    phases: tuple[Phase, ...]
    streams: dict[str, Tensor]

    @classmethod
    def of(cls, learner: AnyLearner) -> _Plan:
        phases = learner.phases()
        return cls(phases, {name: learner.stream(name) for phase in phases for name in phase.streams})

    def same_as(self, other: _Plan) -> bool:
        return self.phases == other.phases and all(
            torch.equal(rows, other.streams[name]) for name, rows in self.streams.items()
        )


def _fit(members: Sequence[Member], feed: Feed) -> Place:
    """Train one cohort to the end, from its newest common state, and return the final place."""
    place = _resume(members)
    with torch.random.fork_rng(devices=[]):
        phases = with_horizon(members[0].learner.phases(), members[0].recipe)
        for number, phase in enumerate(phases):
            if number < place.phase:
                continue
            calendar = Calendar(sum(before.epochs for before in phases[:number]), sum(each.epochs for each in phases))
            if place == Place(number, 0, 0, place.done):
                for member in _alive(members):
                    with isolate_errors(member.fail):
                        if phase.from_average and member.average:
                            ema.load(member.learner, member.average)
                        member.begin_phase()
            for epoch in range(place.epoch, phase.epochs):
                if not _alive(members):
                    break
                place = _epoch(members, feed, phase, calendar, Place(number, epoch, place.step, place.done))
            place = Place(number + 1, 0, 0, place.done)
    for member in members:
        if member.average:
            ema.load(member.learner, member.average)
        member.set_mode(training=False)
    return place


def _resume(members: Sequence[Member]) -> Place:
    """The newest place that all members have saved; the start if there is none."""
    common = set(members[0].run.saved_steps())
    for member in members[1:]:
        common &= set(member.run.saved_steps())
    if not common:
        return Place()
    places = []
    for member in members:
        with isolate_errors(member.fail):
            places.append(member.restore(max(common)))
    return places[0] if places else Place()


def _epoch(members: Sequence[Member], feed: Feed, phase: Phase, calendar: Calendar, place: Place) -> Place:
    """Run one epoch from `place`: the sweeps before it, then its steps. Returns the place of the next epoch."""
    number = calendar.before + place.epoch  # views and order continue across phases
    if place.step == 0:
        _sweep(members, feed, number)
    batches: list[dict[str, Tensor]] = []
    if phase.steps:
        lead = members[0]
        rows = {name: lead.learner.stream(name) for name in phase.streams}
        sizes = {name: len(positions) for name, positions in rows.items()}
        plan = epoch_batches(phase, sizes, feed.seed, number, drop_last=lead.recipe.drop_last)
        batches = [{name: rows[name][torch.from_numpy(chosen)] for name, chosen in step.items()} for step in plan]
    features = _streams(feed, batches[place.step :], phase, number)
    for step in range(place.step, len(batches)):
        if not _alive(members):
            break
        here = Place(place.phase, place.epoch, step, place.done + step - place.step)
        views = next(features)
        for member in _alive(members):
            with isolate_errors(member.fail):
                member.train_step(member.batch(views, batches[step]), phase, here, len(batches))
        _pause(members, Place(place.phase, place.epoch, step + 1, here.done + 1), last=step + 1 == len(batches))
    after = Place(place.phase, place.epoch + 1, 0, place.done + len(batches) - place.step)
    read_losses(members)
    for member in _alive(members):
        member.epoch_done(number + 1, calendar.epochs)
        with isolate_errors(member.fail):
            _record_pseudo_labels(member)
    select_epoch(_alive(members), number + 1)
    _pause(members, after, last=after.epoch == phase.epochs)
    return after


def _record_pseudo_labels(member: Member) -> None:
    """Record a learner's pseudo-labels, which the benchmark compares with the complete labels."""
    for name, made in member.learner.pseudo_labels().items():
        if isinstance(made, PseudoLabels):
            member.run.record(name, made.positions.cpu().numpy(), made.labels.cpu().numpy())
        else:
            member.run.record(name, np.empty(0, np.int64), np.array(made))


def _streams(
    feed: Feed, batches: Sequence[dict[str, Tensor]], phase: Phase, epoch: int
) -> Iterator[dict[str, tuple[Features, ...]]]:
    """The features of each step, by stream."""
    names = list(batches[0]) if batches else []
    feeds = {name: feed([step[name].numpy() for step in batches], phase.views, epoch) for name in names}
    for _ in batches:
        yield {name: next(feeds[name]) for name in names}


def _pause(members: Sequence[Member], place: Place, *, last: bool) -> None:
    """Between two steps: save if a save is due, stop if a run requests it. A member whose run raises ends alone."""
    stop = False
    for member in _alive(members):
        with isolate_errors(member.fail):
            stop = member.run.should_stop() or stop
    alive = _alive(members)
    if stop or (not last and any(member.run.save_due() for member in alive)):
        read_losses(alive)
        for member in _alive(alive):
            member.save(place)
    if stop:
        raise Stopped


def _sweep(members: Sequence[Member], feed: Feed, epoch: int) -> None:
    """Run the sweeps that members request; members with equal sweeps share them."""
    planned: dict[Sweep, list[Member]] = {}
    for member in _alive(members):
        plan = member.learner.sweep_plan(epoch)
        if plan is not None:
            planned.setdefault(plan, []).append(member)
    for plan, sharing in planned.items():
        rows = sharing[0].learner.stream(plan.stream)
        batches = [rows[torch.from_numpy(part)].numpy() for part in in_order(len(rows), feed.recipe.batch)]
        view = plan.view or feed.recipe.test_view
        for positions, views in zip(batches, feed(batches, (view,), epoch), strict=True):
            for member in _alive(sharing):
                with isolate_errors(member.fail):
                    _sweep_batch(member, plan, positions, views)
        for member in _alive(sharing):
            with isolate_errors(member.fail):
                member.learner.after_sweep()


@torch.no_grad()
def _sweep_batch(member: Member, plan: Sweep, positions: Positions, views: tuple[Features, ...]) -> None:
    member.set_mode(training=False)
    with ema.swapped_in(member.learner, member.average if plan.averaged else None):
        member.learner.sweep(member.batch({plan.stream: views}, {plan.stream: torch.from_numpy(positions)}))


def _alive(members: Sequence[Member]) -> list[Member]:
    return [member for member in members if member.failure is None]
