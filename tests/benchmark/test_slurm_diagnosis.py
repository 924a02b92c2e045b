"""`doctor --slurm`: what a cluster offers, a memory that is too small for torch, and a first profile."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from command_line import Command
from noted_slurm import Cluster
from pmll_bench.launch.slurm.submission.sbatch import check
from pmll_bench.launch.slurm.submission.site_profile import profile_path, read_profile

CONFIGURATION = """
ClusterName             = vega
DefMemPerCPU            = 4000
JobRequeue              = 0
MaxArraySize            = 1001
PreemptMode             = REQUEUE
SLURM_VERSION           = 23.02.7
SlurmctldParameters     = enable_configless,preempt_send_user_signal
"""
PARTITION = "PartitionName={} Default={} DefaultTime=01:00:00 MaxNodes=4 MaxTime={} State=UP MaxMemPerNode=UNLIMITED"
PARTITIONS = [
    f"{PARTITION.format('short', 'YES', '04:00:00')} DefMemPerNode=64",
    PARTITION.format("gpu", "NO", "2-00:00:00"),
]
NODES = ["short|(null)|64|256000|12", "gpu|gpu:a100:4(S:0-1)|64|512000|3", "gpu|gpu:h200:8|96|1024000|2"]


@pytest.fixture
def vega(cluster: Cluster) -> Cluster:
    """A cluster of two partitions, without accounting."""
    for name, lines in (("config", CONFIGURATION.splitlines()), ("partition", PARTITIONS), ("nodes", NODES)):
        (cluster.folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    cluster.command("scontrol", "cat $2.txt")
    cluster.command("sinfo", "cat nodes.txt")
    return cluster


def test_it_shows_what_the_cluster_offers(command: Command, vega: Cluster) -> None:
    found = command("doctor", "--slurm").out
    for text in (
        "vega, Slurm 23.02.7",
        "MaxArraySize 1001: grids are submitted in arrays of at most 500 jobs",
        "off: sacct does not answer",
        "REQUEUE; jobs are warned by our signal",
        "only if asked for",
        "12 nodes; 64 processors and 256,000 MB; no GPU; time at most 04:00:00; at most 4 nodes a job",
        "memory by default 64 MB",
        "5 nodes; 96 processors and 1,024,000 MB; gpu:a100:4, gpu:h200:8; time at most 2-00:00:00",
        "memory by default 4,000 MB per processor",
    ):
        assert text in found


def test_memory_that_is_too_small_for_torch_is_a_problem_until_the_profile_asks_for_more(
    command: Command, vega: Cluster
) -> None:
    first = command("doctor", "--slurm")
    assert first.code == 3
    assert "too little to import torch: check the mem of the new profile" in first.out
    assert command("doctor", "--slurm").code == 0
    profile_path().write_text("partition: short\n")
    again = command("doctor", "--slurm")
    assert again.code == 3
    assert "add mem: 8G to the profile" in again.out
    profile_path().write_text("partition: gpu\n")  # has enough by default
    assert command("doctor", "--slurm").code == 0


def test_the_first_profile_can_be_used_as_it_is_and_is_never_overwritten(
    command: Command, vega: Cluster, tmp_path: Path
) -> None:
    written = command("doctor", "--slurm")
    path = tmp_path / "configuration" / "pmll-bench" / "slurm.yaml"
    assert f"{path} (written now: edit it)" in written.out
    settings = read_profile()
    assert {each.key: each.value for each in settings} == {"partition": "short", "mem": "8G"}
    everything = path.read_text()
    assert "gpu:a100:4, gpu:h200:8" in everything
    offered = [line.removeprefix("# ") for line in everything.splitlines()]
    path.write_text("\n".join(line for line in offered if re.match(r"\w+:( |$)|  - ", line) and line[-1] != "."))
    assert {each.key for each in read_profile()} >= {"gpus", "cpus", "time", "parallel", "account", "setup", "requeue"}
    check([read_profile()], ["scpnet"])  # what is offered in comments can be used, too
    kept = path.read_text()
    assert "kept as it is" in command("doctor", "--slurm").out
    assert path.read_text() == kept


def test_without_slurm_it_says_so(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = command("doctor", "--slurm")
    assert answer.code == 3
    assert "not installed, or it does not answer" in answer.out
    assert not profile_path().exists()


def test_a_mistake_in_the_profile_is_shown(command: Command, vega: Cluster) -> None:
    profile_path().parent.mkdir(parents=True)
    profile_path().write_text("mem: [a: b]\n")
    answer = command("doctor", "--slurm")
    assert answer.code == 3
    assert f"correct {profile_path()}" in answer.out
