"""A group takes as many cells at a time as fit into memory; a lack of it is not the failure of a cell among others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest
import torch

from pmll_bench.machine import _left_in_control_group, free_memory
from pmll_bench.plan.planning import Plan, plan
from pmll_bench.plan.request import Request
from pmll_bench.running import cell_run, fitting
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.running.outcome import Outcome
from pmll_bench.store.store import Store
from pmll_methods.engine import torch_method
from pmll_methods.engine.member import Member
from pmll_methods.engine.size import resident_bytes
from pmll_methods.engine.torch_method import TorchMethod

SETS = ("recipe.epochs=2", "recipe.batch=16")


class Notes(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def asked(*sets: str, methods: tuple[str, ...]) -> Plan:
    return plan(Request(methods=methods, subset=40, ratios=(0.3, 0.5, 0.7), sets=(*SETS, *sets)))


def carried_out(planned: Plan, root: Path) -> tuple[Store, Outcome, list[str]]:
    store, notes = Store.open(root), Notes()
    execution = Execution(threads=1, save_every=0)
    outcome = run_groups(planned.groups, store, execution, notes, threading.Event())
    return store, outcome, [note for note in notes.texts if note.startswith("memory")]


def scores(store: Store) -> dict[str, np.ndarray]:
    return {result.cell_id: store.scores(result.cell_id).scores for result in store.results()}


def assert_same(one: Store, other: Store) -> None:
    found, expected = scores(one), scores(other)
    assert found.keys() == expected.keys()
    for cell, values in found.items():
        np.testing.assert_array_equal(values, expected[cell])


@pytest.fixture(autouse=True)
def _save_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cell_run, "SAVE_RARELY", 0)


def small_room(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    monkeypatch.setattr(Execution, "room", property(lambda self: room))


def test_a_group_that_would_not_fit_is_trained_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = asked(methods=("dualcoop", "coop"))
    built: list[int] = []
    original = TorchMethod.build

    def noted(self: TorchMethod, *given: Any) -> Any:
        learner = original(self, *given)
        built.append(resident_bytes(learner, given[1].recipe))
        return learner

    monkeypatch.setattr(TorchMethod, "build", noted)
    whole, outcome, notes = carried_out(planned, tmp_path / "whole")
    assert len(outcome.done) == 6
    assert not notes
    small_room(monkeypatch, sum(built[:4]))
    parts, outcome, notes = carried_out(planned, tmp_path / "parts")
    assert len(outcome.done) == 6
    assert notes == ["memory 2 cells of 6 did not fit; they go on after the others"]
    assert_same(parts, whole)
    assert sorted(result.seconds.shared_with for result in parts.results()) == [2, 2, 6, 6, 6, 6]


def limit_members(monkeypatch: pytest.MonkeyPatch, most: int, error: Callable[[], Exception]) -> None:
    """From the third step on, a step fails if more than `most` members are in memory."""
    seen: list[ref[Member]] = []
    original = Member.train_step

    def limited(self: Member, batch: Any, phase: Any, place: Any, steps: int) -> None:
        if all(each() is not self for each in seen):
            seen.append(ref(self))
        alive = [each for known in seen if (each := known()) is not None and each.failure is None]
        if place.done >= 2 and len(alive) > most:
            raise error()
        original(self, batch, phase, place, steps)

    monkeypatch.setattr(Member, "train_step", limited)


LACKS = [
    pytest.param(lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."), id="GPU"),
    pytest.param(lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes"), id="CPU"),
    pytest.param(MemoryError, id="Python"),
]


@pytest.mark.parametrize("error", LACKS)
def test_cells_that_run_out_of_memory_go_on_from_their_checkpoints_after_the_others(
    error: Callable[[], Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = asked("recipe.cache=false", methods=("coop", "coop-csp"))
    whole, _, _ = carried_out(planned, tmp_path / "whole")
    limit_members(monkeypatch, 4, error)
    store, outcome, notes = carried_out(planned, tmp_path / "split")
    assert not outcome.failed
    assert notes == ["memory 2 cells of 6 did not fit; they go on after the others"]
    assert_same(store, whole)
    restored = [
        cell.label
        for cell in planned.cells
        if any(event["event"] == "restore" for event in store.folder(cell.cell).attempts()[-1].events())
    ]
    assert restored == ["coop", "coop"]  # the first to find the memory full
    assert all(len(store.folder(cell.cell).attempts()) == 1 for cell in planned.cells)


def test_if_no_cell_fits_half_of_them_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = asked(methods=("coop",))
    whole, _, _ = carried_out(planned, tmp_path / "whole")
    fit_methods = torch_method.fit_methods

    def two_at_most(methods: Any, *given: Any) -> Any:
        if len(methods) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return fit_methods(methods, *given)

    monkeypatch.setattr(fitting, "fit_methods", two_at_most)
    store, outcome, notes = carried_out(planned, tmp_path / "halves")
    assert len(outcome.done) == 3
    assert notes == ["memory 3 cells of 3 did not fit; they go on after the others"]
    assert_same(store, whole)


def test_a_cell_that_does_not_fit_alone_fails_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit_members(monkeypatch, 0, MemoryError)
    planned = asked(methods=("coop",))
    store, outcome, _ = carried_out(planned, tmp_path)
    assert len(outcome.failed) == 3
    end = store.folder(planned.cells[0].cell).attempts()[-1].ended()
    assert end is not None
    assert end.why == "oom"
    assert "too small for this cell alone" in end.hint


def test_rates_are_tried_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = asked("recipe.rates=0.001,0.01", "recipe.validation=0.3", methods=("coop",))
    whole, _, _ = carried_out(planned, tmp_path / "whole")
    small_room(monkeypatch, 1)  # one at a time
    store, outcome, notes = carried_out(planned, tmp_path / "parts")
    assert len(outcome.done) == 3
    assert notes[0] == "memory 5 cells of 6 did not fit; they go on after the others"
    assert_same(store, whole)
    for cell in planned.cells:
        tried, expected = (each.folder(cell.cell).tried_rates() for each in (store, whole))
        assert tried is not None
        assert expected is not None
        assert tried.rates == expected.rates


# How much memory there is


def test_the_free_memory_of_this_machine_is_known_on_linux() -> None:
    free = free_memory("cpu")
    assert free is None or 0 < free < 2**50


def test_a_control_group_and_those_around_it_limit_the_memory(tmp_path: Path) -> None:
    job = tmp_path / "slurm" / "job"
    job.mkdir(parents=True)
    for folder, limit, used, cache in ((job, "max", 10, 0), (job.parent, "1000", 400, 100)):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cache}\n")
    assert _left_in_control_group("", "/slurm/job", tmp_path) == [700]
    assert _left_in_control_group("cpu,cpuacct", "/slurm/job", tmp_path) == []


def test_a_control_group_of_version_1_limits_the_memory(tmp_path: Path) -> None:
    folder = tmp_path / "memory" / "docker"
    folder.mkdir(parents=True)
    for name, text in (
        ("memory.limit_in_bytes", "1000"),
        ("memory.usage_in_bytes", "400"),
        ("memory.stat", "total_inactive_file 50"),
    ):
        (folder / name).write_text(text)
    assert _left_in_control_group("memory", "/docker", tmp_path) == [650]


def test_slots_on_one_device_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmll_bench.running.execution.free_memory", lambda device: 1000)
    assert Execution(share=0.5).room == 350
    monkeypatch.setattr("pmll_bench.running.execution.free_memory", lambda device: None)
    assert Execution().room is None
