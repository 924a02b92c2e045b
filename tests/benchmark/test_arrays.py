"""The arrays of a submission: no more jobs run at a time than asked for, and none waits for ever."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmll_bench.launch.slurm.submission.arrays import Array, in_lanes
from pmll_bench.plan.planned import Group

GROUP = Group(())


def array(jobs: int) -> Array:
    return Array(groups=(GROUP,) * jobs, sources={})


def most_at_a_time(arrays: list[Array], seed: int) -> tuple[int, int]:
    """The largest number of jobs that run at a time under Slurm's rules, and the number that ran in all.

    Slurm starts any job whose array has begun and is below its limit; jobs end in a random order.
    """
    random_order = random.Random(seed)
    waiting = [len(each.groups) for each in arrays]
    running = [0] * len(arrays)
    most = ran = 0
    while any(waiting) or any(running):
        over = [not left and not now for left, now in zip(waiting, running, strict=True)]
        for place, each in enumerate(arrays):
            begun = each.after is None or over[each.after]
            while begun and waiting[place] and running[place] < each.parallel:
                waiting[place], running[place], ran = waiting[place] - 1, running[place] + 1, ran + 1
        assert any(running), "a job waits for ever"
        most = max(most, sum(running))
        running[random_order.choice([place for place, now in enumerate(running) if now])] -= 1
    return most, ran


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(1, 60), st.integers(0, 9))
def test_never_more_jobs_than_asked_for_run_and_none_is_left_out(jobs: list[int], parallel: int, seed: int) -> None:
    arrays = in_lanes([array(number) for number in jobs], parallel)
    most, ran = most_at_a_time(arrays, seed)
    assert most <= parallel
    assert ran == sum(jobs)
    assert [replace(each, parallel=1, after=None) for each in arrays] == [array(number) for number in jobs]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(1, 60))
def test_as_many_jobs_as_asked_for_can_start_at_once(jobs: list[int], parallel: int) -> None:
    arrays = in_lanes([array(number) for number in jobs], parallel)
    starting = sum(each.parallel for each in arrays if each.after is None)
    assert starting >= min(parallel, len(jobs))
    if parallel >= sum(jobs):
        assert starting == sum(jobs)
    if len(jobs) <= parallel:
        assert starting == min(parallel, sum(jobs))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(1, 60))
def test_an_array_waits_only_for_one_that_is_submitted_before_it(jobs: list[int], parallel: int) -> None:
    for place, each in enumerate(in_lanes([array(number) for number in jobs], parallel)):
        assert each.after is None or each.after < place
        assert each.after is None or len(jobs) > parallel


@pytest.mark.parametrize(
    ("jobs", "parallel", "widths"), [([3, 1], 256, [3, 1]), ([3, 1], 2, [1, 1]), ([400, 1], 100, [99, 1])]
)
def test_a_small_array_leaves_its_share_to_the_others(jobs: list[int], parallel: int, widths: list[int]) -> None:
    assert [each.parallel for each in in_lanes([array(number) for number in jobs], parallel)] == widths
