"""Waiting for cells that jobs of a cluster carry out: the files decide, the scheduler gives hints."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from noted_slurm import Cluster
from pmll_bench.launch.slurm.queue import absences
from pmll_bench.launch.slurm.queue.jobs import Learned, learn
from pmll_bench.launch.slurm.queue.scheduler import Listed, user
from pmll_bench.launch.slurm.waiting import wait
from pmll_bench.plan.planned import Planned
from pmll_bench.running.listeners import Silent
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.failure import Explanation
from pmll_bench.store.lease import Lease
from pmll_bench.store.records import QueueRecord
from pmll_bench.store.store import Store
from stored import finish, planned


class Notes(Silent):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Days:
    """Something happens to the cluster or the store before each question to the scheduler."""

    def __init__(self, *days: Callable[[], object]) -> None:
        self.days = list(days)

    def __call__(self, store: Store, folders: Iterable[CellFolder]) -> Learned:
        if self.days:
            self.days.pop(0)()
        return learn(store, folders)


def cell(store: Store, item: Planned) -> CellFolder:
    return store.folder(item.cell)


def queue(store: Store, item: Planned, job: str) -> None:
    cell(store, item).write_request(item)
    cell(store, item).queue(QueueRecord(job=job, attempt=cell(store, item).newest, user=user()))


def waited(store: Store, cells: list[Planned], days: Days, notes: Notes | None = None) -> dict[str, list[str]]:
    outcome = wait(cells, store, notes or Notes(), ask=days, poll=0.0, every=0.0)
    return {state: ids for state, ids in vars(outcome).items() if ids}


def nothing() -> None: ...


def pending(job: str, reason: str) -> Listed:
    return Listed(job, "PENDING", user(), "4G", reason)


def test_waiting_ends_when_the_files_say_that_all_cells_have_ended(cluster: Cluster, store: Store) -> None:
    done, broken, strange = (planned(seed=seed) for seed in range(3))
    finish(store, done)
    cell(store, broken).begin(broken, {}).end("failed", Explanation("ValueError: boom", "", "", ""))
    cell(store, strange).begin(strange, {}).end("diverged")
    ended = waited(store, [done, broken, strange], Days())
    assert ended == {"done": [done.cell.id], "failed": [broken.cell.id], "diverged": [strange.cell.id]}


def test_a_cell_whose_job_is_gone_is_lost_but_not_after_one_answer_without_it(
    cluster: Cluster, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absences, "APART", 0.0)
    item = planned()
    queue(store, item, "7")
    cluster.alive("7")
    days = Days(nothing, cluster.alive, lambda: cluster.alive("7"), cluster.alive, nothing)
    assert waited(store, [item], days) == {"lost": [item.cell.id]}
    assert days.days == []


def test_a_scheduler_that_does_not_answer_changes_nothing(cluster: Cluster, store: Store) -> None:
    item = planned()
    queue(store, item, "7")
    cluster.silent()
    days = Days(nothing, nothing, nothing, lambda: finish(store, item))
    assert waited(store, [item], days) == {"done": [item.cell.id]}


def test_an_interrupted_cell_is_waited_for_while_its_job_waits_to_start_again(cluster: Cluster, store: Store) -> None:
    item = planned()
    queue(store, item, "7")
    cell(store, item).begin(item, {}, "7").end("interrupted")
    cluster.lists(pending("7", "BeginTime"))
    assert waited(store, [item], Days(nothing, nothing, lambda: finish(store, item))) == {"done": [item.cell.id]}


def test_a_cell_at_work_is_waited_for_even_if_no_job_is_known(cluster: Cluster, store: Store) -> None:
    item = planned()
    with Lease(cell(store, item).lease):
        assert waited(store, [item], Days(nothing, nothing, lambda: finish(store, item))) == {"done": [item.cell.id]}


def test_a_cancelled_job_ends_the_wait_with_its_cell_interrupted(cluster: Cluster, store: Store) -> None:
    item = planned()
    queue(store, item, "7")
    cluster.lists(Listed("7", "CANCELLED", user(), "4G", "None"))
    assert waited(store, [item], Days()) == {"interrupted": [item.cell.id]}
    assert "the same command submits it again" in cell(store, item).state().message


def test_a_job_that_can_never_start_ends_the_wait_and_its_remedy_is_told(cluster: Cluster, store: Store) -> None:
    item, other = planned(seed=0), planned(seed=1)
    queue(store, item, "7")
    queue(store, other, "8")
    cluster.lists(pending("7", "PartitionTimeLimit"), pending("8", "Resources"))
    notes = Notes()
    ended = waited(store, [item, other], Days(nothing, nothing, lambda: finish(store, other)), notes)
    assert ended == {"stuck": [item.cell.id], "done": [other.cell.id]}
    assert cell(store, item).state().name == "queued"
    assert "--slurm time=" in notes.notes[0]


def test_why_a_job_waits_is_told_once_for_each_reason(cluster: Cluster, store: Store) -> None:
    items = [planned(seed=seed) for seed in range(3)]
    for number, item in enumerate(items):
        queue(store, item, f"7_{number}")

    def all_wait(reason: str) -> Callable[[], None]:
        return lambda: cluster.lists(*(pending(f"7_{number}", reason) for number in range(3)))

    def finish_all() -> None:
        for item in items:
            finish(store, item)

    days = Days(all_wait("Priority"), nothing, all_wait("Resources"), all_wait("Priority"), nothing, finish_all)
    notes = Notes()
    waited(store, items, days, notes)
    assert notes.notes == [
        "3 cells queued: job 7: waiting for jobs of higher priority (Priority)",
        "3 cells queued: job 7: waiting for resources (Resources)",
    ]


class Clock:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_scheduler_is_asked_soon_at_first_and_then_ever_more_rarely(
    cluster: Cluster, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, item, asked = Clock(), planned(), list[float]()
    monkeypatch.setattr("pmll_bench.launch.slurm.waiting.time", clock)
    queue(store, item, "7")
    cluster.alive("7")

    def ask(store: Store, folders: Iterable[CellFolder]) -> Learned:
        asked.append(clock.now - 1000)
        if len(asked) == 7:
            finish(store, item)
        return learn(store, folders)

    wait([item], store, Notes(), ask=ask)
    assert asked == [0, 10, 30, 70, 130, 190, 250]
