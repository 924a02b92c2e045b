"""Splits the members of a group into cohorts, which take their steps together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..learners.learner import Phase, with_horizon
from .isolation import isolate_errors
from .member import Member


@dataclass
class Cohort:
    """Members with the same phases and streams of images.

    `steps` are the saved steps from which all of them can continue; if there is none, they start from the beginning.
    """

    members: list[Member]
    shared: tuple[Phase, ...]  # the phases without what may differ
    streams: dict[str, Tensor]  # the training positions of each stream
    steps: frozenset[int]

    @classmethod
    def of(cls, member: Member) -> Cohort:
        """A cohort of one."""
        member.phases = with_horizon(member.learner.phases(), member.recipe)
        shared = tuple(replace(phase, horizon=None, from_average=False, lr_scale=1.0) for phase in member.phases)
        streams = {name: member.learner.stream(name) for phase in shared for name in phase.streams}
        return cls([member], shared, streams, frozenset(member.run.saved_steps()))

    def takes(self, other: Cohort) -> bool:
        """Whether the members of another cohort can join. No progress is lost: all of them continue, or none could."""
        continued = bool(self.steps & other.steps) or not (self.steps or other.steps)
        return (
            continued
            and self.shared == other.shared
            and all(torch.equal(rows, other.streams[name]) for name, rows in self.streams.items())
        )

    def add(self, other: Cohort) -> None:
        """Take in the members of another cohort."""
        self.members += other.members
        self.steps &= other.steps


def cohorts_of(members: Sequence[Member]) -> list[Cohort]:
    """The cohorts of a group.

    Streams depend on labels. For a method with a stream of unlabelled images, every ratio is a cohort. A member whose
    phases or streams raise an error fails: a method may refuse its labels, for example if none is known.
    """
    found: list[Cohort] = []
    for member in members:
        with isolate_errors(member.fail):
            own = Cohort.of(member)
            mates = next((cohort for cohort in found if cohort.takes(own)), None)
            if mates is None:
                found.append(own)
            else:
                mates.add(own)
    return found
