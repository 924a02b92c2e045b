"""Jobs that are killed by memory or cannot begin: `status` says why, and the same command completes the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import in_own_process as bench
from real_slurm import ONE, Results, as_inline, submit, the_cell, wrong
from timeline import Watch, grows_too_large

pytestmark = pytest.mark.slurm


def test_a_job_that_is_killed_by_memory_before_its_first_line(watch: Watch, expected: Results) -> None:
    said = watch("killed by memory before its first line")
    answer = bench(*ONE, "--launcher", "slurm", "--slurm", "partition=tight", "--slurm", "smoke=no", "--wait")
    said.event("submitted where a job gets 64 MB, with --wait")
    assert answer.code == 4, answer.err
    reason = said.until("failed", "(?i)memory")
    assert reason in answer.err.replace("\n", " ")
    assert "--slurm mem=" in reason
    submit(slurm=["mem=2G"])
    said.event("the same command, with mem=2G")
    said.until("done")
    assert as_inline(expected)


def test_a_job_that_is_killed_by_memory_after_its_first_step(watch: Watch, expected: Results) -> None:
    said = watch("killed by memory after its first step")
    grows_too_large(said, "mem=1000M")
    assert the_cell().checkpoints()
    wrong()
    submit(slurm=["mem=4G"])
    said.event("the same command, with mem=4G")
    said.until("done")
    assert as_inline(expected)


def test_a_job_without_a_module_that_it_needs(watch: Watch, expected: Results) -> None:
    said = watch("a module is missing in the job's environment")
    Path("broken").mkdir()
    Path("broken", "submitit.py").write_text("import a_module_that_is_missing")
    submit(slurm=["setup=export PYTHONPATH=$PWD/broken"])
    said.event("submitted")
    said.until("failed", "No module named 'a_module_that_is_missing'")
    submit()
    said.event("the same command, without the broken environment")
    said.until("done")
    assert as_inline(expected)
