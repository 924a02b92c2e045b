"""A real Slurm in a folder, a method that goes wrong on request, and the results that must come of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from command_line import in_own_process as bench
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.store import Store

SCRIPTS = Path(__file__).parent / "slurm"
STEPS, HELD, SAVED_EVERY = 60, 25, 10
METHOD = f'''
"""Counts to {STEPS}; each number depends on all before. Words in a file say what goes wrong meanwhile."""
import os
import time
from pathlib import Path

import numpy as np
from pmll_methods.method import Stopped


def faults():
    return Path(os.environ["FAULTS"]).read_text().split() if "FAULTS" in os.environ else []


class Counting:
    meal = None

    def fit(self, train, run):
        step, value = (run.restore() or {{"state": (0, run.seed + 1)}})["state"]
        while step < {STEPS}:
            wrong = faults()
            if "broken" in wrong:
                raise ValueError("the lake is dry")
            if run.should_stop() and "deaf" not in wrong:
                if "saveless" not in wrong:
                    run.save({{"state": (step, value)}}, step)
                raise Stopped
            if step >= {HELD} and {{"hold", "hungry"}} & set(wrong):
                if "hungry" in wrong and self.meal is None:
                    self.meal = np.ones(2**27)  # 1 GiB
                time.sleep(0.1)
                continue
            step += 1
            value = (value * 6364136223846793005 + step) % 2**61
            run.report(step, {STEPS}, {{"loss": value / 2**61}})
            if step % {SAVED_EVERY} == 0 and "saveless" not in wrong:
                run.save({{"state": (step, value)}}, step)
        self.value, self.classes = value, len(train.classes)

    def predict(self, images, run):
        noise = np.random.default_rng(self.value)
        return noise.normal(size=(len(images), self.classes)).astype(np.float32)
'''
GRID = ("run", "--methods", "counting.py", "--subset", "60", "--ratios")
RATIOS = ("0.1", "0.2", "0.3", "0.5", "0.6", "0.8", "0.9")
ONE = (*GRID, "0.5")  # one cell
Results = dict[str, tuple[bytes, str]]


class Cluster:
    """A Slurm in a folder of its own. It ends with `stop`, or with the process that made it."""

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        guard = ("bash", "-c", 'read -r; "$0" "$1" && rm -r "$1"', str(SCRIPTS / "stop.sh"), str(self.folder))
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)
        self.configuration = ""
        self.start(*options)

    def start(self, *options: str) -> None:
        """Start what does not run; of the options, only `--forget` matters after the first time."""
        command = [str(SCRIPTS / "start.sh"), str(self.folder), *options]
        started = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=400)
        self.configuration = started.stdout.strip()

    def kill_controller(self) -> None:
        """Kill the controller without a warning. `start` brings it back."""
        os.kill(int((self.folder / "pids" / "slurmctld").read_text()), 9)

    def kill_node(self, job: str) -> None:
        """Kill the second node, which runs this job, as a power cut does. `start` brings it back."""
        os.kill(int((self.folder / "pids" / "slurmd-two").read_text()), 9)
        for process in self._processes(job):
            os.kill(process, 9)
        until(lambda: not self._processes(job))

    def _processes(self, job: str) -> list[int]:
        """What runs for a job: its own processes, and those of Slurm that watch over its steps."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has just ended
                words = (folder / "environ").read_bytes().split(b"\0")
                command = (folder / "cmdline").read_bytes()
                own = f"SLURM_JOB_ID={job}".encode() in words or command.startswith(f"slurmstepd: [{job}.".encode())
                if own and f"SLURM_CONF={self.configuration}".encode() in words:
                    found.append(int(folder.name))
        return found

    def stop(self) -> None:
        """End everything. Fails if something is left."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        assert self._guard.wait(timeout=120) == 0


def slurm(*command: str) -> str:
    """The output of one of Slurm's commands."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout


def submit(*argv: str, root: str = "runs", slurm: Sequence[str] = ()) -> list[str]:
    """Submit a grid, without a smoke check and a job that tries again; the ids of its jobs."""
    settings = [word for setting in ("cpus=1", "smoke=no", "follow-up=no", *slurm) for word in ("--slurm", setting)]
    answer = bench(*(argv or ONE), "--root", root, "--launcher", "slurm", "--json", *settings)
    assert answer.code == 0, answer.err
    jobs: list[str] = json.loads(answer.out)["jobs"]
    return jobs


def wrong(*faults: str) -> None:
    """What goes wrong from now on in the jobs of this test."""
    path = Path(os.environ["FAULTS"])
    path.with_suffix(".new").write_text(" ".join(faults))
    path.with_suffix(".new").replace(path)


def until(condition: Callable[[], Any], seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def cells(root: str = "runs") -> list[CellFolder]:
    return list(Store.open(Path(root), create=False).folders())


def the_cell(root: str = "runs") -> CellFolder:
    (cell,) = cells(root)
    return cell


def reached(step: int, root: str = "runs") -> bool:
    """Whether the newest attempt at the one cell has come to a step."""
    attempts = the_cell(root).attempts()
    return bool(attempts) and any(event.get("epoch") == step for event in attempts[-1].events())


def results(root: str = "runs") -> Results:
    """Everything about the finished cells that a run in one process would give as well: scores, metrics, history."""
    same = {"metrics", "ap", "support", "history", "epochs_run", "mask_digest"}
    return {
        cell.id: ((cell.path / result.scores.file).read_bytes(), result.model_dump_json(include=same))
        for cell in cells(root)
        if (result := cell.result()) is not None
    }


def as_inline(expected: Results, number: int = 1, root: str = "runs") -> bool:
    """Whether this number of cells is done, each as in one process, byte by byte."""
    found = results(root)
    return len(found) == number and all(expected[cell] == result for cell, result in found.items())
