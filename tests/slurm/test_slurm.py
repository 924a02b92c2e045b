"""Grids on a real Slurm: the scores of arrays, a cell that fails, and more groups than an array may have."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from command_line import in_own_process as bench
from real_slurm import GRID, RATIOS, Results, as_inline, cells, reached, results, slurm, submit, the_cell, until
from timeline import Watch

pytestmark = pytest.mark.slurm


def test_the_smoke_grid_has_the_results_of_a_run_in_one_process() -> None:
    grid = ["--methods", "linear-probe", "clip-zeroshot", "bce", "--ratios", "0.1", "0.9", "--subset", "60"]
    smoke = ["run", *grid, "--track", "smoke", "--set", "recipe.epochs=5"]
    array = bench(*smoke, "--root", "array", "--launcher", "slurm", "--slurm", "cpus=1", "--wait")
    assert array.code == 0, array.err
    inline = bench(*smoke, "--root", "inline", "--threads", "1", "--device", "cpu")
    assert array.out == inline.out
    assert len(results("array")) == 6
    assert results("array") == results("inline")
    jobs = {queued.job for cell in cells("array") if (queued := cell.queued()) is not None}
    assert len(jobs) == 3  # a group each
    assert len({job.partition("_")[0] for job in jobs}) == 1  # in one array


def test_a_cell_that_fails_stops_no_other(folder: Path) -> None:
    path = folder / "counting.py"
    broken = "        if (train.labels != 0).mean() > 0.85: raise ValueError('the lake is dry')\n"
    path.write_text(path.read_text().replace("train, run):\n", f"train, run):\n{broken}"))
    answer = bench(*GRID, "0.1", "0.3", "0.9", "--launcher", "slurm", "--slurm", "smoke=no", "--wait")
    assert answer.code == 4
    assert "1 cell failed: ValueError: the lake is dry" in answer.err
    assert len(results()) == 2


def test_seven_groups_in_arrays_of_three_one_at_a_time(watch: Watch, expected: Results) -> None:
    said = watch("seven groups, MaxArraySize 3, parallel=1")
    jobs = submit(*GRID, *RATIOS, slurm=["parallel=1"])
    said.event("submitted")
    assert len(jobs) == 7
    assert len({job.partition("_")[0] for job in jobs}) == 3
    said.until("7 done", seconds=400)
    assert as_inline(expected, 7)
    attempts = [attempt for cell in cells() for attempt in cell.attempts()]
    times = sorted(
        (began.created, ended.created) for each in attempts if (began := each.began()) and (ended := each.ended())
    )
    assert len(times) == 7
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(times))


def test_a_learner_that_is_queued_again_twice(watch: Watch) -> None:
    said = watch("a learner, queued again twice")
    grid = ("--methods", "bce", "--track", "smoke", "--subset", "60", "--ratios", "0.5", "--set", "recipe.epochs=120")
    (job,) = submit("run", *grid)
    said.event("submitted")
    until(lambda: reached(20))
    slurm("scontrol", "requeue", job)
    said.event("scontrol requeue after epoch 20")
    until(lambda: the_cell().newest == 2 and reached(60))
    slurm("scontrol", "requeue", job)
    said.event("scontrol requeue after epoch 60")
    said.until("done")
    assert set(said.states) <= {"queued", "running", "done"}
    assert the_cell().newest == 3
    inline = bench("run", *grid, "--root", "inline", "--threads", "1", "--device", "cpu")
    assert inline.code == 0, inline.err
    assert results() == results("inline")
