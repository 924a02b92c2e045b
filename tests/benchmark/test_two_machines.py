"""Two machines on one store: they share the work, and one takes over from the other, whatever their clocks say."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from machines import DURATION, HEARTBEAT, Machine, can_unshare, grid, until
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.store.attempt import Attempt
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.store import Store

pytestmark = pytest.mark.skipif(
    not can_unshare(), reason="needs 'unshare --uts --pid --mount-proc', which takes root on Linux"
)
MINUTES = 60.0


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The grid, carried out by one unbroken run."""
    store = Store.open(tmp_path_factory.mktemp("single"))
    run_groups(grid().groups, store, Execution(threads=1), Silent(), threading.Event())
    return store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "shared")


def differences(store: Store, single: Store) -> list[str]:
    from soak.kill_nine import differences

    return differences(store, single)


def attempts(store: Store) -> list[Attempt]:
    return [attempt for folder in store.folders() for attempt in folder.attempts()]


def host(attempt: Attempt) -> str:
    record = attempt.began()
    assert record is not None
    return record.host


def saved(store: Store) -> list[CellFolder]:
    """The cells with two checkpoints."""
    return [folder for folder in store.folders() if len(folder.checkpoints()) == 2]


def leftovers(store: Store) -> list[str]:
    names = ("checkpoint-", ".tmp-", "lease")
    return [str(path) for path in store.root.rglob("*") if path.name.startswith(names)]


def test_they_share_the_work_and_each_cell_is_trained_once(store: Store, single: Store) -> None:
    with Machine(store.root, "node-a", 10 * MINUTES) as one, Machine(store.root, "node-b", -10 * MINUTES) as other:
        one.start()
        other.start()
        done = [one.outcome()["done"], other.outcome()["done"]]
    assert all(done)
    assert Counter(cell for cells in done for cell in cells) == Counter(folder.id for folder in store.folders())
    assert Counter(host(attempt) for attempt in attempts(store)) == {"node-a": len(done[0]), "node-b": len(done[1])}
    assert {result.effort.attempts for result in store.results() if result.effort} == {1}
    assert differences(store, single) == []
    assert leftovers(store) == []


@pytest.mark.parametrize(
    ("ahead", "hosts"),
    [(10 * MINUTES, ("node-a", "node-b")), (-10 * MINUTES, ("node", "node"))],
    ids=["the other's clock is ahead", "the other's clock is behind, and both have one name, as containers may"],
)
def test_one_takes_over_from_the_other_when_it_is_switched_off(
    ahead: float, hosts: tuple[str, str], store: Store, single: Store
) -> None:
    # The first process of each machine has the number 1: the holder's number also exists on the other machine.
    with Machine(store.root, hosts[0]) as one, Machine(store.root, hosts[1], ahead) as other:
        one.start()
        until(lambda: saved(store))
        held = saved(store)
        one.send(signal.SIGKILL)
        stopped = time.monotonic()
        assert all(folder.result() is None for folder in held)
        other.start()
        until(lambda: held[0].newest == 2)
        waited = time.monotonic() - stopped
        assert len(other.outcome()["done"]) == len(grid().cells)
    assert waited > DURATION - HEARTBEAT - 0.1  # not before the lease has expired
    assert differences(store, single) == []
    for folder in held:
        result = folder.result()
        assert result is not None
        assert result.effort is not None
        assert (result.attempt, result.effort.attempts) == (2, 2)
    assert [host(attempt) for attempt in held[0].attempts()] == list(hosts)
    assert leftovers(store) == []


def test_a_machine_that_stood_still_lost_its_cells_and_leaves_nothing_but_records(store: Store, single: Store) -> None:
    with Machine(store.root, "node-a") as one, Machine(store.root, "node-b") as other:
        one.start()
        until(lambda: saved(store))
        one.send(signal.SIGSTOP)
        held = saved(store)
        other.start()
        until(lambda: all(folder.newest == 2 for folder in held))
        one.send(signal.SIGCONT)
        outcomes = [one.outcome(), other.outcome()]
    assert {folder.id for folder in held} <= {*outcomes[0]["interrupted"], *outcomes[0]["done"]}
    assert differences(store, single) == []
    for folder in held:
        result = folder.result()
        assert result is not None
        assert result.effort is not None
        assert result.effort.attempts >= 2
        others = [attempt for attempt in folder.attempts() if attempt.number != result.attempt]
        for attempt in others:
            assert {path.suffix for path in attempt.path.iterdir()} <= {".json", ".jsonl", ".txt", ".npz"}
    assert leftovers(store) == []
