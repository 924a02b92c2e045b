"""The commands that change what is submitted: `cancel`, `retry` and `logs`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import in_own_process as bench
from real_slurm import GRID, HELD, ONE, Results, as_inline, cells, results, submit, the_cell, until, wrong
from timeline import Watch, again, grows_too_large, held

pytestmark = pytest.mark.slurm


def test_a_second_run_submits_nothing_and_cancel_ends_the_jobs_of_a_grid(watch: Watch, expected: Results) -> None:
    said = watch("cancelled by `pmll-bench cancel`")
    job = held(said)
    second = bench(*ONE, "--launcher", "slurm", "--json")
    assert json.loads(second.out)["jobs"] == []
    assert job in second.err
    cancelled = bench("cancel", "--yes")
    assert cancelled.code == 0, cancelled.err
    said.event("pmll-bench cancel")
    said.until("interrupted", "cancelled")
    assert the_cell().checkpoints()[0][0] == HELD
    again(said, expected)


def test_one_cell_of_an_array_is_cancelled_and_no_other(watch: Watch, expected: Results) -> None:
    said = watch("one cell of an array cancelled by `pmll-bench cancel`")
    wrong("hold")
    submit(*GRID, "0.1", "0.5", "0.9")
    said.event("submitted")
    said.until("3 running")
    until(lambda: all(cell.newest == 1 and any(cell.attempts()[0].events()) for cell in cells()))
    chosen = cells()[1]
    cancelled = bench("cancel", chosen.id, "--yes")
    assert cancelled.code == 0, cancelled.err
    said.event("pmll-bench cancel CELL")
    said.until("1 interrupted, 2 running")
    wrong()
    said.until("2 done, 1 interrupted")
    assert chosen.id not in results()
    submit(*GRID, "0.1", "0.5", "0.9")
    said.event("the same command")
    said.until("3 done")
    assert as_inline(expected, 3)
    assert sorted(cell.newest for cell in cells()) == [1, 1, 2]


def test_a_job_that_can_never_start(watch: Watch, expected: Results) -> None:
    said = watch("a time limit that the partition does not allow")
    (job,) = submit(slurm=["partition=brief"])
    said.event("submitted with 60 minutes where 2 are allowed")
    said.until("queued", rf"\b{job}\b.*PartitionTimeLimit")
    cancelled = bench("cancel", "--yes")
    assert cancelled.code == 0, cancelled.err
    said.event("pmll-bench cancel")
    said.until("interrupted", "cancelled")
    again(said, expected)


def test_out_of_memory_is_tried_again_with_more(watch: Watch, expected: Results) -> None:
    said = watch("killed by memory, then `pmll-bench retry`")
    grows_too_large(said, "mem=1000M")
    wrong()
    assert "nothing to retry" in bench("retry", "--class", "timeout", "--launcher", "slurm").err
    retried = bench("retry", "--class", "oom", "--launcher", "slurm", "--slurm", "mem=4G", "--json")
    assert retried.code == 0, retried.err
    assert len(json.loads(retried.out)["jobs"]) == 1
    said.event("pmll-bench retry --class oom --launcher slurm --slurm mem=4G")
    said.until("done")
    assert as_inline(expected)
    began = the_cell().attempts()[1].began()
    assert began is not None
    assert began.saved > 0  # it went on from what the killed job had saved


def test_the_log_of_a_job_that_died_before_its_first_line(watch: Watch) -> None:
    said = watch("a job that ends before its first line")
    Path("broken").mkdir()
    Path("broken", "submitit.py").write_text("raise SystemExit('no licence for this weekday')")
    submit(slurm=["setup=export PYTHONPATH=$PWD/broken"])
    said.event("submitted")
    said.until("failed", "no licence for this weekday")
    shown = bench("logs", the_cell().id)
    assert shown.code == 0, shown.err
    assert "no licence for this weekday" in shown.out
