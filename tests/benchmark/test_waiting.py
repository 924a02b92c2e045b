"""Waiting for cells that jobs of a cluster carry out: the files decide, the scheduler gives hints."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pmll_bench.launch.waiting import wait
from pmll_bench.plan.planned import Planned
from pmll_bench.run.progress import PlainListener
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.failure import Explanation
from pmll_bench.store.lease import Lease
from pmll_bench.store.records import QueueRecord
from pmll_bench.store.store import Store
from stored import finish, planned


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "runs")


def cell(store: Store, item: Planned) -> CellFolder:
    return store.folder(item.cell)


def waited(store: Store, cells: list[Planned], alive: Callable[[], set[str] | None]) -> dict[str, list[str]]:
    outcome = wait(cells, store, alive, PlainListener(len(cells), sys.stderr), poll=0.0, query=0.0)
    return {state: ids for state, ids in vars(outcome).items() if ids}


def test_waiting_ends_when_the_files_say_that_all_cells_have_ended(store: Store) -> None:
    done, broken, strange = (planned(seed=seed) for seed in range(3))
    finish(store, done)
    cell(store, broken).begin(broken, {}).end("failed", Explanation("ValueError: boom", "", "", ""))
    cell(store, strange).begin(strange, {}).end("diverged")
    ended = waited(store, [done, broken, strange], set)
    assert ended == {"done": [done.cell.id], "failed": [broken.cell.id], "diverged": [strange.cell.id]}


def test_a_cell_whose_job_has_gone_without_a_word_is_lost(store: Store) -> None:
    item = planned()
    cell(store, item).queue(QueueRecord(job="7", attempt=0))
    answers = iter([{"7"}, set(), {"7"}, set(), set()])  # one answer without the job may be a slip
    assert waited(store, [item], lambda: next(answers)) == {"lost": [item.cell.id]}
    assert list(answers) == []


def test_a_scheduler_that_doesnt_answer_changes_nothing(store: Store) -> None:
    item = planned()
    cell(store, item).queue(QueueRecord(job="7", attempt=0))
    asked: list[None] = []

    def silent() -> None:
        asked.append(None)
        if len(asked) == 5:
            finish(store, item)

    assert waited(store, [item], silent) == {"done": [item.cell.id]}


def test_an_interrupted_cell_is_waited_for_because_its_job_starts_again(store: Store) -> None:
    item = planned()
    cell(store, item).queue(QueueRecord(job="7", attempt=0))
    cell(store, item).begin(item, {}).end("interrupted")
    asked: list[None] = []

    def alive() -> set[str]:
        asked.append(None)
        if len(asked) == 3:
            finish(store, item)
        return {"7"}

    assert waited(store, [item], alive) == {"done": [item.cell.id]}


def test_what_runs_isnt_lost_even_if_no_job_is_known(store: Store) -> None:
    item = planned()
    asked: list[None] = []

    def none_here() -> set[str]:
        asked.append(None)
        if len(asked) == 5:
            finish(store, item)
        return set()

    with Lease(cell(store, item).lease):
        assert waited(store, [item], none_here) == {"done": [item.cell.id]}
