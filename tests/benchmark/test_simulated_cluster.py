"""Weeks on a busy simulated cluster: every cell ends with one result, whatever is preempted, killed or lost."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pmll_bench.plan.planned import Group
from pmll_bench.store.status import survey
from pmll_bench.store.store import Store
from soak.simulated_cluster import Cluster, Report, Simulation, made_up_grid

MEMORY = Path("/dev/shm")
GRID = made_up_grid(seeds=5, ratios=(0.1, 0.9), methods=4)
BUSY = Cluster(gpus=8, per_node=2, lost=15.0, suspended=0.6)
QUIET = Cluster(gpus=8, per_node=2, lost=1e9, preempted=1e9, stragglers=0.0, started=0.0)


@pytest.fixture
def store() -> Iterator[Store]:
    """A store in memory, where there is one: thousands of writes are flushed to disk."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Store.open(Path(folder) / "runs")


def simulated(store: Store, cluster: Cluster, seed: int = 0, grid: tuple[Group, ...] = GRID) -> Report:
    return Simulation(store, cluster, random.Random(seed)).run(grid)


def test_every_cell_of_a_busy_cluster_ends_with_one_result(store: Store) -> None:
    report = simulated(store, BUSY, 2)
    cells = {planned.cell.id for group in GRID for planned in group.cells}
    assert dict(report.published) == dict.fromkeys(cells, 1)
    assert {cell.id: cell.state for cell in survey(store)} == dict.fromkeys(cells, "done")
    assert not [path for folder in store.folders() for path in folder.path.rglob("checkpoint-*")]
    befell = ("jobs killed without a trace", "nodes lost", "processes that went on unawares", "leases taken over")
    assert all(report.counts[name] for name in (*befell, "cells that a process found taken over"))
    assert report.counts["preemptions"] > len(GRID)
    assert 0 < report.repeated < 0.1
    assert report.ideal < report.makespan < 2 * report.ideal


def test_nothing_is_repeated_on_a_quiet_cluster(store: Store) -> None:
    report = simulated(store, QUIET)
    assert +report.counts == {"attempts": 80, "starts": 40}
    assert report.repeated == pytest.approx(0, abs=1e-9)
    assert [len(folder.attempts()) for folder in store.folders()] == [1] * 80


def test_a_group_that_is_longer_than_the_time_between_preemptions_ends_too(store: Store) -> None:
    alone = Cluster(gpus=1, per_node=1, mean_hours=50.0, preempted=1.0, killed=0.0, lost=1e9)
    report = simulated(store, alone, grid=GRID[:1])
    assert report.counts["preemptions"] > 10
    assert sum(report.published.values()) == 2
    assert report.submissions == 1
