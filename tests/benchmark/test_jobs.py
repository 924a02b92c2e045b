"""What becomes of cells whose jobs died, wait, or cannot be asked about."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from noted_slurm import Cluster, item_of, listed, queued
from pmll_bench.launch.slurm.queue.job_ends import log_of
from pmll_bench.launch.slurm.queue.jobs import Learned, learn
from pmll_bench.launch.slurm.queue.scheduler import Listed
from pmll_bench.launch.slurm.queue.scheduler import user as own_name
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.document import write_record
from pmll_bench.store.failure import Explanation
from pmll_bench.store.holds import Holds
from pmll_bench.store.lease import Lease
from pmll_bench.store.records import EndRecord, QueueRecord, SubmissionRecord, SubmittedJob
from pmll_bench.store.store import Store
from stored import finish

OWN = own_name()
MISSING = "Traceback (most recent call last):\n  File\nModuleNotFoundError: No module named 'filelock'\n"


def state(folder: CellFolder, learned: Learned) -> tuple[str, str]:
    name, message = folder.state(hints=learned.hints)
    return name, message


def end_of(folder: CellFolder) -> EndRecord:
    """The record of the newest attempt's end."""
    end = folder.attempts()[-1].ended()
    assert end is not None
    return end


def seconds_pass(store: Store) -> None:
    """Let the first answer without a job be some seconds old."""
    path = store.root / "slurm" / "absent.json"
    record = json.loads(path.read_text())
    record["jobs"]["noted"] = {job: since - 11 for job, since in record["jobs"]["noted"].items()}
    path.write_text(json.dumps(record))


# --- jobs that are over


def test_a_job_that_died_before_its_first_line_leaves_a_record_with_the_end_of_its_log(
    cluster: Cluster, store: Store
) -> None:
    folder = queued(store, "7_0")
    log = log_of(store, "7_0")
    log.parent.mkdir(parents=True)
    log.write_text("x" * 100_000 + "\n" + MISSING)
    cluster.lists(listed("7_0", "FAILED", "NonZeroExitCode"))
    assert folder.state().name == "queued"
    learned = learn(store)
    assert learned.jobs == {}
    message = "ModuleNotFoundError: No module named 'filelock' (job 7); fix this and run the same command again"
    assert state(folder, learned) == ("failed", message)
    assert end_of(folder).why == "error"
    trace = folder.attempts()[-1].trace.read_text()
    assert trace.endswith(MISSING)
    assert len(trace) < 10_000
    assert learn(store) == Learned()  # nothing is left to ask
    assert len(folder.attempts()) == 1


def test_a_job_that_died_at_work_ends_the_attempt_that_it_began(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    attempt = folder.begin(item_of(folder), {}, "7")
    attempt.save_checkpoint(12, lambda file: file.write(b"state"))
    cluster.lists(listed("7", "OUT_OF_MEMORY"))
    learned = learn(store)
    assert state(folder, learned) == ("failed", "killed by memory (job 7, 64M); ask for more: --slurm mem=8G")
    assert (end_of(folder).why, end_of(folder).saved) == ("oom", 12)
    assert len(folder.attempts()) == 1


def test_only_the_cells_that_a_job_left_open_get_a_record(cluster: Cluster, store: Store) -> None:
    done, failed, open_, unbegun, stopped = (queued(store, seed=seed) for seed in range(5))
    finish(store, item_of(done))
    failed.begin(item_of(failed), {}, "7").end("failed", Explanation("ValueError: the lake is dry", "", "", ""))
    open_.begin(item_of(open_), {}, "7")
    stopped.begin(item_of(stopped), {}, "7").end("interrupted", Explanation("the job was cancelled", "", "", ""))
    cluster.lists(listed("7", "CANCELLED by 0"))
    learned = learn(store)
    told = "its job was cancelled (job 7); the same command submits it again"
    assert [state(folder, learned) for folder in (done, failed, open_, unbegun, stopped)] == [
        ("done", ""),
        ("failed", "ValueError: the lake is dry"),
        ("interrupted", told),
        ("interrupted", told),
        ("interrupted", "the job was cancelled"),
    ]
    assert len(cluster.asked("squeue")) == 1


def test_a_job_that_ended_without_running_its_cell_is_said_to_have_done_so(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    cluster.lists(listed("7", "COMPLETED"))
    assert state(folder, learn(store)) == (
        "lost",
        "its job ended without running it (job 7); the same command submits it again",
    )


def test_a_worker_that_is_alive_after_all_has_the_last_word(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    item = item_of(folder)
    attempt = folder.begin(item, {}, "7")
    cluster.lists(listed("7", "TIMEOUT"))
    learn(store)
    attempt.end("failed", Explanation("ValueError: mine", "", "", ""))
    assert folder.state() == ("failed", "ValueError: mine")


def test_what_a_worker_recorded_itself_is_not_replaced(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    folder.begin(item_of(folder), {}, "7").end("interrupted", Explanation("the job was preempted", "", "", ""))
    cluster.lists(listed("7", "FAILED"))
    learn(store)
    assert folder.state() == ("interrupted", "the job was preempted")


def test_an_attempt_of_another_process_is_not_ended_for_the_job(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    folder.begin(item_of(folder), {})  # by hand, while the job was queued
    cluster.lists(listed("7", "CANCELLED"))
    with Lease(folder.lease):
        assert state(folder, learn(store)) == ("running", "")
    assert folder.attempts()[-1].ended() is None


def test_a_cell_that_another_process_works_at_gets_no_attempt_of_a_dead_job(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    cluster.lists(listed("7", "CANCELLED"))
    with Lease(folder.lease):
        learn(store)
    assert folder.attempts() == ()


def test_a_cell_that_was_submitted_again_meanwhile_keeps_its_new_job(cluster: Cluster, store: Store) -> None:
    folder = queued(store, "7")
    again = cluster.folder / "again.json"
    again.write_bytes(QueueRecord(job="8", attempt=0).as_bytes())
    cluster.command("squeue", f"cp {again} {folder.path}/queue.json; echo '7|CANCELLED|{OWN}|64M|None'")
    learn(store)
    assert folder.attempts() == ()
    assert folder.state() == ("queued", "job 8")


# --- jobs that are not listed


def test_a_job_counts_as_gone_after_two_answers_some_seconds_apart(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    cluster.lists()
    for _ in range(2):  # at once
        learned = learn(store)
        assert state(folder, learned)[0] == "queued"
        assert learned.jobs[folder.id].phase == "absent"
    seconds_pass(store)
    assert state(folder, learn(store)) == ("lost", "its job disappeared (job 7); the same command submits it again")


def test_a_job_that_is_listed_again_was_never_gone(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    learn(store)
    seconds_pass(store)
    cluster.alive("7")
    assert state(folder, learn(store)) == ("running", "job 7")
    cluster.alive()
    assert state(folder, learn(store)) == ("queued", "job 7")  # counted from the start


@pytest.mark.parametrize("content", ["", "{", '{"schema":"pmll.absent/1","created":"now","jobs":{"noted":{"7":1e18}}}'])
def test_a_damaged_note_of_absent_jobs_costs_another_answer(cluster: Cluster, store: Store, content: str) -> None:
    folder = queued(store)
    learn(store)
    (store.root / "slurm" / "absent.json").write_text(content)
    assert state(folder, learn(store))[0] == "queued"
    seconds_pass(store)
    assert state(folder, learn(store))[0] == "lost"


def test_the_accounting_tells_how_a_job_ended_that_is_no_longer_listed(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    cluster.accounts(listed("7", "TIMEOUT"))
    learned = learn(store)
    assert (state(folder, learned)[0], end_of(folder).why) == ("interrupted", "timeout")


def test_an_array_that_was_cancelled_while_pending_ended_with_all_its_jobs(cluster: Cluster, store: Store) -> None:
    first, second = queued(store, "4_0"), queued(store, "4_1", 1)
    cluster.accounts(listed("4_[0-1%2]", "CANCELLED by 0"))
    learned = learn(store)
    assert [state(folder, learned)[0] for folder in (first, second)] == ["interrupted"] * 2


def test_an_accounting_that_thinks_a_job_runs_does_not_keep_it_alive(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    cluster.accounts(listed("7", "RUNNING"))
    learn(store)
    seconds_pass(store)
    assert state(folder, learn(store))[0] == "lost"


# --- jobs that go on


def test_a_requeued_job_is_queued_whatever_its_last_attempt_left(cluster: Cluster, store: Store) -> None:
    killed, stopped, unbegun = (queued(store, f"7_{seed}", seed) for seed in range(3))
    killed.begin(item_of(killed), {}, "7_0")
    stopped.begin(item_of(stopped), {}, "7_1").end("interrupted", Explanation("the job was preempted", "", "", ""))
    cluster.lists(*(listed(f"7_{number}", "PENDING", "BeginTime") for number in range(3)))
    learned = learn(store)
    assert [state(folder, learned) for folder in (killed, stopped, unbegun)] == [
        ("queued", f"job 7_{number}: waiting to start again (BeginTime)") for number in range(3)
    ]


def test_a_job_that_is_about_to_end_is_said_to(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    cluster.lists(listed("7", "COMPLETING"))
    assert state(folder, learn(store)) == ("running", "job 7: ending")


def test_a_job_that_can_never_start_stays_queued_with_its_remedy(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    cluster.lists(listed("7", "PENDING", "PartitionTimeLimit"))
    learned = learn(store)
    name, message = state(folder, learned)
    assert name == "queued"
    assert message == (
        "job 7: cannot start: asks for more than allowed: time (PartitionTimeLimit); "
        "cancel it (pmll-bench cancel) and submit again with a smaller --slurm time=..."
    )
    assert learned.jobs[folder.id].stuck


# --- jobs that wait for a smoke check


def checked_first(store: Store, folder: CellFolder, job: str = "7", check: str = "6") -> None:
    """Record that the job of a cell waits for a smoke check."""
    submitted = SubmittedJob(job=job, cells=(folder.name,))
    record = SubmissionRecord(
        cluster="noted", user=OWN, jobs=(submitted,), settings={}, command=(), smoke=check, holds="token"
    )
    (store.root / "slurm").mkdir(exist_ok=True)
    write_record(store.root / "slurm" / f"{job}.json", record)


def test_a_job_that_waits_for_its_smoke_check_says_why_that_one_waits(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    checked_first(store, folder)
    waits = listed("7", "PENDING", "Dependency")
    for check, why in (
        (listed("6", "RUNNING"), "job 7: waiting for its smoke check, job 6: running"),
        (listed("6", "PENDING", "Resources"), "job 7: waiting for its smoke check, job 6: waiting for resources"),
        (listed("6", "PENDING", "JobHeldUser"), "job 7: waiting for its smoke check, job 6: cannot start: held"),
    ):
        cluster.lists(waits, check)
        learned = learn(store)
        assert state(folder, learned)[1].startswith(why)
    assert learned.jobs[folder.id].stuck
    assert len(cluster.asked("squeue")) == 3


def test_a_job_that_was_cancelled_because_its_smoke_check_died_has_that_cause(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    checked_first(store, folder)
    cluster.lists(listed("7", "CANCELLED", "Dependency"), listed("6", "OUT_OF_MEMORY"))
    assert state(folder, learn(store)) == (
        "failed",
        "killed by memory (job 6, its smoke check, 64M); ask for more: --slurm mem=8G",
    )
    assert end_of(folder).why == "oom"


def test_a_row_that_its_smoke_check_holds_has_the_reason_of_the_check(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    checked_first(store, folder)
    why = Explanation("ValueError: the lake is dry", "mine.py:3, in fit", "", "Traceback")
    Holds(store.root, "token").hold(item_of(folder).cell, why, "error")
    cluster.lists(listed("7", "CANCELLED", "Dependency"), listed("6", "FAILED"))
    assert state(folder, learn(store)) == ("failed", "ValueError: the lake is dry (mine.py:3, in fit)")


def test_a_job_that_was_cancelled_after_its_smoke_check_was_cancelled(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    checked_first(store, folder)
    cluster.lists(listed("7", "CANCELLED"), listed("6", "COMPLETED"))
    assert state(folder, learn(store)) == (
        "interrupted",
        "its job was cancelled (job 7); the same command submits it again",
    )


# --- jobs that cannot be asked about


def test_while_slurm_does_not_answer_nothing_changes(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    learn(store)
    seconds_pass(store)
    cluster.silent()
    learned = learn(store)
    assert not learned.answered
    assert learned.jobs[folder.id].why == "Slurm does not answer"
    assert state(folder, learned) == ("queued", "job 7")
    cluster.answers()
    assert state(folder, learn(store))[0] == "lost"


def test_the_job_of_another_cluster_is_neither_alive_nor_gone(cluster: Cluster, store: Store) -> None:
    folder = queued(store, cluster="far")
    cluster.lists(listed("7", "CANCELLED"))  # this cluster has a job with the same id
    for _ in range(2):
        learned = learn(store)
        assert state(folder, learned) == ("queued", "job 7")
        assert learned.jobs[folder.id].why == "on the cluster far"
    assert learned.hints == {}


def test_the_job_of_a_colleague_counts(cluster: Cluster, store: Store) -> None:
    folder = queued(store, user="ada")
    cluster.lists(Listed("7", "PENDING", "ada", "4G", "Priority"))
    assert state(folder, learn(store))[0] == "queued"
    cluster.lists(Listed("7", "CANCELLED", "ada", "4G", "None"))
    assert state(folder, learn(store))[0] == "interrupted"


def test_a_hidden_job_of_a_colleague_is_never_declared_gone(cluster: Cluster, store: Store) -> None:
    theirs, mine = queued(store, user="ada"), queued(store, "8", seed=1)
    cluster.configured(PrivateData="jobs,usage")
    learn(store)
    seconds_pass(store)
    learned = learn(store)
    assert state(theirs, learned) == ("queued", "job 7")
    assert learned.jobs[theirs.id].why == "Slurm does not show the job of ada"
    assert state(mine, learned)[0] == "lost"


def test_a_job_of_another_user_that_was_given_the_same_id_is_not_taken_for_ours(cluster: Cluster, store: Store) -> None:
    folder = queued(store)
    cluster.lists(Listed("7", "RUNNING", "ada", "4G", "None"))
    learned = learn(store)
    assert state(folder, learned) == ("queued", "job 7")
    assert learned.jobs[folder.id].phase == "elsewhere"


def test_records_from_before_clusters_and_users_were_noted_belong_to_this_one(cluster: Cluster, store: Store) -> None:
    folder = queued(store, cluster="", user="")
    cluster.alive("7")
    assert state(folder, learn(store)) == ("running", "job 7")


def test_slurm_is_not_asked_about_cells_that_have_ended(cluster: Cluster, store: Store) -> None:
    done, failed = queued(store), queued(store, seed=1)
    finish(store, item_of(done))
    failed.begin(item_of(failed), {}, "7").end("failed", Explanation("ValueError", "", "", ""))
    assert learn(store) == Learned()
    assert cluster.asked("squeue") == cluster.asked("scontrol") == []


@pytest.fixture
def read_only(store: Store, cluster: Cluster) -> Iterator[CellFolder]:
    """A cell whose job was cancelled, in a store that cannot be written."""
    folder = queued(store)
    cluster.lists(listed("7", "CANCELLED"))
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("needs the right to mount")
    if subprocess.run(["mount", "--bind", store.root, store.root]).returncode:
        pytest.skip("needs the right to mount")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", store.root], check=True)
        yield folder
    finally:
        subprocess.run(["umount", store.root], check=True)


def test_a_store_that_cannot_be_written_still_shows_the_truth(
    store: Store, cluster: Cluster, read_only: CellFolder
) -> None:
    learned = learn(store)
    assert learned.ends[read_only.id].kind == "interrupted"
    assert read_only.attempts() == ()
    cluster.lists()
    assert learn(store).jobs[read_only.id].phase == "absent"  # once
