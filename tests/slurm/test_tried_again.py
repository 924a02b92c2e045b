"""Jobs that die and are tried again by the job that follows them, without another command."""

from __future__ import annotations

import os
import signal

import pytest

from real_slurm import HELD, Results, as_inline, reached, the_cell, until, wrong
from timeline import Watch, grows_too_large, held, node_taken_away

pytestmark = pytest.mark.slurm


def causes() -> list[str | None]:
    """Why the attempts at the cell ended; None after a result."""
    return [end.why for each in the_cell().attempts() if (end := each.ended())]


def test_a_job_that_is_killed_without_a_trace(watch: Watch, expected: Results) -> None:
    said = watch("killed by `kill -9`, then tried again by itself")
    held(said, "follow-up=yes")
    began = the_cell().attempts()[0].began()
    assert began is not None
    wrong()
    os.kill(began.pid, signal.SIGKILL)
    said.event("kill -9")
    said.until("done")
    assert as_inline(expected)
    first, second = the_cell().attempts()
    ended, began = first.ended(), second.began()
    assert ended is not None
    assert ended.why == "lost"
    assert began is not None
    assert began.saved > 0


def test_a_job_that_is_killed_by_memory_and_may_have_more(watch: Watch, expected: Results) -> None:
    said = watch("killed by memory, with oom-mem=4G")
    grows_too_large(said, "mem=1000M", "oom-mem=4G", "follow-up=yes")
    said.until("running")
    until(lambda: the_cell().newest == 2 and reached(HELD))
    said.event("the second job has it")
    wrong()
    said.until("done")
    assert as_inline(expected)
    until(lambda: causes() == ["oom", None])  # the end is recorded just after the result


def test_a_preempted_job_on_a_cluster_where_jobs_are_not_queued_again(watch: Watch, expected: Results) -> None:
    said = watch("preempted, with requeue=no")
    held(said, "partition=yielding", "requeue=no", "follow-up=yes")
    with node_taken_away():
        said.event("preempted")
        wrong()
    said.event("the node is free again")
    said.until("done")
    assert as_inline(expected)
    until(lambda: causes() == ["preempted", None])  # the end is recorded just after the result
