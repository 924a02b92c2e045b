"""Fixtures of several files: a command line in a folder of its own, and a Slurm that only takes notes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from command_line import SMALL, Answer, Command, method_file
from noted_slurm import COMMANDS, Cluster
from pmll_bench.cli import main
from pmll_bench.store.store import Store


@pytest.fixture(autouse=True)
def facts_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A test finds nothing that an earlier plan left behind."""
    monkeypatch.setattr("pmll_bench.plan.facts_cache.folder", lambda: tmp_path.with_name(f"{tmp_path.name}-facts"))


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs a command line in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "logs"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    for name in ("PMLL_STORE", "PMLL_DATA", "PMLL_THREADS"):
        monkeypatch.delenv(name, raising=False)

    def run(*argv: str) -> Answer:
        with pytest.raises(SystemExit) as exit:
            main(argv)
        printed = capsys.readouterr()
        return Answer(int(exit.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def grid(tmp_path: Path) -> list[str]:
    """A run of four cells that takes no time."""
    return ["run", "--methods", method_file(tmp_path), "--ratios", "10%", "0.5", "--seeds", "0,1", *SMALL]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store.open(tmp_path / "runs")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    fake = Cluster(tmp_path / "commands")
    fake.folder.mkdir()
    fake.alive()
    for name, script in COMMANDS.items():
        fake.command(name, script)
    monkeypatch.setenv("PATH", f"{fake.folder}:{os.environ['PATH']}")
    return fake
