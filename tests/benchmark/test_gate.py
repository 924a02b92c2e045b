"""The smoke check: what would fail in every job of a row fails in a small job that runs first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from noted_slurm import Cluster, run_job
from own_data import own_data
from pmll_bench.errors import ConfigError, StoreError
from pmll_bench.launch.slurm.queue.job_ends import checked_row
from pmll_bench.launch.slurm.queue.scheduler import Listed, user
from pmll_bench.launch.slurm.submission.cancelling import cancel_jobs, find_jobs
from pmll_bench.launch.slurm.submission.gate import SmokeCheck, largest_of_each_row
from pmll_bench.launch.slurm.submission.submit import submit
from pmll_bench.plan.planned import Group
from pmll_bench.plan.planning import Plan, open_dataset, plan
from pmll_bench.plan.request import MethodRow, Request
from pmll_bench.running.execution import Execution
from pmll_bench.running.first_steps import few_images, take_first_steps
from pmll_bench.running.fitting import fit
from pmll_bench.running.train_set import train_set
from pmll_bench.running.training import Training
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.holds import Holds, row_of
from pmll_bench.store.records import SubmissionRecord
from pmll_bench.store.store import Store
from small_grids import small_grid

METHOD = """
import os
from pathlib import Path
import numpy as np

class {name}:
    def fit(self, train, run):
        known = (train.labels != 0).mean()
        with Path("{log}").open("a") as file:
            print("{name}", len(train.ids), round(float(known), 1), run.recipe.epochs, run.recipe.batch, file=file)
        {fit}
        self.classes = len(train.classes)

    def predict(self, images, run):
        return np.zeros((len(images), self.classes), np.float32)
"""
FAILS = 'raise ValueError("the lake is dry")'
NO_MEMORY = "if known < 0.2: raise MemoryError('no more')"


def method(folder: Path, name: str, fit: str = "pass") -> str:
    """A method that notes what it was given to learn from."""
    path = folder / f"{name}.py"
    path.write_text(METHOD.format(name=name.capitalize(), fit=fit, log=folder / "log"))
    return str(path)


def grid_of(*methods: str, seeds: tuple[int, ...] = (0,), ratios: tuple[float, ...] = (0.1, 0.9)) -> Plan:
    return plan(Request(methods=methods, ratios=ratios, seeds=seeds, subset=60))


def cells_of(store: Store, grid: Plan, label: str) -> list[CellFolder]:
    return [store.folder(each.cell) for each in grid.cells if each.label == label]


def files_of(store: Store) -> set[Path]:
    return {path for path in (store.root / "cells").rglob("*") if path.is_file()}


def log(folder: Path) -> list[str]:
    path = folder / "log"
    return path.read_text().splitlines() if path.exists() else []


def record(store: Store, array: int) -> SubmissionRecord:
    return SubmissionRecord.model_validate_json((store.root / "slurm" / f"{array}.json").read_bytes())


# --- what is submitted


def test_the_jobs_of_a_grid_wait_for_one_smoke_check(cluster: Cluster, store: Store, tmp_path: Path) -> None:
    grid = small_grid(tmp_path)
    submit(grid.groups, store, {"mem": "16G", "time": "1-0"})
    check, jobs = cluster.script(901), cluster.script(101)
    assert "#SBATCH --job-name=pmll-bench-smoke" in check
    assert "#SBATCH --mem=16G" in check
    assert "#SBATCH --time=40" in check  # short, whatever the jobs ask for
    assert "--array" not in check
    assert "--dependency" not in check
    for script in (jobs, cluster.script(102)):
        assert "#SBATCH --dependency=afterok:901" in script
        assert "#SBATCH --kill-on-invalid-dep=yes" in script
    assert not (cluster.folder / "902.sh").exists()
    assert record(store, 101).smoke == "901"


def test_there_is_no_check_for_a_single_job_or_if_none_is_wanted(
    cluster: Cluster, store: Store, tmp_path: Path
) -> None:
    grid = small_grid(tmp_path)
    submit(grid.groups[:1], store, {})
    submit(grid.groups[1:], store, {"smoke": "no"})
    assert not (cluster.folder / "901.sh").exists()
    assert "--dependency" not in cluster.script(102)
    assert record(store, 102).smoke == ""


def test_jobs_with_other_resources_have_a_check_of_their_own(cluster: Cluster, store: Store, tmp_path: Path) -> None:
    grid = grid_of(method(tmp_path, "first"), method(tmp_path, "second"))
    submit(grid.groups, store, {"mem": "4G", "second.mem": "64G"})
    assert ["--mem=4G" in cluster.script(901), "--mem=64G" in cluster.script(902)] == [True, True]
    for array in (101, 102):
        check = record(store, array).smoke
        assert f"--dependency=afterok:{check}" in cluster.script(array)
        assert record(store, array).settings["mem"] == {"901": "4G", "902": "64G"}[check]


def test_a_row_is_checked_with_its_largest_group() -> None:
    grid = grid_of("bce", "coop", ratios=(0.1, 0.5, 0.9), seeds=(0, 1))
    short = [Group(grid.groups[0].cells[:1]), *grid.groups[1:]]
    chosen = largest_of_each_row(short)
    assert [(group.cells[0].label, len(group.cells)) for group in chosen] == [("bce", 3), ("coop", 3)]


def test_rows_differ_in_what_can_fail_and_not_in_ratios_and_seeds() -> None:
    rows = (MethodRow("bce"), MethodRow("bce", label="large", sets=("recipe.batch=48",)), MethodRow("asl"))
    grid = plan(Request(methods=rows, ratios=(0.1, 0.9), seeds=(0, 1), subset=60))
    names = {each.label: set[str]() for each in grid.cells}
    for each in grid.cells:
        names[each.label].add(row_of(each.cell))
    assert [len(found) for found in names.values()] == [1, 1, 1]
    assert len(set.union(*names.values())) == 3


# --- what the check does


def test_a_check_takes_a_first_step_and_writes_nothing_into_cells(
    cluster: Cluster, store: Store, tmp_path: Path
) -> None:
    grid = grid_of(method(tmp_path, "mine"), ratios=(0.1, 0.9))
    submit(grid.groups, store, {})
    before = files_of(store)
    run_job(store, "901")
    assert files_of(store) == before
    assert not (store.root / "slurm" / "held").exists()
    assert {folder.state().name for folder in cells_of(store, grid, "mine")} == {"queued"}
    (line,) = log(tmp_path)  # a plain method has a group per cell; one stands for its row
    name, images, _, epochs, batch = line.split()
    assert (name, epochs, batch) == ("Mine", "1", "32")
    assert 32 <= int(images) < 60
    for job in ("101_0", "101_1"):
        run_job(store, job)
    assert {folder.state().name for folder in cells_of(store, grid, "mine")} == {"done"}


def test_a_row_that_fails_is_held_and_the_others_go_on(cluster: Cluster, store: Store, tmp_path: Path) -> None:
    grid = grid_of(method(tmp_path, "bad", FAILS), method(tmp_path, "good"))
    submit(grid.groups, store, {})
    run_job(store, "901")
    (tmp_path / "log").unlink()
    for job in ("101_0", "101_1", "101_2", "102"):
        run_job(store, job)
    for folder in cells_of(store, grid, "bad"):
        state = folder.state()
        assert state == ("failed", "ValueError: the lake is dry (bad.py:11, in fit)")
        (attempt,) = folder.attempts()
        assert attempt.ended().why == "error"  # type: ignore[union-attr]
        assert "Traceback" in attempt.ended().traceback  # type: ignore[union-attr]
    assert [line.split()[0] for line in log(tmp_path)] == ["Good", "Good"]  # no job of the other row trained
    assert {folder.state().name for folder in cells_of(store, grid, "good")} == {"done"}


def test_a_held_row_is_tried_again_when_the_user_asks(cluster: Cluster, store: Store, tmp_path: Path) -> None:
    bad = method(tmp_path, "bad", 'if not Path("{log}.ok").exists(): raise ValueError("no")'.format(log=tmp_path / "x"))
    grid = grid_of(bad, method(tmp_path, "good"))
    submit(grid.groups, store, {})
    run_job(store, "901")
    run_job(store, "101_0")
    (tmp_path / "x.ok").touch()
    submit(grid.groups, store, {})
    assert cells_of(store, grid, "bad")[0].state().name == "queued"
    run_job(store, "902")
    run_job(store, "103_0")
    assert cells_of(store, grid, "bad")[0].state().name == "done"


def test_if_every_row_fails_the_check_fails_so_that_slurm_cancels_the_jobs(
    cluster: Cluster, store: Store, tmp_path: Path
) -> None:
    grid = grid_of(method(tmp_path, "bad", FAILS))
    submit(grid.groups, store, {})
    with pytest.raises(ConfigError, match="no row passed the smoke check"):
        run_job(store, "901")
    held = Holds(store.root, record(store, 101).holds).why(grid.cells[-1].cell)
    assert held is not None
    assert held.why.line == "ValueError: the lake is dry (bad.py:11, in fit)"


def test_too_little_memory_in_one_cell_holds_the_row_and_another_error_in_one_cell_doesnt(
    cluster: Cluster, store: Store, tmp_path: Path
) -> None:
    source = """
from learners import CARD, RECIPE, Linear
from pmll_methods.recipe import Track
import dataclasses

class {name}(Linear):
    card = dataclasses.replace(CARD, name="{name}".lower(), tracks={{"smoke": Track(recipe=RECIPE)}})

    def loss(self, batch, head, step):
        if (self.problem.labels != 0).float().mean() < 0.5:
            raise {error}("not enough")
        return super().loss(batch, head, step)
"""
    for name, error in (("Memory", "MemoryError"), ("Value", "ValueError")):
        (tmp_path / f"{name.lower()}.py").write_text(source.format(name=name, error=error))
    grid = grid_of(str(tmp_path / "memory.py"), str(tmp_path / "value.py"))
    assert [len(group.cells) for group in grid.groups] == [2, 2]
    submit(grid.groups, store, {})
    run_job(store, "901")
    holds = Holds(store.root, record(store, 101).holds)
    first, last = holds.why(grid.groups[0].cells[0].cell), holds.why(grid.groups[1].cells[0].cell)
    assert first is not None
    assert (first.cause, first.what) == ("oom", "MemoryError: not enough")
    assert last is None


def test_missing_images_are_found_before_any_job_begins(cluster: Cluster, store: Store, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    labels = own_data(tmp_path / "data", 4 * ("1,-1", "-1,1"))
    grid = plan(Request(methods=("bce",), datasets=(labels,), ratios=(0.5,), seeds=(0, 1)))
    submit(grid.groups, store, {})
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(ConfigError, match="no row passed"):
        run_job(store, "901")
    held = Holds(store.root, record(store, 101).holds).why(grid.cells[0].cell)
    assert held is not None
    assert "DataError" in held.what


def test_a_check_refuses_other_code_than_was_planned(
    cluster: Cluster, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = grid_of(method(tmp_path, "mine"))
    submit(grid.groups, store, {})
    monkeypatch.setattr("pmll_bench.store.source_code.code_digest", lambda: "other")
    with pytest.raises(ConfigError, match="the code has changed"):
        run_job(store, "901")
    held = Holds(store.root, record(store, 101).holds).why(grid.cells[0].cell)
    assert held is not None
    assert "the code has changed" in held.what


def test_a_check_tries_to_write_into_the_store_first(
    cluster: Cluster, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = grid_of(method(tmp_path, "mine"))
    submit(grid.groups, store, {})

    def full(folder: Path) -> None:
        raise StoreError("no space left", where=str(folder))

    monkeypatch.setattr("pmll_bench.launch.slurm.submission.gate.probe", full)
    with pytest.raises(StoreError, match="no space left"):
        run_job(store, "901")
    assert log(tmp_path) == []


def test_a_check_that_is_cut_off_begins_again_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("runs", ("a/b/c",), {"submission": "x"})
    again = SmokeCheck().checkpoint(*arguments)
    assert again is not None
    assert again.args == arguments
    assert SmokeCheck().checkpoint("runs", (), {"requeue": "no"}) is None
    monkeypatch.setenv("SLURM_RESTART_COUNT", "3")
    assert SmokeCheck().checkpoint(*arguments) is None


def test_a_row_that_lacked_memory_is_tried_again_with_more(cluster: Cluster, store: Store, tmp_path: Path) -> None:
    grid = grid_of(method(tmp_path, "large", f'if not Path("{tmp_path}/more").exists(): raise MemoryError("no more")'))
    submit(grid.groups, store, {})
    with pytest.raises(ConfigError, match="no row passed"):
        run_job(store, "901")
    (folder, _) = cells_of(store, grid, "large")
    run_job(store, "101_0")
    state, message = folder.state()
    assert state == "failed"
    assert message.startswith("MemoryError: no more (large.py:11, in fit)")
    (tmp_path / "more").touch()
    queued = folder.queued()
    assert queued is not None
    folder.queue(queued.model_copy(update={"attempt": 1}))  # as jobs are submitted again within the limits of retries
    run_job(store, "101_0")
    assert folder.state().name == "done"


# --- first steps


@pytest.mark.parametrize("regime", ["partial", "full", "single-positive", "semi"])
def test_every_method_takes_its_first_steps(store: Store, regime: str) -> None:
    ratios = (0.1, 0.5) if regime in ("partial", "semi") else Request().ratios
    grid = plan(Request(methods=("all",), ratios=ratios, regime=regime, subset=200))
    failures = {
        group.cells[0].label: found for group in grid.groups if (found := take_first_steps(group, store, Execution()))
    }
    assert failures == {}


def test_all_cells_and_all_rates_of_a_group_train_together_as_planned(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Training] = []

    def spied(cells: Sequence[Training]) -> None:
        seen.extend(cells)
        fit(cells)

    monkeypatch.setattr("pmll_bench.running.first_steps.fit", spied)
    grid = plan(
        Request(
            methods=("coop",),
            ratios=(0.1, 0.5, 0.9),
            subset=120,
            sets=("recipe.rates=0.1,0.01", "recipe.validation=0.2", "recipe.batch=16"),
        )
    )
    assert take_first_steps(grid.groups[0], store, Execution()) == {}
    assert [cell.run.recipe.lr for cell in seen] == 3 * [0.1, 0.01]
    planned = grid.cells[0].recipe
    for cell in seen:
        recipe = cell.run.recipe
        assert recipe.at(epochs=planned.epochs, lr=planned.lr, rates=planned.rates) == planned
        assert (recipe.epochs, recipe.batch) == (2, 16)
        assert 16 <= len(cell.train) < 32  # one step, and perhaps the rest of an epoch


def test_the_few_images_have_labelled_and_unlabelled_ones_for_each_cell() -> None:
    grid = plan(Request(methods=("cap",), ratios=(0.01, 0.5), regime="semi", subset=400))
    data = open_dataset(grid.cells[0])
    trains = [train_set(data, each, 0) for each in grid.cells]
    rows = few_images(trains, 8, every_class=False)
    assert 8 <= rows.sum() <= 16
    for train in trains:
        known = (train.take(rows).labels != 0).any(axis=1)
        assert known.any()
        assert not known.all()
    assert np.array_equal(rows, few_images(trains, 8, every_class=False))


def test_a_plain_method_sees_each_label_present_and_absent() -> None:
    grid = plan(Request(methods=("bce",), ratios=(0.5,), subset=400))
    train = train_set(open_dataset(grid.cells[0]), grid.cells[0], 0)
    few = train.take(few_images([train], 4, every_class=True))
    assert len(few) < 60
    assert np.array_equal((few.labels > 0).any(axis=0), (train.labels > 0).any(axis=0))
    assert np.array_equal((few.labels < 0).any(axis=0), (train.labels < 0).any(axis=0))


def test_what_a_check_prints_names_the_row_and_its_error(
    cluster: Cluster, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = grid_of(method(tmp_path, "bad", FAILS), method(tmp_path, "good"))
    submit(grid.groups, store, {})
    run_job(store, "901")
    printed, noted = capsys.readouterr()
    assert noted.splitlines() == ["smoke check of bad shapes 10% seed 0", "smoke check of good shapes 10% seed 0"]
    assert "ValueError: the lake is dry (bad.py:11, in fit)" in printed
    assert "held    bad shapes 10% seed 0" in printed
    assert "passed  good shapes 10% seed 0" in printed
    assert json.loads((store.root / "slurm" / "101.json").read_text())["smoke"] == "901"


def test_a_check_that_is_killed_has_named_the_row_it_was_at() -> None:
    log = (
        "smoke check of bce shapes 10% seed 0\nsmoke check of coop shapes 10% seed 0\nslurmstepd: error: out of memory"
    )
    assert checked_row(log) == "its smoke check of coop shapes 10% seed 0"
    assert checked_row("slurmstepd: error: out of memory") == "its smoke check"


@pytest.mark.parametrize(
    ("name", "regime"),
    [
        ("scpnet-frozen", "partial"),  # one cycle of learning rates
        ("dualcoop", "partial"),
        ("cap", "semi"),  # two phases
        ("ssmll", "semi"),
        ("an-ls", "single-positive"),
        ("scinet", "single-positive"),  # three views
    ],
)
def test_recipes_of_papers_can_take_their_first_steps(store: Store, name: str, regime: str) -> None:
    small = ("tower=tiny", "recipe.resolution=64")
    ratios = (0.5,) if regime in ("partial", "semi") else Request().ratios
    grid = plan(Request(methods=(name,), regime=regime, ratios=ratios, subset=60, track="paper", sets=small))
    assert take_first_steps(grid.groups[0], store, Execution()) == {}


def test_a_check_is_cancelled_with_the_last_jobs_that_wait_for_it(
    cluster: Cluster, store: Store, tmp_path: Path
) -> None:
    grid = grid_of(method(tmp_path, "first"), method(tmp_path, "second"))
    submit(grid.groups, store, {})
    cluster.command("scancel", 'echo "$@" >>cancelled')
    jobs = ("101_0", "101_1", "101_2", "102")
    waiting = [Listed(job, "PENDING", user(), "4G", "Dependency") for job in jobs]
    cluster.lists(*waiting, Listed("901", "PENDING", user(), "4G", "Resources"))
    some = find_jobs(store, cells_of(store, grid, "first"))
    assert (len(some.jobs), some.checks) == (2, ())
    whole = find_jobs(store, [store.folder(each.cell) for each in grid.cells])
    assert whole.checks == ("901",)
    cancel_jobs(whole)
    assert (cluster.folder / "cancelled").read_text().split() == [*jobs, "901"]
    cluster.lists(*(Listed(job, "RUNNING", user(), "4G", "None") for job in jobs))  # the check is over
    assert find_jobs(store, [store.folder(each.cell) for each in grid.cells]).checks == ()
