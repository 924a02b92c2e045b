"""The training loop and the prediction loop: the cells of a group share images, views and frozen towers.

The cells may be of several methods. What they share is equal for all of them: images, order, batch, views, resolution,
precision and seed. Optimizer, learning rate, schedule, loss and averaged weights are those of each cell.

One step of training, from batch to averaged weights::

    positions = rows of each stream for this step        # a function of seed and epoch, the same for all cells
    features = encode(views of the images)                # each frozen part, once for the group
    for each cell:                                        # `Member.train_step`
        batch = features, masked labels, positions
        head = learner.head()                             # text features, label graph; see `shared_texts`
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
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..learners.learner import AnyLearner, Phase, PseudoLabels, Sweep
from ..method import ImageSet, Positions, Run, Stopped
from . import ema
from .clock import Clock
from .cohorts import Cohort, cohorts_of
from .encoded import Encoded, Views
from .feed import Feed, Wanted, epoch_batches, in_order
from .isolation import isolate_errors, result_or_error
from .member import Member, Place, read_losses
from .predicting import select_epoch
from .shared_texts import shared_texts


class Calendar(NamedTuple):
    """The number of epochs before a phase, and in all phases."""

    before: int
    epochs: int


def fit_group(
    learners: Sequence[AnyLearner], images: ImageSet, runs: Sequence[Run], clocks: Sequence[Clock] | None = None
) -> list[Exception | None]:
    """Train learners in lockstep on the same images: one seed, and recipes that agree in `Recipe.SHARED`.

    Every cell runs the same kernels with the same shapes as it would alone, so its result is bit-identical. A cell that
    fails or diverges drops out without affecting the others; its exception is returned instead. `clocks` measure the
    steps of each learner, without what the group shares.

    Returns:
        One entry per learner: None, or the exception that ended its training.

    Raises:
        Stopped: A run requested a stop; the states of all cells are saved.
    """
    given = zip(learners, runs, clocks or [Clock(run.device) for run in runs], strict=True)
    placed = [result_or_error(partial(Member, learner, run, clock)) for learner, run, clock in given]  # on the device
    members = [each for each in placed if isinstance(each, Member)]
    if members:
        _fit_all(members, images)
    return [each.failure if isinstance(each, Member) else each for each in placed]


def _fit_all(members: Sequence[Member], images: ImageSet) -> None:
    lead = members[0]
    feed = Feed(images, _learners(members), lead.recipe, lead.run.device, lead.run.seed)
    cohorts = cohorts_of(members)
    for cohort in cohorts:
        place = _fit(cohort, feed)
        if cohort is not cohorts[-1]:
            for member in _alive(cohort.members):
                member.save(place)  # so that a stop in a later cohort does not lose this training


def _fit(cohort: Cohort, feed: Feed) -> Place:
    """Train one cohort to the end, from its newest common state, and return the final place."""
    members, phases = cohort.members, cohort.shared
    place = _resume(cohort)
    with torch.random.fork_rng(devices=[]):
        for number, phase in enumerate(phases):
            if number < place.phase:
                continue
            calendar = Calendar(sum(before.epochs for before in phases[:number]), sum(each.epochs for each in phases))
            if place == Place(number, 0, 0, place.done):
                for member in _alive(members):
                    with isolate_errors(member.fail):
                        if member.phases[number].from_average and member.average:
                            ema.load(member.learner, member.average)
                        member.begin_phase()
            for epoch in range(place.epoch, phase.epochs):
                if not _alive(members):
                    break
                place = _epoch(cohort, feed, phase, calendar, Place(number, epoch, place.step, place.done))
            place = Place(number + 1, 0, 0, place.done)
    for member in members:
        if member.average:
            ema.load(member.learner, member.average)
        member.set_mode(training=False)
    return place


def _resume(cohort: Cohort) -> Place:
    """The newest place that all members have saved; the start if there is none."""
    if not cohort.steps:
        return Place()
    places = []
    for member in cohort.members:
        with isolate_errors(member.fail):
            places.append(member.restore(max(cohort.steps)))
    return places[0] if places else Place()


def _epoch(cohort: Cohort, feed: Feed, phase: Phase, calendar: Calendar, place: Place) -> Place:
    """Run one epoch from `place`: the sweeps before it, then its steps. Returns the place of the next epoch."""
    members = cohort.members
    number = calendar.before + place.epoch  # views and order continue across phases
    if place.step == 0:
        _sweep(members, feed, number)
    batches: list[dict[str, Tensor]] = []
    if phase.steps:
        rows = cohort.streams
        sizes = {name: len(rows[name]) for name in phase.streams}
        plan = epoch_batches(phase, sizes, feed.seed, number, drop_last=feed.recipe.drop_last)
        batches = [{name: rows[name][torch.from_numpy(chosen)] for name, chosen in step.items()} for step in plan]
    features = _streams(feed, batches[place.step :], phase, number, partial(_learners, members))
    for step in range(place.step, len(batches)):
        if not _alive(members):
            break
        here = Place(place.phase, place.epoch, step, place.done + step - place.step)
        encoded = next(features)
        with shared_texts(_alive(members)):
            for member in _alive(members):
                with isolate_errors(member.fail), member.clock:
                    views = {name: each.of(member.learner) for name, each in encoded.items()}
                    batch = member.batch(views, batches[step])
                    member.train_step(batch, member.phases[place.phase], here, len(batches))
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
    feed: Feed, batches: Sequence[dict[str, Tensor]], phase: Phase, epoch: int, wanted: Wanted
) -> Iterator[dict[str, Encoded]]:
    """The features of each step, by stream."""
    names = list(batches[0]) if batches else []
    feeds = {name: feed([step[name].numpy() for step in batches], phase.views, epoch, wanted) for name in names}
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
    """Run the sweeps that members request; members with equal sweeps over the same images share them."""
    planned: list[tuple[Sweep, Tensor, list[Member]]] = []
    for member in _alive(members):
        with isolate_errors(member.fail):
            if (plan := member.learner.sweep_plan(epoch)) is None:
                continue
            rows = member.learner.stream(plan.stream)
            same = (mates for other, of, mates in planned if other == plan and torch.equal(of, rows))
            if (mates := next(same, None)) is not None:
                mates.append(member)
            else:
                planned.append((plan, rows, [member]))
    for plan, rows, sharing in planned:
        batches = [rows[torch.from_numpy(part)].numpy() for part in in_order(len(rows), feed.recipe.batch)]
        view = plan.view or feed.recipe.test_view
        swept = feed(batches, (view,), epoch, partial(_learners, sharing))
        for positions, encoded in zip(batches, swept, strict=True):
            for member in _alive(sharing):
                with isolate_errors(member.fail), member.clock:
                    _sweep_batch(member, plan, positions, encoded.of(member.learner))
        for member in _alive(sharing):
            with isolate_errors(member.fail), member.clock:
                member.learner.after_sweep()


@torch.no_grad()
def _sweep_batch(member: Member, plan: Sweep, positions: Positions, views: Views) -> None:
    member.set_mode(training=False)
    with ema.swapped_in(member.learner, member.average if plan.averaged else None):
        member.learner.sweep(member.batch({plan.stream: views}, {plan.stream: torch.from_numpy(positions)}))


def _alive(members: Sequence[Member]) -> list[Member]:
    return [member for member in members if member.failure is None]


def _learners(members: Sequence[Member]) -> list[AnyLearner]:
    return [member.learner for member in _alive(members)]
