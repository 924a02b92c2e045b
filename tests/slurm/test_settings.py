"""Settings of jobs on a real Slurm: from a grid file, for some jobs only, and what `doctor --slurm` writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import in_own_process as bench
from real_slurm import cells, slurm, until

pytestmark = pytest.mark.slurm

GRID_FILE = """
methods: [counting.py, linear-probe]
ratios: [0.1, 0.5]
subset: 60
slurm:
  cpus: 1
  time: 10:30
  setup:
    - export GREETING="hello there"
    - test "$GREETING" = "hello there"
  frozen: {time: 0-1, comment: of-frozen-towers}
"""


def two_kinds(*settings: str) -> list[str]:
    """Submit two kinds of jobs; the ids."""
    Path("grid.yaml").write_text(GRID_FILE)
    options = [word for setting in settings for word in ("--slurm", setting)]
    answer = bench("run", "--config", "grid.yaml", "--launcher", "slurm", "--json", *options)
    assert answer.code == 0, answer.err
    jobs: list[str] = json.loads(answer.out)["jobs"]
    return jobs


def described(job: str) -> dict[str, str]:
    """What Slurm says of a job."""
    return dict(word.split("=", 1) for word in slurm("scontrol", "show", "job", job).split() if "=" in word)


def all_done() -> bool:
    found = cells()
    return len(found) == 4 and all(cell.result() is not None for cell in found)


def test_a_grid_file_sets_the_resources_of_each_kind_of_job() -> None:
    jobs = two_kinds("smoke=no", "follow-up=no")
    limits = {described(job)["TimeLimit"] for job in jobs}
    assert limits == {"00:11:00", "01:00:00"}  # 10 minutes 30 seconds, rounded up, and a 0-1 of one hour
    until(all_done)
    commented = {job for job in jobs if described(job).get("Comment") == "of-frozen-towers"}
    of_frozen = [cell.queued() for cell in cells() if cell.path.parts[-2] == "linear-probe"]
    assert {queued.job for queued in of_frozen if queued} == commented


def test_one_job_at_a_time_over_two_arrays_and_their_smoke_checks() -> None:
    two_kinds("parallel=1")
    most = 0

    def watched() -> bool:
        nonlocal most
        most = max(most, len(slurm("squeue", "--noheader", "--array", "--states=RUNNING").splitlines()))
        return all_done()

    until(watched)
    assert most == 1


def test_doctor_shows_this_cluster_and_writes_a_profile_that_jobs_use(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    answer = bench("doctor", "--slurm")
    assert "Slurm 2" in answer.out
    assert "MaxArraySize 3" in answer.out
    profile = folder / "pmll-bench" / "slurm.yaml"
    assert str(profile) in answer.out
    profile.write_text(f"{profile.read_text()}\ncomment: from-the-profile\n")
    jobs = two_kinds("smoke=no", "follow-up=no")
    assert {described(job)["Comment"] for job in jobs} == {"from-the-profile", "of-frozen-towers"}
    until(all_done)
