"""A cell keeps two checkpoints over all its attempts, none once it is done, and stops if another run takes it over."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pmll_bench.plan.planned import Planned
from pmll_bench.plan.planning import Plan, plan
from pmll_bench.plan.request import Request
from pmll_bench.running import cell_run, groups
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.running.outcome import Outcome
from pmll_bench.store import lease as leases
from pmll_bench.store.attempt import Attempt, drop_checkpoints
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.document import write_record
from pmll_bench.store.effort import effort
from pmll_bench.store.lease import Lease
from pmll_bench.store.result import Effort
from pmll_bench.store.store import Store
from small_grids import StopsAfter
from stored import finish, planned, write

QUICK = ("recipe.epochs=4", "recipe.batch=8")
RATES = ("recipe.rates=1e-3,1e-2", "recipe.validation=0.3", "recipe.resolution=16")
POLLS = """
import numpy as np
import torch

class Mine:
    def fit(self, train, run):
        self.classes = len(train.classes)
        for epoch in range(1, 4):
            run.report(epoch, 3, {"loss": 1.0})
            if run.should_stop():
                raise AssertionError("nobody asked to stop")
            run.save({"epoch": torch.tensor(epoch)}, epoch)

    def predict(self, images, run):
        return np.zeros((len(images), self.classes), np.float32)
"""


def checkpoints(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("checkpoint-*"))


def carry_out(asked: Plan, root: Path, listener: Silent | None = None, stop: threading.Event | None = None) -> Outcome:
    execution = Execution(threads=1, save_every=0.0)
    return run_groups(asked.groups, Store.open(root), execution, listener or Silent(), stop or threading.Event())


def learner(*ratios: float, sets: tuple[str, ...] = QUICK) -> Plan:
    return plan(Request(methods=("asl",), ratios=ratios, subset=48, sets=sets))


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """States are saved after every step."""
    monkeypatch.setattr(cell_run, "SAVE_RARELY", 0)


# How many are kept


@pytest.mark.parametrize("sets", [QUICK, (*QUICK, *RATES)], ids=["one rate", "rates to choose from"])
def test_any_number_of_interrupted_attempts_leaves_two_checkpoints(sets: tuple[str, ...], tmp_path: Path) -> None:
    for attempt in range(1, 5):
        carry_out(learner(0.5, sets=sets), tmp_path, stop=StopsAfter(6))
        (folder,) = Store.open(tmp_path).folders()
        assert len(folder.attempts()) == attempt
        kept = [len(checkpoints(part)) for part in (folder.path / "attempts", *folder.path.glob("tries/*"))]
        assert max(kept) == 2


def test_a_failed_cell_keeps_two_checkpoints_and_a_finished_one_none(tmp_path: Path) -> None:
    folder = Store.open(tmp_path).folder(planned().cell)
    for step in range(1, 7):
        attempt = folder.begin(planned(), {})
        attempt.save_checkpoint(step, write)
        attempt.end("failed")
    assert checkpoints(tmp_path) == ["checkpoint-00000005.pt", "checkpoint-00000006.pt"]
    finish(Store.open(tmp_path), planned())
    assert checkpoints(tmp_path) == []


def test_of_damaged_checkpoints_only_the_latest_is_kept(tmp_path: Path) -> None:
    asked = learner(0.5)
    for _ in range(3):
        carry_out(asked, tmp_path, stop=StopsAfter(6))
        (folder,) = Store.open(tmp_path).folders()
        for _, path in folder.checkpoints():
            path.write_bytes(b"not what was saved")
    carry_out(asked, tmp_path, stop=StopsAfter(6))
    kept = checkpoints(tmp_path)
    assert len([name for name in kept if ".damaged-" in name]) == 1
    assert len(kept) == 3


def test_checkpoints_of_a_cell_that_another_run_finished_are_dropped_by_who_notices(tmp_path: Path) -> None:
    asked = learner(0.5)
    carry_out(asked, tmp_path)
    (folder,) = Store.open(tmp_path).folders()
    late = folder.begin(asked.cells[0], {})
    tried = CellFolder(folder.path / "tries" / "0.001").begin(asked.cells[0], {})
    for attempt in (late, tried):
        attempt.save_checkpoint(7, write)
    assert len(checkpoints(tmp_path)) == 2
    carry_out(asked, tmp_path)
    assert checkpoints(tmp_path) == []


def test_an_attempt_leaves_the_checkpoints_of_the_one_that_took_over(tmp_path: Path) -> None:
    folder = Store.open(tmp_path).folder(planned().cell)
    first, second = folder.begin(planned(), {}), folder.begin(planned(), {})
    second.save_checkpoint(3, write)
    first.save_checkpoint(9, write)
    assert [step for step, _ in second.checkpoints()] == [3]
    second.save_checkpoint(10, write)
    assert [step for step, _ in folder.checkpoints()] == [10, 3]
    drop_checkpoints(folder.path)
    assert checkpoints(tmp_path) == []


def test_the_next_attempt_removes_what_a_killed_write_left_behind(tmp_path: Path) -> None:
    folder = Store.open(tmp_path).folder(planned().cell)
    killed = folder.begin(planned(), {})
    old, new = killed.path / ".tmp-checkpoint-00000001.pt-aa", killed.path / ".tmp-checkpoint-00000002.pt-bb"
    for path in (old, new, folder.path / ".tmp-result.json-cc"):
        path.write_bytes(b"half")
    for path in (old, folder.path / ".tmp-result.json-cc"):
        os.utime(path, (time.time() - leases.DURATION - 60,) * 2)
    claim = folder.path / ".tmp-result.json-dd-claim"  # where there are no hard links
    claim.mkdir()
    (claim / "content").write_bytes(b"half")
    os.utime(claim, (time.time() - leases.DURATION - 60,) * 2)
    folder.begin(planned(), {})
    assert list(tmp_path.rglob(".tmp-*")) == [new]  # it may still be written


# Another run takes over


class TakesOver(Silent):
    """Another machine that takes over a cell after its first epoch, or does whatever `then` does."""

    def __init__(
        self, cell: Planned, root: Path, taken: list[Lease], then: Callable[[], object] = lambda: None
    ) -> None:
        self.cell, self.path, self.taken, self.then = cell, Store(root).folder(cell.cell).lease, taken, then
        self.left: list[str] = []
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def cell_progress(self, planned: Planned, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        if planned is not self.cell or self.left:
            return
        self.left = ["no checkpoint yet", *checkpoints(self.path.parent)]
        self.path.unlink()
        self.path.write_text("filelock/2\npid=1\nhost=node17\nmode=lease\ntoken=aa\nduration=300.0\n")
        (mine,) = (lease for lease in self.taken if lease.path == self.path)
        while mine.lost is None:
            time.sleep(0.005)
        self.then()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Lease]:
    """The leases that runs take from now on; their heartbeat is fast."""
    monkeypatch.setattr(leases, "HEARTBEAT", 0.02)
    found: list[Lease] = []

    def noted(path: Path) -> Lease:
        found.append(Lease(path))
        return found[-1]

    monkeypatch.setattr(groups, "Lease", noted)
    return found


def test_a_cell_that_was_taken_over_ends_at_the_next_step_and_its_group_goes_on(
    taken: list[Lease], tmp_path: Path
) -> None:
    asked = learner(0.3, 0.8)
    other = TakesOver(asked.cells[0], tmp_path, taken)
    outcome = carry_out(asked, tmp_path, other)
    lost, kept = (Store.open(tmp_path).folder(planned.cell) for planned in asked.cells)
    assert (outcome.interrupted, outcome.done) == ([lost.id], [kept.id])
    (attempt,) = lost.attempts()
    end = attempt.ended()
    assert end is not None
    assert (end.kind, end.why) == ("interrupted", "stopped")
    assert end.message == "LeaseLost: another run took over this cell (owner-changed); its result counts"
    assert f"{lost.id}: {end.message}" in other.notes
    assert [event["epoch"] for event in attempt.events() if event["event"] == "epoch"] == [1]
    assert checkpoints(lost.path) == other.left[1:]  # nothing was saved after the loss
    assert lost.lease.exists()  # it is the other run's


def test_a_single_cell_that_was_taken_over_reads_no_more_images(
    taken: list[Lease], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pmll_methods.engine.member import Member

    asked = learner(0.5)
    steps: list[int] = []
    step = Member.train_step

    def counted(self: Member, *arguments: object) -> None:
        steps.append(1)
        step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Member, "train_step", counted)
    outcome = carry_out(asked, tmp_path, TakesOver(asked.cells[0], tmp_path, taken))
    assert len(outcome.interrupted) == 1
    assert len(steps) == 6  # those of the first epoch


def test_if_the_other_run_finishes_the_cell_nothing_but_the_record_stays(taken: list[Lease], tmp_path: Path) -> None:
    asked = learner(0.5)
    carry_out(asked, tmp_path / "other")
    own = tmp_path / "own"
    source, target = (
        Store(root).folder(asked.cells[0].cell).path / "result.json" for root in (tmp_path / "other", own)
    )
    listener = TakesOver(asked.cells[0], own, taken, lambda: shutil.copy(source, target))
    carry_out(asked, own, listener)
    assert len(listener.left) > 1
    names = sorted(path.name for path in target.parent.rglob("*") if path.is_file())
    assert names == ["attempt.json", "cell.json", "end.json", "events.jsonl", "lease", "result.json", "traceback.txt"]


def test_rates_that_a_run_could_not_try_to_the_end_are_not_recorded(taken: list[Lease], tmp_path: Path) -> None:
    asked = learner(0.5, sets=(*QUICK, *RATES))
    outcome = carry_out(asked, tmp_path, TakesOver(asked.cells[0], tmp_path, taken))
    (folder,) = Store.open(tmp_path).folders()
    assert outcome.interrupted == [folder.id]
    assert folder.tried_rates() is None


def test_a_method_with_its_own_loop_ends_when_it_asks_whether_to_stop(taken: list[Lease], tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(POLLS)
    asked = plan(Request(methods=(str(path),), ratios=(0.5,), subset=48))
    root = tmp_path / "runs"
    outcome = carry_out(asked, root, TakesOver(asked.cells[0], root, taken))
    assert len(outcome.interrupted) == 1
    assert checkpoints(root) == []


# What was lost and repeated


def logged(folder: CellFolder, start: str, *events: tuple[str, str, int]) -> Attempt:
    """An attempt with the log of another day: each event has a time, a kind and a step or an epoch."""
    attempt = folder.begin(planned(), {})
    record = attempt.began()
    assert record is not None
    write_record(attempt.path / "attempt.json", record.model_copy(update={"created": f"2026-03-01T{start}Z"}))
    names = {"epoch": "epoch", "save": "step", "restore": "step"}
    lines = [{"time": f"2026-03-01T{at}Z", "event": kind, names[kind]: number} for at, kind, number in events]
    (attempt.path / "events.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return attempt


def test_the_effort_counts_what_was_trained_after_the_state_that_training_went_on_from(tmp_path: Path) -> None:
    folder = Store.open(tmp_path).folder(planned().cell)
    logged(folder, "10:00:00")  # killed before its first line
    logged(folder, "10:00:00", ("10:01:00", "epoch", 1), ("10:01:30", "save", 10), ("10:02:10", "epoch", 2))
    logged(folder, "10:10:00", ("10:10:20", "restore", 10), ("10:11:00", "epoch", 2))  # nothing of it was saved
    logged(folder, "10:20:00", ("10:20:10", "restore", 10), ("10:20:40", "epoch", 2), ("10:21:00", "save", 20))
    logged(folder, "10:30:00", ("10:30:10", "restore", 20), ("10:30:40", "epoch", 3))
    logged(folder, "10:31:00", ("10:31:10", "restore", 10), ("10:31:30", "epoch", 2))  # a run beside it
    found = effort(folder.attempts(), winner=5)
    assert (found.attempts, found.repeated_epochs) == (6, 3)
    assert found.lost_seconds == 40 + 60 + 0 + 30


def test_an_unbroken_cell_lost_nothing(tmp_path: Path) -> None:
    carry_out(learner(0.5), tmp_path)
    (result,) = Store.open(tmp_path).results()
    assert result.effort == Effort(attempts=1, repeated_epochs=0, lost_seconds=0.0)


def test_a_stopped_and_resumed_cell_counts_its_attempts(tmp_path: Path) -> None:
    for stop in (StopsAfter(8), StopsAfter(8), None):
        carry_out(learner(0.5), tmp_path, stop=stop)
    (result,) = Store.open(tmp_path).results()
    assert result.effort is not None
    assert (result.effort.attempts, result.effort.repeated_epochs) == (3, 0)  # it saved when it stopped
