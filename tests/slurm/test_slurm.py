"""The Slurm launcher on a real Slurm of one node: arrays, failures, a node taken away, a job cancelled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pmll_bench.launch.waiting import wait
from pmll_bench.run.progress import PlainListener
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.store import Store

pytestmark = pytest.mark.slurm

HERE = Path(__file__).parent
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
METHOD = '''
"""A method that counts to {steps}."""
import time
import numpy as np
from pmll_methods.method import Stopped

class Counting:
    def fit(self, train, run):
        {fit}
        first = (run.restore() or {{"step": 0}})["step"]
        for step in range(first, {steps}):
            if run.should_stop():
                run.save({{"step": step}}, step)
                raise Stopped
            run.report(step + 1, {steps}, {{"loss": 1.0}})
            time.sleep(0.1)
        self.classes = len(train.classes)

    def predict(self, images, run):
        return np.random.default_rng(run.seed).normal(size=(len(images), self.classes)).astype(np.float32)
'''


class Answer(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """A Slurm of one node for all tests here; clients find it by SLURM_CONF."""
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.skip(f"needs a Slurm that it can start, but has no {', '.join(missing)}; 'nox -s slurm' installs it")
    if os.geteuid() != 0:
        pytest.skip("needs root to start a Slurm of its own")
    folder = tempfile.mkdtemp(prefix="slurm-")
    try:
        started = subprocess.run([HERE / "start.sh", folder], stdout=subprocess.PIPE, text=True, check=True, timeout=60)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", started.stdout.strip())
            patch.setenv("OMP_NUM_THREADS", "1")  # for the runs that the jobs are compared with
            yield
    finally:
        subprocess.run([HERE / "stop.sh", folder], check=True, timeout=60)
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def bench(*argv: str) -> Answer:
    """Run a command line in a process of its own."""
    command = [sys.executable, "-m", "pmll_bench", *argv]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return Answer(done.returncode, done.stdout, done.stderr)


def method_file(name: str = "counting", *, fit: str = "pass", steps: int = 1) -> str:
    Path(f"{name}.py").write_text(METHOD.format(fit=fit, steps=steps))
    return f"{name}.py"


def until(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def scores(root: str) -> dict[str, bytes]:
    """The bytes of every cell's scores."""
    return {folder.id: (folder.path / result.scores.file).read_bytes() for folder, result in finished(root)}


def finished(root: str) -> list[tuple[CellFolder, Any]]:
    found = ((folder, folder.result()) for folder in Store.open(Path(root)).folders())
    return [(folder, result) for folder, result in found if result is not None]


def test_the_smoke_grid_has_the_scores_of_a_run_in_one_process() -> None:
    grid = ["--methods", "linear-probe", "clip-zeroshot", "bce", "--ratios", "0.1", "0.5", "0.9", "--subset", "100"]
    smoke = ["run", *grid, "--track", "smoke"]
    array = bench(*smoke, "--root", "array", "--launcher", "slurm", "--slurm", "cpus=1", "--wait")
    assert array.code == 0, array.err
    inline = bench(*smoke, "--root", "inline", "--threads", "1", "--device", "cpu")
    assert array.out == inline.out
    assert len(scores("array")) == 9
    assert scores("array") == scores("inline")
    jobs = {queued.job for folder, _ in finished("array") if (queued := folder.queued()) is not None}
    assert len(jobs) == 3  # a group each
    assert len({job.partition("_")[0] for job in jobs}) == 1  # in one array


def test_a_cell_that_fails_stops_no_other() -> None:
    broken = method_file(fit="if (train.labels != 0).mean() > 0.85: raise ValueError('the lake is dry')")
    grid = ["--methods", broken, "--ratios", "0.1", "0.3", "0.5", "0.9", "--subset", "60"]
    answer = bench("run", *grid, "--launcher", "slurm", "--slurm", "cpus=1", "--wait")
    assert answer.code == 4
    assert "1 cell failed: ValueError: the lake is dry" in answer.err
    assert len(finished("runs")) == 3
    jobs = [path.name for path in Path("runs/slurm").glob("*") if (path / f"{path.name}_submitted.pkl").exists()]
    assert len([job for job in jobs if "_" in job]) == 3  # the largest array here
    assert len(jobs) == 4


def test_a_job_whose_node_is_taken_away_saves_and_goes_on_when_it_is_back() -> None:
    submitted = bench(
        *("run", "--methods", method_file(steps=60), "--ratios", "0.5", "--subset", "60"),
        *("--launcher", "slurm", "--slurm", "cpus=2"),
    )
    assert submitted.code == 0, submitted.err
    (cell,) = Store.open(Path("runs")).folders()
    until(lambda: cell.attempts() and any(cell.attempts()[0].events()))
    urgent = ["sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap", "srun sleep 1"]
    subprocess.run(urgent, check=True, stdout=subprocess.DEVNULL, timeout=30)
    until(lambda: cell.state() == ("queued", f"job {submitted.out.strip()}"))
    first = cell.attempts()[0]
    ended = first.ended()
    assert ended is not None
    assert ended.kind == "interrupted"
    until(lambda: cell.result() is not None)
    _, second = cell.attempts()
    events = [event for event in (*first.events(), *second.events()) if event["event"] == "epoch"]
    assert [event["epoch"] for event in events] == list(range(1, 61))


def test_a_cancelled_job_saves_and_its_cell_is_not_waited_for() -> None:
    mine = method_file(steps=600)
    grid = ["run", "--methods", mine, "--ratios", "0.5", "--subset", "60"]
    job = bench(*grid, "--launcher", "slurm").out.strip()
    (cell,) = Store.open(Path("runs")).folders()
    until(lambda: cell.attempts() and any(cell.attempts()[0].events()))
    again = bench(*grid, "--launcher", "slurm", "--json")
    assert json.loads(again.out)["jobs"] == []  # one job is at work on the cell already
    subprocess.run(["scancel", job], check=True, timeout=30)
    until(lambda: cell.state().name == "interrupted")
    assert cell.checkpoints()  # what it saved
    record = cell.record()
    assert record is not None
    outcome = wait([record.planned()], Store.open(Path("runs")), PlainListener(1, sys.stderr), poll=0.2, every=0.5)
    assert outcome.interrupted == [cell.id]
