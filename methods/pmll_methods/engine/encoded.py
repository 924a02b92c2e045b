"""Features of images from the frozen parts of the learners of a group, each computed once for all that have it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from torch import Tensor

from ..learners.features import join
from ..learners.learner import AnyLearner, Features
from ..towers.memory import one_batch
from .isolation import result_or_error

Views: TypeAlias = tuple[Features, ...]  # the features of one batch of images, one entry per view


@dataclass(frozen=True)
class Encoded:
    """The views of some images for each frozen part: their features, or the error that it raised.

    `learners` has one learner for each frozen part, see `frozen_parts`. Learners may share the same tensors.
    """

    learners: Sequence[AnyLearner]
    found: Sequence[Views | Exception]

    def of(self, learner: AnyLearner) -> Views:
        """The features for a learner. Raises the error of its frozen part."""
        found = next(each for other, each in zip(self.learners, self.found, strict=True) if _alike(other, learner))
        if isinstance(found, Exception):
            raise found
        return found

    def changed(self, change: Callable[[Features], Features]) -> Encoded:
        """The same with changed features; those that learners share are changed once."""
        made: dict[int, Features] = {}

        def once(features: Features) -> Features:
            if id(features) not in made:
                made[id(features)] = change(features)
            return made[id(features)]

        found = [each if isinstance(each, Exception) else tuple(once(view) for view in each) for each in self.found]
        return Encoded(self.learners, found)


def frozen_parts(learners: Iterable[AnyLearner]) -> list[AnyLearner]:
    """One learner for each frozen part among the learners."""
    distinct: list[AnyLearner] = []
    for learner in learners:
        if not any(_alike(other, learner) for other in distinct):
            distinct.append(learner)
    return distinct


def _alike(one: AnyLearner, other: AnyLearner) -> bool:
    """Whether two learners have the same frozen part: those of one class with equal settings do."""
    return type(one) is type(other) and bool(one.settings == other.settings)


def encode(learners: Iterable[AnyLearner], views: Sequence[Tensor], *, come_again: Sequence[bool]) -> Encoded:
    """Encode a batch of images for some learners. `come_again`: whether each view is the same in every epoch.

    Different frozen parts on one tower share what they have in common, for example its last feature map.
    """
    parts = frozen_parts(learners)
    found: list[list[Features | Exception]] = [[] for _ in parts]
    for pixels, again in zip(views, come_again, strict=True):
        with one_batch(comes_again=again):
            for learner, made in zip(parts, found, strict=True):
                made.append(result_or_error(partial(learner.encode, pixels)))
    return Encoded(parts, [_all_or_error(made) for made in found])


def side_by_side(views: Sequence[Encoded]) -> Encoded:
    """Several views of the same images as one."""
    rows = zip(*(each.found for each in views), strict=True)
    found = [
        _all_or_error([view for each in row for view in ([each] if isinstance(each, Exception) else each)])
        for row in rows
    ]
    return Encoded(views[0].learners, found)


def one_after_another(batches: Sequence[Encoded]) -> Encoded:
    """Several batches of one view as one; features that learners share are joined once."""
    made: dict[tuple[int, ...], Features] = {}
    found: list[Views | Exception] = []
    for row in zip(*(each.found for each in batches), strict=True):
        parts = _all_or_error([each if isinstance(each, Exception) else each[0] for each in row])
        if not isinstance(parts, Exception):
            place = tuple(id(part) for part in parts)
            if place not in made:
                made[place] = join(parts)
            parts = (made[place],)
        found.append(parts)
    return Encoded(batches[0].learners, found)


def _all_or_error(found: Sequence[Features | Exception]) -> Views | Exception:
    """All of them, or the first error among them."""
    features: list[Features] = []
    for each in found:
        if isinstance(each, Exception):
            return each
        features.append(each)
    return tuple(features)
