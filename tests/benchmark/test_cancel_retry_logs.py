"""`logs`, `retry` and `cancel`: what became of a cell, its next attempt, and the end of its job."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from command_line import SMALL, Answer, Command, method_file
from noted_slurm import Cluster
from pmll_bench.launch.retries import may_go_on
from pmll_bench.launch.slurm.queue.scheduler import Listed, user
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.failure import Explanation
from pmll_bench.store.lease import Lease
from pmll_bench.store.records import Cause, EndKind, QueueRecord
from pmll_bench.store.store import Store

WHY = Explanation("ValueError: the lake is dry", "mine.py:9, in fit", "fill it", "Traceback of the lake\n")


@pytest.fixture
def listed(cluster: Cluster) -> Callable[..., None]:
    """Sets the jobs that squeue lists, with their states; scancel notes what it is given."""
    cluster.command("scancel", 'echo "$@" >>cancelled')

    def jobs(**states: str) -> None:
        cluster.lists(
            *(Listed(name.removeprefix("j"), state, user(), "4G", "Priority") for name, state in states.items())
        )

    jobs()
    return jobs


@pytest.fixture
def store(command: Command, tmp_path: Path) -> Store:
    """Four cells of two rows that have not begun."""
    method_file(tmp_path, "other")
    grid = ["run", "--methods", method_file(tmp_path), "other.py", "--ratios", "10%", "0.5", *SMALL]
    assert command(*grid, "--root", "plan").code == 0
    for path in Path("plan").glob("cells/*/*/*"):
        for left in [path / "result.json", *path.glob("attempts/*/*")]:
            left.unlink()
        for attempt in path.glob("attempts/*"):
            attempt.rmdir()
    Path("plan").rename("runs")
    return Store.open(tmp_path / "runs")


def cells(store: Store, row: str = "") -> list[CellFolder]:
    return [folder for folder in store.folders() if folder.path.parent.name.startswith(row)]


def end(folder: CellFolder, kind: EndKind, cause: Cause, job: str = "", why: Explanation = WHY) -> None:
    record = folder.record()
    assert record is not None
    folder.begin(record.planned(), {}, job).end(kind, why, cause)


def submitted(folder: CellFolder, job: str, cluster: str = "noted") -> None:
    folder.queue(QueueRecord(job=job, attempt=folder.newest, cluster=cluster, user=user()))


def cancelled(cluster: Cluster) -> list[str]:
    path = cluster.folder / "cancelled"
    return path.read_text().split() if path.exists() else []


# --- logs


def test_logs_shows_every_attempt_and_then_the_newest_traceback_and_the_logs_of_its_job(
    command: Command, store: Store
) -> None:
    folder = cells(store)[0]
    end(folder, "interrupted", "timeout", "101_2", Explanation("the job reached its time limit", "", "", "old trace"))
    end(folder, "failed", "error", "102")
    logs = Path("runs", "slurm", "102")
    logs.mkdir(parents=True)
    (logs / "102_0_log.err").write_text("".join(f"line {number}\n" for number in range(30)))
    shown = command("logs", folder.id[:8]).out
    assert f"{folder.id}  mine shapes 10% seed 0: failed (ValueError: the lake is dry (mine.py:9, in fit)" in shown
    first, second = (line.split() for line in shown.splitlines() if line.startswith("      "))
    assert (first[0], *first[2:6]) == ("1", socket.gethostname(), "101_2", "interrupted", "timeout")
    assert (second[0], *second[2:6]) == ("2", socket.gethostname(), "102", "failed", "error")
    trace = Path("runs", "cells", folder.name, "attempts", "0002", "traceback.txt")
    assert f"traceback of attempt 2: {trace}\nTraceback of the lake" in shown
    assert f"errors of job 102: {logs / '102_0_log.err'}\n... (10 lines before)\nline 10\n" in shown
    assert shown.endswith("line 29\n")
    assert "old trace" not in shown
    assert "old trace" in command("logs", folder.id, "--attempt", "1").out
    document = command("logs", folder.id, "--json").document
    assert [each["cause"] for each in document["attempts"]] == ["timeout", "error"]


def test_logs_of_a_cell_that_waits_or_has_not_begun(command: Command, store: Store) -> None:
    folder = cells(store)[0]
    assert "planned\n\nno attempt yet" in command("logs", folder.id).out
    answer = command("logs", folder.id, "--attempt", "3")
    assert answer.code == 2
    assert f"no attempt 3 at cell {folder.id}" in answer.err
    assert command("logs", "ffffff").code == 2


def test_followed_logs_end_with_the_attempt(command: Command, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cells(store)[0]
    record = folder.record()
    assert record is not None
    attempt = folder.begin(record.planned(), {})
    lease = Lease(folder.lease)
    lease.__enter__()
    looks: list[float] = []

    def next_second(seconds: float) -> None:
        looks.append(seconds)
        attempt.event({"event": "epoch", "epoch": len(looks), "loss": 0.5})
        if len(looks) == 3:
            lease.__exit__(None, None, None)
            attempt.end("failed", WHY)

    monkeypatch.setattr("pmll_bench.cli.cell_logs.time.sleep", next_second)
    answer = command("logs", folder.id, "--follow")
    assert [line for line in answer.out.splitlines() if line.startswith("event")] == [
        f"event epoch, epoch {epoch}, loss 0.5" for epoch in (1, 2, 3)
    ]
    assert answer.err.endswith("the cell is failed\n")


# --- retry


def test_retry_runs_the_failed_cells_of_one_class_again_from_what_the_store_has(
    command: Command, store: Store, tmp_path: Path
) -> None:
    first, second = cells(store, "mine")
    end(first, "failed", "oom")
    end(second, "failed", "error")
    for file in ("mine.py", "other.py"):
        (tmp_path / file).unlink()  # the store has kept a copy
    dry = command("retry", "--class", "oom", "--dry-run")
    assert (first.id in dry.out, second.id in dry.out) == (True, False)
    assert first.state().name == "failed"
    answer = command("retry", "--class", "oom", *SMALL[2:])
    assert answer.code == 0, answer.err
    assert [folder.state().name for folder in cells(store)] == ["done", "failed", "planned", "planned"]
    assert command("retry", "--methods", "mine", *SMALL[2:]).code == 0
    assert [folder.state().name for folder in cells(store)] == ["done", "done", "planned", "planned"]
    assert "nothing to retry" in command("retry", first.id).err


def test_cells_that_trained_together_are_retried_together(command: Command, tmp_path: Path) -> None:
    grid = ["run", "--methods", "bce", "--ratios", "0.2", "0.8", *SMALL, "--set", "recipe.epochs=1"]
    assert command(*grid).code == 0
    store = Store.open(Path("runs"))
    for folder in store.folders():
        (folder.path / "result.json").unlink()
    answer = command("retry", *SMALL[2:], "--json")
    started = [json.loads(line) for line in answer.out.splitlines() if '"group_started"' in line]
    assert [len(event["cells"]) for event in started] == [2]


def test_retry_leaves_cells_to_jobs_that_wait_or_run_and_takes_over_those_of_unseen_jobs(
    command: Command, store: Store, listed: Callable[..., None]
) -> None:
    waits, unseen, elsewhere, at_work = cells(store)
    submitted(waits, "101_0")
    submitted(unseen, "99")
    submitted(elsewhere, "7", cluster="sea")
    listed(j101_0="PENDING")
    with Lease(at_work.lease):
        answer = command("retry", *SMALL[2:])
    assert answer.code == 0, answer.err
    assert "2 cells left to the jobs or processes that work on them" in answer.err
    assert "2 cells taken over from jobs that Slurm does not show" in answer.err
    assert [folder.state().name for folder in (waits, unseen, elsewhere)] == ["queued", "done", "done"]


def test_a_cell_that_used_up_its_retries_has_them_again_after_retry(
    command: Command, store: Store, listed: Callable[..., None], cluster: Cluster
) -> None:
    folder = cells(store)[0]
    submitted(folder, "99")
    for _ in range(4):
        end(folder, "lost", "lost", "99")
    assert not may_go_on(folder).again
    answer = command("retry", folder.id, "--launcher", "slurm", "--slurm", "mem=64G")
    assert answer.code == 0, answer.err
    assert "--mem=64G" in cluster.script(101)
    queued = folder.queued()
    assert queued is not None
    assert (queued.job, queued.since) == ("101", 4)
    assert may_go_on(folder).again


def test_a_job_is_retried_with_its_settings_except_those_that_are_given_anew(
    command: Command, store: Store, listed: Callable[..., None], cluster: Cluster
) -> None:
    first, second = cells(store, "mine")
    settings = ["--slurm", "partition=lake", "--slurm", "mem=4G"]
    assert command("retry", first.id, second.id, "--launcher", "slurm", *settings).code == 0
    for folder in (first, second):
        end(folder, "failed", "oom", "101")
    listed()
    answer = command("retry", "--class", "oom", "--slurm", "mem=64G")
    assert answer.code == 0, answer.err
    number = int(answer.out.split()[0].partition("_")[0])
    assert "#SBATCH --mem=64G" in cluster.script(number)
    assert "#SBATCH --partition=lake" in cluster.script(number)


def test_options_of_another_launcher_and_unknown_names_are_refused(command: Command, store: Store) -> None:
    assert command("retry", "--launcher", "local", "--slurm", "mem=64G").code == 2
    answer = command("retry", "--methods", "mime")
    assert answer.code == 2
    assert "no cell of the method 'mime'" in answer.err
    assert "did you mean 'mine'?" in answer.err
    assert command("retry", "--class", "sunk").code == 2
    assert command("cancel", "--datasets", "coco").code == 2


def test_with_nothing_to_retry_there_is_an_empty_document(command: Command, store: Store) -> None:
    end(cells(store)[0], "failed", "error")
    answer = command("retry", "--class", "timeout", "--launcher", "slurm", "--json")
    assert (answer.code, answer.document) == (0, {"schema": "pmll.submission/1", "jobs": []})
    assert "nothing to retry: no unfinished cell that is free ended for the cause timeout" in answer.err
    assert command("retry", "--class", "timeout", "--json").document["failed"] == []
    assert command("retry", "--class", "timeout", "--dry-run", "--json").document["cells"] == []
    assert command("retry", "--class", "timeout", "--dry-run").out == ""


# --- cancel


def test_cancel_ends_the_jobs_of_the_chosen_cells_and_no_others(
    command: Command, store: Store, listed: Callable[..., None], cluster: Cluster
) -> None:
    first, second = cells(store, "mine")
    third, fourth = cells(store, "other")
    for folder, job in ((first, "101_0"), (second, "101_1"), (third, "101_2"), (fourth, "55")):
        submitted(folder, job)
    listed(j101_0="RUNNING", j101_1="PENDING", j101_2="PENDING")
    assert command("cancel", "--methods", "mine").code == 2  # not a terminal
    assert cancelled(cluster) == []
    answer = command("cancel", "--methods", "mine", "--yes")
    assert (answer.code, answer.out.split()) == (0, ["101_0", "101_1"])
    assert cancelled(cluster) == ["101_0", "101_1"]
    assert "2 jobs with 2 cells cancelled" in answer.err
    listed(j101_2="PENDING")
    state = second.state()
    assert (state.name, state.message) == (
        "interrupted",
        "cancelled with 'pmll-bench cancel'; run the same command to submit it again",
    )
    ended = second.attempts()[-1].ended()
    assert ended is not None
    assert ended.why == "cancelled"
    assert third.state().name == "queued"
    assert "nothing to cancel" in command("cancel", "--methods", "mine", "--yes").err


def test_a_job_that_also_runs_other_cells_is_named_and_needs_yes(
    command: Command, store: Store, listed: Callable[..., None], cluster: Cluster
) -> None:
    first, second = cells(store, "mine")
    submitted(first, "101")
    submitted(second, "101")
    listed(j101="PENDING")
    answer = command("cancel", first.id)
    assert answer.code == 2
    assert f"101: {second.id}" in answer.err
    assert "add --yes" in answer.err
    assert cancelled(cluster) == []
    assert command("cancel", first.id, "--yes").code == 0
    assert [folder.state().name for folder in (first, second)] == ["interrupted", "interrupted"]


def test_on_a_terminal_cancel_asks(
    command: Command, store: Store, listed: Callable[..., None], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cells(store)[0]
    submitted(folder, "101")
    listed(j101="PENDING")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    asked: list[str] = []

    def answer(text: str, **_: object) -> Answer:
        asked.append(text)
        raise KeyboardInterrupt

    monkeypatch.setattr("typer.confirm", answer)
    assert command("cancel", folder.id).code == 130
    assert asked == ["Cancel 1 job with 1 cell?"]
    assert cancelled(cluster) == []


def test_what_runs_elsewhere_is_named_and_not_cancelled(
    command: Command, store: Store, listed: Callable[..., None], cluster: Cluster
) -> None:
    elsewhere, inline, *_ = cells(store)
    submitted(elsewhere, "7", cluster="sea")
    record = inline.record()
    assert record is not None
    inline.begin(record.planned(), {})
    with Lease(inline.lease):
        answer = command("cancel", "--yes")
    assert f"{elsewhere.id} is not cancelled: job 7: on the cluster sea" in answer.err
    assert f"{inline.id} is not cancelled: it runs on {socket.gethostname()} as process" in answer.err
    assert cancelled(cluster) == []


def test_nothing_is_cancelled_while_slurm_doesnt_answer_or_refuses(
    command: Command, store: Store, listed: Callable[..., None], cluster: Cluster
) -> None:
    folder = cells(store)[0]
    submitted(folder, "101")
    listed(j101="PENDING")
    cluster.command("scancel", "echo 'scancel: error: Access denied' >&2; exit 1")
    answer = command("cancel", "--yes")
    assert answer.code == 3
    assert "scancel failed: Access denied" in answer.err
    cluster.silent()
    answer = command("cancel", "--yes")
    assert answer.code == 3
    assert "Slurm does not answer; nothing was cancelled" in answer.err
    assert folder.state().name == "queued"


# --- completion


def test_the_shell_completes_ids_of_cells(command: Command, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cells(store)[0]
    for words in ("logs", "retry", "cancel"):
        monkeypatch.setenv("_PMLL_BENCH_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", f"pmll-bench {words} {folder.id[:8]}")
        monkeypatch.setenv("COMP_CWORD", "2")
        assert command().out.split() == [folder.id]
