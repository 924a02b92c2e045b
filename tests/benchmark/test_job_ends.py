"""Why a job ended, from its final state and the end of its error log. The logs are those of a real Slurm."""

from __future__ import annotations

import pytest

from pmll_bench.launch.slurm.queue.job_ends import end_of, last_words
from pmll_bench.launch.slurm.queue.scheduler import Listed

KILLED = """slurmstepd-node: error: StepId=3.0 exceeded memory limit (309141504 > 67108864), being killed
slurmstepd-node: error: *** STEP 3.0 ON node CANCELLED AT 2026-11-29T21:23:38 ***
srun: Job step aborted: Waiting up to 5 seconds for job step to finish.
slurmstepd-node: error: Exceeded job memory limit
srun: error: node: task 0: Killed
"""
CGROUP = """slurmstepd: error: Detected 1 oom_kill event in StepId=12.0. Some of the step tasks have been OOM Killed.
srun: error: n1: task 0: Out Of Memory
"""
SHELL = "/var/spool/slurmd/job00012/slurm_script: line 21:  4711 Killed                  srun --unbuffered\n"
BY_HAND = "srun: error: node: task 0: Killed\n"  # nothing says by whom
MISSING = """Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "/site-packages/pmll_bench/launch/worker.py", line 23, in <module>
    from ..store.lease import DURATION
ModuleNotFoundError: No module named 'filelock'
srun: error: node: task 0: Exited with exit code 1
"""
SETUP = """/var/spool/slurmd/job00012/slurm_script: line 20: module: command not found
pmll-bench: setup failed: module load cuda
"""
REQUEUED = """slurmstepd-node: error: *** STEP 13.0 ON node CANCELLED AT 2026-11-29T21:39:10 DUE TO JOB REQUEUE ***
slurmstepd-node: error: *** JOB 13 ON node CANCELLED AT 2026-11-29T21:39:10 DUE TO JOB REQUEUE ***
srun: got SIGCONT
submitit WARNING (2026-11-29 21:39:10,524) - Bypassing signal SIGCONT
srun: Job step aborted: Waiting up to 5 seconds for job step to finish.
srun: forcing job termination
"""
PREEMPTED = REQUEUED.replace("JOB REQUEUE", "PREEMPTION")
LIMIT = REQUEUED.replace("JOB REQUEUE", "TIME LIMIT")
NODE = REQUEUED.replace("JOB REQUEUE", "NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS")
CANCELLED = REQUEUED.replace(" DUE TO JOB REQUEUE", "") + "srun: error: node: task 0: Killed\n"


def listed(state: str, *, memory: str = "64M", reason: str = "NonZeroExitCode") -> Listed:
    return Listed("12", state, "me", memory, reason)


@pytest.mark.parametrize(
    ("job", "log", "kind", "cause", "message"),
    [
        (
            listed("OUT_OF_MEMORY"),
            CGROUP,
            "failed",
            "oom",
            "killed by memory (job 12, 64M); ask for more: --slurm mem=",
        ),
        (listed("FAILED"), KILLED, "failed", "oom", "killed by memory (job 12, 64M); ask for more: --slurm mem=8G"),
        (listed("FAILED"), SHELL, "lost", "lost", "its process was killed (job 12, 64M); the same command continues"),
        (listed("FAILED"), BY_HAND, "lost", "lost", "its process was killed (job 12, 64M); the same command continues"),
        (listed("FAILED", reason="RaisedSignal:9(Killed)"), "", "lost", "lost", "its process was killed (job 12, 64M)"),
        (listed("FAILED"), f"{MISSING}{KILLED}", "failed", "oom", "killed by memory"),  # the last of two runs
        (listed("FAILED"), f"{KILLED}{MISSING}", "failed", "error", "ModuleNotFoundError: No module named 'filelock'"),
        (listed("FAILED"), MISSING, "failed", "error", "ModuleNotFoundError: No module named 'filelock' (job 12); fix"),
        (listed("FAILED"), SETUP, "failed", "error", "setup failed: module load cuda (job 12); fix"),
        (listed("FAILED"), "", "failed", "error", "its job failed and its log is empty (job 12)"),
        (listed("FAILED"), f"{PREEMPTED}{MISSING}", "failed", "error", "ModuleNotFoundError"),
        (listed("TIMEOUT"), LIMIT, "interrupted", "timeout", "its job reached its time limit (job 12)"),
        (listed("TIMEOUT"), "", "interrupted", "timeout", "its job reached its time limit (job 12)"),
        (listed("DEADLINE"), "", "interrupted", "timeout", "its job reached its time limit (job 12)"),
        (listed("PREEMPTED"), PREEMPTED, "interrupted", "preempted", "its job was preempted (job 12)"),
        (
            listed("CANCELLED"),
            CANCELLED,
            "interrupted",
            "cancelled",
            "its job was cancelled (job 12); the same command",
        ),
        (listed("CANCELLED by 0"), "", "interrupted", "cancelled", "its job was cancelled (job 12)"),
        (listed("NODE_FAIL"), NODE, "lost", "node", "the node of its job failed (job 12)"),
        (listed("BOOT_FAIL"), "", "lost", "node", "the node of its job failed (job 12)"),
        (listed("COMPLETED"), "", "lost", "lost", "its job ended without running it (job 12)"),
        (None, "", "lost", "lost", "its job disappeared (job 12); the same command submits it again"),
        (None, "a warning of torch\n", "lost", "lost", "its job disappeared"),
        (None, KILLED, "failed", "oom", "killed by memory (job 12, 64M)"),
        (None, MISSING, "failed", "error", "ModuleNotFoundError"),
        (None, LIMIT, "interrupted", "timeout", "its job reached its time limit"),
        (None, PREEMPTED, "interrupted", "preempted", "its job was preempted"),
        (None, CANCELLED, "interrupted", "cancelled", "its job was cancelled"),
        (None, f"{PREEMPTED}{CANCELLED}", "interrupted", "cancelled", "its job was cancelled"),
        (None, NODE, "lost", "node", "the node of its job failed"),
        (None, REQUEUED, "lost", "lost", "its job disappeared"),
        (None, BY_HAND, "lost", "lost", "its process was killed (job 12); the same command continues"),
    ],
)
def test_the_end_of_a_job_has_a_cause_and_says_what_to_do(
    job: Listed | None, log: str, kind: str, cause: str, message: str
) -> None:
    end = end_of("12_3", job, log)
    assert (end.kind, end.cause) == (kind, cause)
    assert end.why.line.startswith(message)
    assert end.why.hint
    assert end.why.trace == log


@pytest.mark.parametrize(
    ("memory", "where", "more"),
    [
        ("64M", "(job 12, 64M)", "mem=8G"),
        ("16G", "(job 12, 16G)", "mem=32G"),
        ("20000M", "(job 12, 20000M)", "mem=64G"),
        ("1.5T", "(job 12, 1536G)", "mem=4096G"),
        ("4Gn", "(job 12, 4G)", "mem=8G"),  # as sacct of older versions has it
        ("0", "(job 12)", "mem=8G"),  # all memory of the node
        ("", "(job 12)", "mem=8G"),
    ],
)
def test_a_job_that_was_killed_by_memory_is_advised_to_ask_for_twice_as_much(
    memory: str, where: str, more: str
) -> None:
    end = end_of("12", listed("OUT_OF_MEMORY", memory=memory), "")
    assert end.why.line == f"killed by memory {where}; ask for more: --slurm {more}"


def test_the_last_error_of_a_log_is_the_one_that_ended_the_job() -> None:
    chained = "Traceback (most recent call last):\n  File\nKeyError: 1\n\nDuring handling, another exception:\n\n"
    assert last_words(f"{chained}{MISSING}") == "ModuleNotFoundError: No module named 'filelock'"
    assert last_words("srun: error: Unable to create step: Invalid account\n") == (
        "srun: error: Unable to create step: Invalid account"
    )
