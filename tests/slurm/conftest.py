"""Fixtures of the tests on a real Slurm; at the end, the tables of what `status` said."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from real_slurm import GRID, METHOD, RATIOS, Cluster, Results, bench, results, wrong
from timeline import Row, Timeline, Watch, table

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
OF_ACCOUNTING = ("slurmdbd", "mariadbd")


@pytest.fixture(scope="module", autouse=True)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A Slurm for the tests of a module, with the options in its CLUSTER; clients find it by SLURM_CONF."""
    options = getattr(request.module, "CLUSTER", ())
    needed = (*PROGRAMS, *(OF_ACCOUNTING if "--accounting" in options else ()))
    if missing := [program for program in needed if shutil.which(program) is None]:
        pytest.skip(f"needs a Slurm that it can start, but has no {', '.join(missing)}; 'nox -s slurm' installs it")
    if os.geteuid() != 0:
        pytest.skip("needs root to start a Slurm of its own")
    started = Cluster(*options)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", started.configuration)
            yield started
    finally:
        started.stop()


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Jobs of one processor, and the runs that they are compared with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the method and without a fault, and a cluster that is whole, whatever an earlier test did."""
    cluster.start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAULTS", str(tmp_path / "faults"))
    Path("counting.py").write_text(METHOD)
    wrong()
    return tmp_path


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Results:
    """The results of GRID with all RATIOS in one process."""
    folder = tmp_path_factory.mktemp("inline")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("FAULTS", raising=False)
        Path("counting.py").write_text(METHOD)
        answer = bench(*GRID, *RATIOS, "--threads", "1", "--device", "cpu")
        assert answer.code == 0, answer.err
        return results()


@pytest.fixture
def watch(record_property: Callable[[str, object], None]) -> Watch:
    """Begins a table of what `status` says of a store."""

    def begin(title: str, root: str = "runs") -> Timeline:
        rows: list[Row] = []
        record_property(f"status: {title}", rows)
        return Timeline(rows, root)

    return begin


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what `status` said over time."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, rows in getattr(report, "user_properties", ()):
                title = name.removeprefix("status: ")
                if title != name and report.when == "call":
                    terminalreporter.write_line(f"\n### {title}\n\n{table(rows)}")
