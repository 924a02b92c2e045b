"""Which groups are submitted together: arrays with equal settings, in lanes that bound the jobs that run at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ....plan.grid import by_method, longest_first
from ....plan.job_settings import JobSetting, Layers, in_force
from ....plan.planned import Group
from ..queue.scheduler import array_of
from .sbatch_options import SUBMISSION

Key: TypeAlias = tuple[tuple[str, str], ...]
"""Settings of jobs; arrays with equal ones could be one."""


@dataclass(frozen=True, kw_only=True)
class Array:
    """Jobs with the same settings: one call of sbatch.

    `parallel` of them run at a time. `after` is the place of the array, in the order of submission, whose end they wait
    for.
    """

    groups: tuple[Group, ...]
    sources: Mapping[str, JobSetting]
    parallel: int = 1
    after: int | None = None

    @property
    def settings(self) -> dict[str, str]:
        """The settings as `--slurm` takes them, without those of the submission as a whole."""
        return {key: each.value for key, each in self.sources.items() if key not in SUBMISSION}

    @property
    def key(self) -> Key:
        return tuple(sorted(self.settings.items()))


def dependency(array: Array, submitted: Sequence[Sequence[str]]) -> str:
    """The dependency of an array on the one that it follows; empty if there is none. `submitted` are ids by array."""
    return "" if array.after is None else f"afterany:{array_of(submitted[array.after][0])}"


def arrays_of(groups: Iterable[Group], layers: Layers, *, largest: int, parallel: int) -> list[Array]:
    """The arrays of some groups, in the order in which they are submitted.

    Each job has the cells of one method, whose settings, smoke check and time limit are its own. Jobs with equal
    settings share an array of at most `largest` of them. At most `parallel` jobs run at a time.
    """
    alike: dict[Key, list[Array]] = defaultdict(list)
    for group in longest_first(by_method(groups)):
        one = Array(groups=(group,), sources=in_force(layers, group.cells[0]))
        alike[one.key].append(one)
    arrays = [
        replace(members[0], groups=tuple(one.groups[0] for one in members[first : first + largest]))
        for members in alike.values()
        for first in range(0, len(members), largest)
    ]
    return in_lanes(arrays, parallel)


def in_lanes(arrays: Sequence[Array], parallel: int) -> list[Array]:
    """Arrays whose jobs never exceed `parallel` at a time.

    The arrays of a lane follow one another, and the numbers of jobs that run in the lanes add up to at most `parallel`.
    There are as many lanes as possible, so that an array waits for another one only if there are more arrays than
    `parallel`. The longest lane is given each further job, until no lane could use one more.
    """
    lanes: list[list[int]] = [[] for _ in range(min(len(arrays), parallel))]
    for place in sorted(range(len(arrays)), key=lambda place: -len(arrays[place].groups)):
        min(lanes, key=lambda lane: sum(len(arrays[each].groups) for each in lane)).append(place)
    load = [sum(len(arrays[each].groups) for each in lane) for lane in lanes]
    most = [max(len(arrays[each].groups) for each in lane) for lane in lanes]
    width = [1] * len(lanes)
    for _ in range(parallel - len(lanes)):
        growing = [lane for lane in range(len(lanes)) if width[lane] < most[lane]]
        if not growing:
            break
        width[max(growing, key=lambda lane: load[lane] / width[lane])] += 1
    placed = list(arrays)
    for lane, members in enumerate(lanes):
        before: int | None = None
        for place in sorted(members):  # in the order of submission, so that an array depends on an earlier one
            size = min(width[lane], len(arrays[place].groups))
            placed[place] = replace(arrays[place], parallel=size, after=before)
            before = place
    return placed
