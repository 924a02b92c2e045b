"""What is tried again without being asked for, how often, and why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmll_bench.launch.retries import Try, Verdict, judge, may_go_on, tries_of
from pmll_bench.store.failure import Explanation
from pmll_bench.store.records import Cause, QueueRecord
from pmll_bench.store.store import Store
from stored import planned

WHY = Explanation("x", "", "", "")


def ends(*causes: Cause, moved: bool = False) -> list[Try]:
    return [Try(cause, number, number + moved) for number, cause in enumerate(causes)]


@pytest.mark.parametrize("cause", ["cancelled", "stopped", "error"])
def test_what_a_user_or_an_error_ended_is_never_tried_again(cause: Cause) -> None:
    assert not judge(ends(cause, moved=True), more_memory=True).again


@pytest.mark.parametrize("cause", ["lost", "node"])
def test_what_vanished_is_tried_again_three_times(cause: Cause) -> None:
    verdicts = [judge([Try(cause, 0, 0)] * number).again for number in range(1, 6)]
    assert verdicts == [True, True, True, False, False]


def test_the_limits_of_two_causes_are_counted_apart() -> None:
    causes: list[Cause] = ["lost", "node", "lost", "node", "lost", "node"]
    assert judge(ends(*causes)).again
    assert judge(ends(*causes, "node")) == Verdict(
        False, "ended by a failure of the machine or its file system 4 times"
    )


@given(st.integers(1, 100), st.booleans())
def test_a_preempted_cell_goes_on_however_often(number: int, moved: bool) -> None:
    assert judge([Try("preempted", 0, int(moved))] * number).again


def test_a_time_limit_is_no_limit_while_something_new_is_saved() -> None:
    assert judge([Try("timeout", 0, 1)] * 50).again
    assert judge([Try("timeout", 0, 0)]).again
    assert judge([Try("timeout", 0, 0), Try("timeout", 0, 0)]) == Verdict(
        False, "reached its time limit 2 times without a new checkpoint; give more time: --slurm time=..."
    )


def test_the_time_limits_are_counted_from_the_last_new_checkpoint() -> None:
    idle, moved = Try("timeout", 5, 5), Try("timeout", 0, 5)
    assert judge([idle, moved, idle]).again
    assert not judge([moved, idle, idle]).again
    assert not judge([moved, idle, Try("preempted", 5, 5), idle]).again  # a preemption between them is no progress


def test_memory_is_asked_for_again_once_and_only_if_there_is_more() -> None:
    assert judge(ends("oom"), more_memory=True).again
    assert not judge(ends("oom", "oom"), more_memory=True).again
    assert judge(ends("oom")).reason.startswith("out of memory; ask for more: --slurm mem=")


def test_the_attempts_before_a_user_asked_again_dont_count(tmp_path: Path) -> None:
    item = planned()
    folder = Store.open(tmp_path / "runs").folder(item.cell)
    for _ in range(4):
        folder.begin(item, {}).end("lost", WHY, "lost")
    assert not may_go_on(folder).again
    folder.queue(QueueRecord(job="7", attempt=4, since=4))
    assert may_go_on(folder).again
    assert tries_of(folder, 4) == ()


def test_what_was_saved_is_read_from_the_records_and_an_attempt_without_an_end_was_killed(tmp_path: Path) -> None:
    item = planned()
    folder = Store.open(tmp_path / "runs").folder(item.cell)
    first = folder.begin(item, {})
    first.save_checkpoint(3, lambda file: file.write(b"state"))
    first.end("interrupted", WHY, "timeout")
    killed = folder.begin(item, {})
    killed.save_checkpoint(5, lambda file: file.write(b"state"))
    last = folder.begin(item, {})
    last.end("interrupted", WHY, "timeout")
    assert tries_of(folder, 0) == (Try("timeout", 0, 3), Try("lost", 3, 5), Try("timeout", 5, 5))
    folder.begin(item, {})
    assert tries_of(folder, 2) == (Try("timeout", 5, 5), Try("lost", 5, 5))


def test_a_state_saved_while_a_learning_rate_is_chosen_is_progress(tmp_path: Path) -> None:
    item = planned()
    folder = Store.open(tmp_path / "runs").folder(item.cell)
    attempt = folder.begin(item, {})
    tried = type(attempt)(folder.path / "tries" / "0.1", 1)
    tried.create()
    tried.save_checkpoint(4, lambda file: file.write(b"state"))
    attempt.end("interrupted", WHY, "timeout")
    assert tries_of(folder, 0) == (Try("timeout", 0, 4),)
