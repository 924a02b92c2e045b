"""What stops jobs before they train: the smoke check of a grid, and code that has changed since submission."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from real_slurm import GRID, RATIOS, Results, as_inline, cells, results, slurm, submit, wrong
from timeline import Watch, again

pytestmark = pytest.mark.slurm

TWO = (*GRID, "0.1", "0.9")
PACKAGES = {"pmll_errors": "errors", "pmll_datasets": "datasets", "pmll_methods": "methods", "pmll_bench": "benchmark"}
SOURCES = Path(__file__).resolve().parents[2]


def test_a_method_that_fails_stops_its_grid_in_the_smoke_check(watch: Watch, expected: Results) -> None:
    said = watch("smoke check: the method fails")
    wrong("broken")
    submit(*TWO, slurm=["smoke=yes"])
    said.event("two jobs submitted behind a smoke check")
    said.until("2 failed", "the lake is dry")
    assert {each for cell in cells() for attempt in cell.attempts() for each in attempt.events()} == set()
    wrong()
    submit(*TWO, slurm=["smoke=yes"])
    said.event("the same command, after the cause is gone")
    said.until("2 done")
    assert as_inline(expected, 2)


def test_a_row_that_fails_the_smoke_check_stops_no_other(watch: Watch, folder: Path) -> None:
    said = watch("smoke check: one row of two fails")
    source = (folder / "counting.py").read_text()
    (folder / "other.py").write_text(source.replace('"broken" in wrong', "True").replace("Counting", "Other"))
    two_rows = ("run", "--methods", "counting.py", "other.py", "--subset", "60", "--ratios", "0.1", "0.9")
    submit(*two_rows, slurm=["smoke=yes"])
    said.event("two rows of two cells submitted behind a smoke check")
    said.until("2 done, 2 failed", "the lake is dry")
    assert len(results()) == 2


def test_a_row_whose_first_three_cells_fail_alike_is_not_tried_further(watch: Watch, expected: Results) -> None:
    said = watch("three cells of a row fail alike")
    wrong("broken")
    five = (*GRID, *RATIOS[:5])
    submit(*five, slurm=["parallel=1"])
    said.event("five jobs submitted, one at a time, without a smoke check")
    said.until("5 failed", "the lake is dry")
    reasons = [cell.state().message for cell in cells()]
    assert sum(reason.startswith("ValueError: the lake is dry") for reason in reasons) == 3
    assert sum("not started" in reason for reason in reasons) == 2
    wrong()
    submit(*five)
    said.event("the same command, after the cause is gone")
    said.until("5 done")
    assert as_inline(expected, 5)


def test_a_smoke_check_that_is_killed_by_memory(watch: Watch, expected: Results) -> None:
    said = watch("smoke check: killed by memory")
    submit(*TWO, slurm=["smoke=yes", "partition=tight"])
    said.event("two jobs submitted behind a smoke check, where a job gets 64 MB")
    reason = said.until("2 failed", "(?i)memory")
    assert "smoke check" in reason
    assert "--slurm mem=" in reason
    submit(*TWO, slurm=["smoke=yes", "partition=tight", "mem=2G"])
    said.event("the same command, with mem=2G")
    said.until("2 done")
    assert as_inline(expected, 2)


def test_code_that_has_changed_since_submission(
    watch: Watch, folder: Path, expected: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = watch("code changed between submission and start")
    copy = folder / "copy"
    for package, root in PACKAGES.items():
        shutil.copytree(SOURCES / root / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(copy))
    (job,) = submit(slurm=["hold="])
    said.event("submitted with --hold, from a copy of the packages")
    said.until("queued", "JobHeldUser")
    with (copy / "pmll_methods" / "losses" / "hill.py").open("a") as file:
        file.write("# changed\n")
    slurm("scontrol", "release", job)
    said.event("the copy is edited, the job released")
    said.until("failed", "the code has changed")
    again(said, expected)
