"""`status`: what it says about cells, their jobs and their ends, once or until all have ended."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from command_line import Command
from noted_slurm import Cluster, item_of, listed, queued
from pmll_bench.cli import readings
from pmll_bench.store.failure import Explanation
from pmll_bench.store.lease import Lease
from pmll_bench.store.store import Store
from stored import finish, planned

STATUS = (sys.executable, "-m", "pmll_bench", "status")


# --- once


def test_the_jobs_of_unfinished_cells_are_shown_by_array_and_reason(
    command: Command, cluster: Cluster, store: Store
) -> None:
    for seed in range(4):
        queued(store, f"12_{seed}", seed)
    stuck, running = queued(store, "13", 4), queued(store, "14", 5)
    waits = [listed(f"12_{number}", "PENDING", "Resources" if number else "Priority") for number in range(4)]
    cluster.lists(*waits, listed("13", "PENDING", "PartitionTimeLimit"), listed("14", "RUNNING"))
    with Lease(running.lease):
        text, document = command("status").out, command("status", "--json").document
    table, *groups = text.strip().split("\n\n")
    assert table.splitlines()[0].split() == ["data", "set", "method", "queued", "running"]
    assert table.splitlines()[1].split() == ["voc2007", "SST", "5", "1"]
    assert groups == [
        "1 cell queued: job 13: cannot start: asks for more than allowed: time (PartitionTimeLimit); "
        "cancel it (pmll-bench cancel) and submit again with a smaller --slurm time=...",
        "3 cells queued: job 12: waiting for resources (Resources)",
        "1 cell queued: job 12: waiting for jobs of higher priority (Priority)",
        "1 cell running: job 14",
    ]
    assert [(group["job"], group["phase"], group["stuck"]) for group in document["jobs"]] == [
        ("13", "pending", True),
        ("12", "pending", False),
        ("12", "pending", False),
        ("14", "running", False),
    ]
    assert document["jobs"][0]["cells"] == [stuck.id]
    assert {cell["message"] for cell in document["cells"]} >= {"job 12_1: waiting for resources (Resources)"}


def test_cells_whose_jobs_died_are_shown_with_their_cause_and_what_to_do(
    command: Command, cluster: Cluster, store: Store
) -> None:
    cells = [queued(store, f"12_{seed}", seed) for seed in range(3)]
    cluster.lists(*(listed(f"12_{number}", "OUT_OF_MEMORY") for number in range(2)), listed("12_2", "CANCELLED"))
    text, document = command("status").out, command("status", "--json").document
    assert "2 cells failed: killed by memory (job 12, 64M); ask for more: --slurm mem=8G" in text
    assert "1 cell interrupted: its job was cancelled (job 12); the same command submits it again" in text
    assert document["jobs"] == []
    assert document["interrupted"][0]["cells"] == [cells[2].id]
    assert command("status", "--check").code == 5


def test_many_cells_that_ended_alike_are_counted_and_not_all_listed(
    command: Command, cluster: Cluster, store: Store
) -> None:
    cells = [queued(store, f"12_{seed}", seed) for seed in range(25)]
    cluster.lists(*(listed(f"12_{number}", "CANCELLED") for number in range(25)))
    text, document = command("status").out, command("status", "--json").document
    assert "25 cells interrupted" in text
    assert sum(cell.id in text for cell in cells) == 20
    assert "and 5 more" in text
    assert set(document["interrupted"][0]["cells"]) == {cell.id for cell in cells}


def test_the_traceback_of_a_job_that_died_is_the_end_of_its_log(
    command: Command, cluster: Cluster, store: Store
) -> None:
    queued(store, "12")
    log = store.root / "slurm" / "12" / "12_0_log.err"
    log.parent.mkdir(parents=True)
    log.write_text("Traceback (most recent call last):\n  File here\nModuleNotFoundError: No module named 'filelock'\n")
    cluster.lists(listed("12", "FAILED", "NonZeroExitCode"))
    assert "ModuleNotFoundError: No module named 'filelock' (job 12)" in command("status").out
    assert "  File here" in command("status", "--debug").out


def test_a_scheduler_that_does_not_answer_is_said_not_to(command: Command, cluster: Cluster, store: Store) -> None:
    queued(store, "12_0", 0)
    running = queued(store, "12_1", 1)
    cluster.silent()
    with Lease(running.lease):
        answer = command("status")
    assert answer.code == 0
    assert "1 cell queued: job 12: Slurm does not answer" in answer.out
    assert "1 cell running: job 12: Slurm does not answer" in answer.out


def test_a_store_of_jobs_can_be_read_where_there_is_no_slurm(
    command: Command, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued(store, "12")
    monkeypatch.setenv("PATH", "")
    answer = command("status")
    assert answer.code == 0
    assert "1 cell queued: job 12: no Slurm here to ask" in answer.out


def test_status_needs_neither_torch_nor_submitit(store: Store) -> None:
    queued(store, "12")
    code = (
        "import sys; from pmll_bench.cli import main\n"
        f"try: main(['status', '--root', {str(store.root)!r}])\n"
        "except SystemExit: print({'torch', 'submitit', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


# --- until all cells have ended


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets something happen between the readings, which then need no time."""

    def happen(*days: Callable[[], object]) -> None:
        left = list(days)
        monkeypatch.setattr(readings, "ASK", 0.0)
        monkeypatch.setattr(readings, "sleep", lambda seconds: left.pop(0)())

    return happen


def nothing() -> None: ...


def without_clock(text: str) -> list[str]:
    return [line[10:] if line[2:3] == line[5:6] == ":" else line for line in text.splitlines()]


def test_watching_prints_changes_only_and_ends_when_all_cells_have_ended(
    command: Command, cluster: Cluster, store: Store, days: Callable[..., None]
) -> None:
    one, other = queued(store, "12_0", 0), queued(store, "12_1", 1)
    cluster.lists(listed("12_0", "PENDING", "Priority"), listed("12_1", "PENDING", "Priority"))
    days(
        nothing,
        lambda: cluster.alive("12_0", "12_1"),
        lambda: finish(store, item_of(one)),
        nothing,
        lambda: cluster.lists(listed("12_1", "OUT_OF_MEMORY")),
    )
    answer = command("status", "--watch", "--check")
    assert answer.code == 5
    first, changes = answer.out.split("(Priority)\n")
    assert first.startswith("data set")
    log = without_clock(changes)
    assert log[:4] == ["2 running", "2 cells running: job 12", "1 running, 1 done", "1 cell running: job 12"]
    assert log[4] == "1 failed, 1 done"
    assert log[5].startswith("1 cell failed: killed by memory")
    assert other.id in log[6]


def test_watching_prints_a_document_for_each_change(
    command: Command, cluster: Cluster, store: Store, days: Callable[..., None]
) -> None:
    folder = queued(store, "12")
    cluster.alive("12")
    days(nothing, lambda: finish(store, item_of(folder)))
    answer = command("status", "--watch", "5", "--json", "--check")
    assert answer.code == 0
    assert [line[:24] for line in answer.out.splitlines()] == ['{"schema": "pmll.status/'] * 2


def test_watching_ends_for_cells_that_nothing_will_run(
    command: Command, cluster: Cluster, store: Store, days: Callable[..., None]
) -> None:
    item = planned(seed=1)
    store.folder(item.cell).write_request(item)  # planned, between two groups of a run
    broken = planned(seed=2)
    store.folder(broken.cell).begin(broken, {}).end("failed", Explanation("ValueError: boom", "", "", ""))
    queued(store, "12")
    cluster.lists(listed("12", "PENDING", "JobHeldUser"))
    days(nothing)
    answer = command("status", "--watch")
    assert answer.code == 0
    assert "scontrol release 12" in answer.out


def test_a_store_that_has_ended_is_read_once(command: Command, store: Store, days: Callable[..., None]) -> None:
    finish(store, planned())
    days()
    assert command("status", "--watch", "--check").code == 0


@pytest.mark.parametrize("argv", [["--watch", "soon"], ["--watch", "0"], ["--watch=-3"]])
def test_a_wrong_interval_is_a_usage_error(command: Command, store: Store, argv: list[str]) -> None:
    answer = command("status", *argv)
    assert answer.code == 2
    assert "--watch" in answer.err


def test_ctrl_c_ends_watching_without_a_word(store: Store) -> None:
    queued(store, "12")
    environment = {**os.environ, "PATH": ""}  # no Slurm
    command = [*STATUS, "--root", str(store.root), "--watch"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell ignores it for what runs behind
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("data set")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == ""


def test_a_terminal_is_redrawn(store: Store) -> None:
    finish(store, planned())
    outer, inner = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    subprocess.run([*STATUS, "--root", str(store.root), "--watch"], stdout=inner, env=environment, check=True)
    os.close(inner)
    shown = os.read(outer, 10_000).decode()
    os.close(outer)
    assert shown.startswith("\x1b[H\x1b[2Jdata set")
