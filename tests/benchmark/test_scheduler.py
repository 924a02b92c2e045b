"""What is asked of Slurm, and what its answers mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from noted_slurm import Cluster
from pmll_bench.launch.slurm.queue import scheduler
from pmll_bench.launch.slurm.queue.pending import explain_waiting
from pmll_bench.launch.slurm.queue.scheduler import Listed, ended_jobs, listed_jobs


def test_all_jobs_are_asked_for_in_one_call(cluster: Cluster) -> None:
    cluster.lists(Listed("7_0", "RUNNING", "me", "4G", "None"), Listed("12", "PENDING", "you", "64M", "Priority"))
    listed = listed_jobs(["12", "7_1", "7_0"])
    assert listed == {
        "7_0": Listed("7_0", "RUNNING", "me", "4G", "None"),
        "12": Listed("12", "PENDING", "you", "64M", "Priority"),
    }
    (call,) = cluster.asked("squeue")
    assert "--jobs=7,12" in call
    assert "--user" not in call  # the jobs of colleagues count
    assert listed_jobs([]) == {}
    assert len(cluster.asked("squeue")) == 1


@pytest.mark.parametrize("jobs", [["99"], ["98", "99"]])
def test_jobs_that_slurm_does_not_know_are_an_answer(cluster: Cluster, jobs: list[str]) -> None:
    assert listed_jobs(jobs) == {}


def test_an_error_is_no_answer(cluster: Cluster) -> None:
    cluster.silent()
    assert listed_jobs(["7"]) is None
    assert scheduler.configuration() == {}
    cluster.command("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert listed_jobs(["7", "8"]) is None  # of several ids, unknown ones are skipped


def test_a_controller_that_hangs_is_no_answer(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "ANSWERED", 0.2)
    cluster.command("squeue", "exec sleep 60")
    assert listed_jobs(["7"]) is None


def test_without_slurm_there_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert listed_jobs(["7"]) is None


def test_an_array_that_is_listed_as_a_whole_stands_for_its_jobs(cluster: Cluster) -> None:
    cluster.lists(Listed("4_[1-3%1]", "PENDING", "me", "4G", "JobArrayTaskLimit"), Listed("4_0", "RUNNING", "me"))
    listed = listed_jobs(["4_2"])
    assert listed is not None
    assert listed["4"].pending
    assert listed["4_0"].state == "RUNNING"


def test_the_users_own_settings_of_squeue_do_not_count(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_PARTITION", "gpu")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    cluster.command("squeue", "env >environment")
    listed_jobs(["7"])
    names = {line.partition("=")[0] for line in (cluster.folder / "environment").read_text().splitlines()}
    assert "SQUEUE_PARTITION" not in names
    assert "SLURM_CONF" in names


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("PENDING", "pending"),
        ("REQUEUED", "pending"),
        ("REQUEUE_HOLD", "pending"),
        ("SPECIAL_EXIT", "pending"),
        ("RUNNING", "running"),
        ("COMPLETING", "running"),
        ("CONFIGURING", "running"),
        ("SUSPENDED", "running"),
        ("A_STATE_OF_NEXT_YEAR", "running"),
        ("CANCELLED by 0", "over"),
        ("CANCELLED", "over"),
        ("COMPLETED", "over"),
        ("FAILED", "over"),
        ("OUT_OF_MEMORY", "over"),
        ("NODE_FAIL", "over"),
        ("PREEMPTED", "over"),
        ("TIMEOUT", "over"),
    ],
)
def test_an_unknown_state_is_alive(state: str, phase: str) -> None:
    job = Listed("7", state)
    assert ("over" if job.over else "pending" if job.pending else "running") == phase


def test_the_accounting_is_asked_for_the_last_run_of_a_job(cluster: Cluster) -> None:
    assert ended_jobs(["7"]) == {}  # no accounting
    cluster.accounts(Listed("7", "TIMEOUT", "me", "4G"), Listed("7", "CANCELLED by 0", "me", "4G"))
    assert ended_jobs(["7"]) == {"7": Listed("7", "CANCELLED by 0", "me", "4G")}


def test_the_accounting_is_asked_for_whole_arrays(cluster: Cluster) -> None:
    cluster.accounts(Listed("4_0", "COMPLETED", "me", "4G"), Listed("4_[1-2%1]", "CANCELLED by 0", "me", "4G"))
    ended = ended_jobs(["4_0", "4_1", "4_2"])
    assert (ended["4_0"].state, ended["4"].state) == ("COMPLETED", "CANCELLED by 0")
    (call,) = cluster.asked("sacct")
    assert "--jobs=4 " in call  # it knows the jobs of an array that was cancelled while pending by its id only


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("PartitionTimeLimit", "--slurm time="),
        ("QOSMaxWallDurationPerJobLimit", "--slurm time="),
        ("QOSMaxCpuPerJobLimit", "other --slurm settings"),
        ("QOSMinGRES", "other --slurm settings"),
        ("PartitionNodeLimit", "other --slurm settings"),
        ("InvalidAccount", "--slurm account="),
        ("InvalidQOS", "--slurm qos="),
        ("BadConstraints", "other --slurm settings"),
        ("DependencyNeverSatisfied", "pmll-bench cancel"),
        ("JobHeldAdmin", "ask the administrators"),
        ("JobHeldUser", "scontrol release 12"),
        ("launch failed requeued held", "scontrol release 12"),
    ],
)
def test_a_job_that_can_never_start_has_a_remedy(reason: str, remedy: str) -> None:
    waiting = explain_waiting("12_3", reason)
    assert f"cannot start: {waiting.why.removeprefix('cannot start: ')}" == waiting.why
    assert f"({reason})" in waiting.why
    assert remedy in waiting.remedy


@pytest.mark.parametrize(
    "reason",
    [
        *("None", "Resources", "Priority", "Dependency", "BeginTime", "JobArrayTaskLimit", "Licenses", "PartitionDown"),
        *("ReqNodeNotAvail, UnavailableNodes:n1", "QOSMaxJobsPerUserLimit", "AssocGrpCpuLimit", "QOSGrpGRES", "Novel"),
        "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
    ],
)
def test_a_reason_that_may_pass_needs_no_remedy(reason: str) -> None:
    waiting = explain_waiting("12", reason)
    assert waiting.remedy == ""
    assert "cannot start" not in waiting.why


def test_the_name_of_the_user_does_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = scheduler.user()
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert scheduler.user() == before
