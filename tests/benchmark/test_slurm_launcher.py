"""The Slurm launcher without a Slurm: what is submitted, what is refused, and what the command says."""

from __future__ import annotations

import os
import pickletools
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from submitit.core.utils import DelayedSubmission

from noted_slurm import Cluster, run_job, submission
from pmll_bench.errors import ConfigError
from pmll_bench.launch.slurm.job.worker import execution_of
from pmll_bench.launch.slurm.submission.submit import submit
from pmll_bench.plan.grid import groups
from pmll_bench.plan.planned import Planned
from pmll_bench.plan.planning import Plan, plan
from pmll_bench.plan.request import Request
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.failure import Explanation
from pmll_bench.store.lease import Lease
from pmll_bench.store.records import QueueRecord
from pmll_bench.store.store import Store
from small_grids import small_grid

SCRIPT = """#!/bin/bash

# Parameters
#SBATCH --account=vision
#SBATCH --array=0-2%1
#SBATCH --cpus-per-task=4
#SBATCH --error={root}/slurm/%A_%a/%A_%a_0_log.err
#SBATCH --exclusive
#SBATCH --gpus-per-node=a100:1
#SBATCH --gres-flags=enforce-binding
#SBATCH --job-name=pmll-bench
#SBATCH --mem=16G
#SBATCH --nodes=1
#SBATCH --open-mode=append
#SBATCH --output={root}/slurm/%A_%a/%A_%a_0_log.out
#SBATCH --partition=gpu
#SBATCH --requeue
#SBATCH --signal=USR2@90
#SBATCH --time=90

# setup
export OMP_NUM_THREADS=${{SLURM_CPUS_PER_TASK:-${{SLURM_CPUS_ON_NODE:-1}}}}
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
trap 'echo "pmll-bench: setup failed: $BASH_COMMAND" >&2' ERR
set -e
module load cuda
export A=1
set +e
trap - ERR

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output {root}/slurm/%A_%a/%A_%a_%t_log.out --error {root}/slurm/%A_%a/%A_%a_%t_log.err \
{python} -u -m submitit.core._submit {root}/slurm/%j
"""


@pytest.fixture
def grid(tmp_path: Path) -> Plan:
    return small_grid(tmp_path)


def states(store: Store) -> list[str]:
    return [folder.state().name for folder in store.folders()]


def cell(store: Store, item: Planned) -> CellFolder:
    return store.folder(item.cell)


# --- what is submitted


def test_a_group_is_a_job_of_an_array_as_large_as_the_site_allows(cluster: Cluster, store: Store, grid: Plan) -> None:
    assert submit(grid.groups, store, {"smoke": "no"}) == ["101_0", "101_1", "101_2", "102"]
    queued = {cell(store, group.cells[0]).state() for group in grid.groups}
    assert queued == {("queued", f"job {job}") for job in ("101_0", "101_1", "101_2", "102")}
    assert "#SBATCH --array=0-2%3" in cluster.script(101)
    assert "#SBATCH --array" not in cluster.script(102)
    folders = {path.name for path in (store.root / "slurm").iterdir()}
    assert folders == {"101", "101.json", "101_0", "101_1", "101_2", "102", "102.json", "801"}


def test_the_batch_script_says_what_was_asked_for(cluster: Cluster, store: Store, grid: Plan) -> None:
    settings = {
        "partition": "gpu",
        "account": "vision",
        "gpus": "a100:1",
        "cpus": "4",
        "mem": "16G",
        "time": "01:29:30",
        "parallel": "2",  # of both arrays together
        "setup": "module load cuda\nexport A=1",
        "gres-flags": "enforce-binding",
        "exclusive": "",
        "smoke": "no",
    }
    submit(grid.groups, store, settings)
    assert cluster.script(101) == SCRIPT.format(root=store.root, python=sys.executable)


def test_a_job_is_given_plain_data_only(cluster: Cluster, store: Store, grid: Plan) -> None:
    submit(grid.groups, store, {}, device="cpu")
    for number, job in enumerate(("101_0", "101_1", "101_2", "102")):
        pickle = submission(store, job).read_bytes()
        assert len(pickle) < 1000
        texts = [value for _, value, _ in pickletools.genops(pickle) if isinstance(value, str)]
        assert [text for text in texts if text.startswith("pmll")] == ["pmll_bench.launch.slurm.job.worker"]
        delayed = DelayedSubmission.load(submission(store, job))
        names = tuple(cell(store, each).name for each in grid.groups[number].cells)
        root, cells, options = delayed.args
        assert (root, cells, options["device"]) == (str(store.root), names, "cpu")
        assert all(isinstance(value, str) for value in options.values())


@pytest.mark.parametrize("keep", [True, False])
def test_jobs_keep_models_if_the_submission_asks_for_it(cluster: Cluster, store: Store, grid: Plan, keep: bool) -> None:
    submit(grid.groups, store, {}, device="cpu", keep_model=keep)
    _, _, options = DelayedSubmission.load(submission(store, "101_0")).args
    assert execution_of(options).keep_model == keep


def test_only_what_nobody_has_in_hand_is_submitted(
    cluster: Cluster, store: Store, grid: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pmll_bench.launch.slurm.queue.absences.APART", 0.0)
    first, second, third, fourth = (group.cells[0] for group in grid.groups)
    assert len(submit(grid.groups[:3], store, {})) == 3
    run_job(store, "101_0")  # done
    cluster.alive("101_1")  # 101_2 has gone
    with Lease(cell(store, fourth).lease):
        assert submit(grid.groups, store, {}) == ["102"]
    assert cell(store, first).state().name == "done"
    assert cell(store, second).state() == ("queued", "job 101_1")
    assert cell(store, third).state() == ("queued", "job 102")


def test_a_job_that_begins_at_once_and_fails_is_not_taken_for_queued(
    cluster: Cluster, store: Store, grid: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = grid.cells[0]
    before = CellFolder.queue

    def late(folder: CellFolder, queue: QueueRecord) -> None:
        folder.begin(item, {}).end("failed", Explanation("ValueError: at once", "", "", ""))
        before(folder, queue)

    monkeypatch.setattr(CellFolder, "queue", late)
    submit(grid.groups[:1], store, {})
    assert cell(store, item).state() == ("failed", "ValueError: at once")


def test_a_data_set_that_moved_is_looked_for_where_it_is_now(cluster: Cluster, store: Store, grid: Plan) -> None:
    item = grid.cells[0]
    cell(store, item).begin(item, {}).end("failed", Explanation("DataError: no such folder", "", "", ""))
    moved = replace(item, where=replace(item.where, root="/new"))
    submit(groups([moved]), store, {})
    record = cell(store, item).record()
    assert record is not None
    assert record.where.root == "/new"


def test_a_submission_from_inside_a_job_hides_that_job_but_finds_the_same_slurm(
    cluster: Cluster, store: Store, grid: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_CONF", "SLURM_JOB_ID", "SBATCH_PARTITION", "SUBMITIT_EXECUTOR", "OTHER"):
        monkeypatch.setenv(name, "1")
    submit(grid.groups[:1], store, {})
    seen = cluster.environment(101)
    assert {"SLURM_CONF", "OTHER"} <= set(seen)
    assert {"SLURM_JOB_ID", "SBATCH_PARTITION", "SUBMITIT_EXECUTOR"}.isdisjoint(seen)
    assert os.environ["SLURM_JOB_ID"] == "1"


def test_jobs_of_a_site_without_requeue_are_told_that_they_cannot_start_again(
    cluster: Cluster, store: Store, grid: Plan
) -> None:
    submit(grid.groups, store, {"requeue": "no"})
    assert "#SBATCH --no-requeue\n" in cluster.script(101)
    assert "--requeue" not in cluster.script(101)
    for job in ("901", "101_0", "102"):
        assert DelayedSubmission.load(submission(store, job)).args[2]["requeue"] == "no"


# --- what is refused


def test_without_slurm_there_is_one_clear_error(
    store: Store, grid: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="Slurm is not available") as caught:
        submit(grid.groups, store, {})
    assert "--launcher inline" in str(caught.value.hint)


def test_what_sbatch_says_when_it_refuses_is_said_and_nothing_stays_behind(
    cluster: Cluster, store: Store, grid: Plan, capfd: pytest.CaptureFixture[str]
) -> None:
    cluster.command("sbatch", "echo 'sbatch: error: invalid partition specified: gpo' >&2; exit 1")
    with pytest.raises(ConfigError, match="sbatch refused: invalid partition specified: gpo"):
        submit(grid.groups, store, {"partition": "gpo"})
    assert "gpo" not in capfd.readouterr().err
    assert list((store.root / "slurm").iterdir()) == []
    assert set(states(store)) == {"planned"}


@pytest.mark.parametrize("broken", ["squeue", "scontrol"])
def test_nothing_is_submitted_while_slurm_does_not_answer(
    cluster: Cluster, store: Store, grid: Plan, broken: str
) -> None:
    submit(grid.groups[:1], store, {})
    cluster.command(broken, "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(ConfigError, match="does not answer"):
        submit(grid.groups, store, {})
    assert not (cluster.folder / "102.sh").exists()


def test_settings_that_make_no_sense_are_refused_before_anything_is_submitted(
    cluster: Cluster, store: Store, grid: Plan
) -> None:
    with pytest.raises(ConfigError, match="invalid time '2h'"):
        submit(grid.groups, store, {"time": "2h"})
    assert not (cluster.folder / "101.sh").exists()


# --- the order of jobs


def dependency(cluster: Cluster, number: int) -> str:
    lines = cluster.script(number).splitlines()
    return next((line.partition("=")[2] for line in lines if line.startswith("#SBATCH --dependency=")), "")


def test_one_job_at_a_time_is_one_job_at_a_time_with_several_arrays_and_their_checks(
    cluster: Cluster, store: Store, tmp_path: Path
) -> None:
    """Two kinds of jobs, of which one needs two arrays: check, array, array, check, array."""
    own, ours = small_grid(tmp_path), plan(Request(methods=("linear-probe",), ratios=(0.1, 0.5), subset=60))
    apart = groups([replace(each, grouped=False) for each in ours.cells])
    jobs = submit([*own.groups, *apart], store, {"parallel": "1", "mine.mem": "8G", "linear-probe.mem": "4G"})
    assert jobs == ["101_0", "101_1", "101_2", "102", "103_0", "103_1"]
    assert [dependency(cluster, number) for number in (901, 101, 102, 902, 103)] == [
        "",
        "afterok:901",
        "afterany:101,afterok:901",
        "afterany:102",
        "afterany:102,afterok:902",
    ]
    assert "#SBATCH --array=0-2%1\n" in cluster.script(101)


def test_a_cell_whose_request_was_edited_fails_and_the_others_are_submitted(tmp_path: Path, cluster: Cluster) -> None:
    store, asked = Store.open(tmp_path / "runs"), small_grid(tmp_path)
    folders = [store.folder(planned.cell) for planned in asked.cells]
    folders[1].write_request(asked.cells[1])
    request = folders[1].path / "cell.json"
    request.write_text(request.read_text().replace('"mask_seed":', '"mask_seed":1'))
    assert len(submit(asked.groups, store, {})) == 3
    assert [folder.state().name for folder in folders] == ["queued", "failed", "queued", "queued"]
    assert folders[1].state().message.startswith(f"cell.json describes another cell than {folders[1].id}")
