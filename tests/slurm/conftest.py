"""Fixtures of the tests on a real Slurm; at the end, the tables of what `status` said."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from command_line import in_own_process as bench
from real_slurm import GRID, METHOD, RATIOS, Cluster, Results, results, wrong
from timeline import Row, Timeline, Watch, table

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
OF_ACCOUNTING = ("slurmdbd", "mariadbd")
TITLED = "status: "
INTRODUCTION = """# What `status` says while things happen to jobs

On a real Slurm (22.05.8, Debian 12; two nodes claimed on one machine of two cores), with cells that count to 60 in no
time and wait on request. A row is an event, or a change of what `pmll-bench status --json` says; seconds count from the
submission. In the end, the cells have the scores, metrics and history of a run in one process, byte by byte; a command
that is needed for this is an event.

    nox -s slurm -- --tables results/slurm.md
"""


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
    """The results of GRID with all RATIOS in one process, made once for all workers of pytest-xdist."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "inline"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"), pytest.MonkeyPatch.context() as patch:
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
        record_property(f"{TITLED}{title}", rows)
        return Timeline(rows, root)

    return begin


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tables", metavar="FILE", help="write what `status` said over time to a Markdown file")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what `status` said over time."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    said = {
        name.removeprefix(TITLED): rows
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, rows in report.user_properties
        if name.startswith(TITLED)
    }
    text = "\n\n".join(f"## {title[0].upper()}{title[1:]}\n\n{table(rows)}" for title, rows in sorted(said.items()))
    if text:
        terminalreporter.write_line(f"\n{text}\n")
    if path := config.getoption("--tables", default=None):
        Path(path).write_text(f"{INTRODUCTION}\n{text}\n", encoding="utf-8")
