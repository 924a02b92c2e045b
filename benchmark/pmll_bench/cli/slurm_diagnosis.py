"""`doctor --slurm`: what the cluster offers, what is in the way of jobs, and a first profile of the site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pmll_errors import counted

from ..errors import ConfigError
from ..plan.job_settings import MEMORY
from .diagnosis import Finding

if TYPE_CHECKING:
    from ..launch.slurm.queue.site import Partition, Site

WRITTEN = "written now: edit it"
NEEDED = 2000  # MB that a job needs to import torch and begin


def examine_slurm() -> list[Finding]:
    """Ask Slurm what it offers, and write a profile if there is none; each problem has a hint."""
    from ..launch.slurm.queue.site import site

    found = site()
    if found is None:
        hint = "run this where Slurm's commands are, such as a login node, or try again later"
        return [Finding("slurm", "not installed, or it does not answer", hint)]
    finding, profile = _profile(found)
    asked = next((value for key, value in profile.items() if key == "partition"), found.usual and found.usual.name)
    partitions = []
    for each in found.partitions:
        used = each.name in (asked or each.name).split(",")
        partitions.append(_partition(each, _memory_hint(each, profile, finding.value) if used else ""))
    return [*_cluster(found), *partitions, finding]


def _memory_hint(each: Partition, profile: Mapping[str, str], state: str) -> str:
    """What to do about a default memory in which torch cannot be imported."""
    if not _is_small(each):
        return ""
    if not profile.keys() & MEMORY:
        return "too little to import torch: add mem: 8G to the profile, or give --slurm mem=8G"
    return "too little to import torch: check the mem of the new profile" if WRITTEN in state else ""


def _is_small(each: Partition) -> bool:
    return each.default_memory is not None and each.default_memory < NEEDED


def _cluster(found: Site) -> Iterator[Finding]:
    from ..launch.slurm.submission.submit import LARGEST_ARRAY

    yield Finding("cluster", f"{found.cluster}, Slurm {found.version}")
    size = LARGEST_ARRAY if found.largest_array is None else min(LARGEST_ARRAY, found.largest_array)
    shown = "not stated" if found.largest_array is None else found.largest_array
    yield Finding("arrays", f"MaxArraySize {shown}: grids are submitted in arrays of at most {size} jobs")
    without = "off: sacct does not answer; ends of jobs are learned from squeue and their logs"
    yield Finding("accounting", "on" if found.accounting else without)
    warned = "warned by our signal" if found.warns_before_preemption else "warned by SIGTERM only"
    none = found.preemption in ("OFF", "")
    yield Finding("preemption", "off" if none else f"{found.preemption}; jobs are {warned}")
    usual = "yes" if found.requeue else "only if asked for, as our jobs do; if sbatch refuses, use requeue=no"
    yield Finding("requeue", usual)


def _partition(each: Partition, hint: str) -> Finding:
    limit = "" if each.memory_limit is None else f" (at most {each.memory_limit:,} MB)"
    parts = [
        counted(each.nodes, "node"),
        counted(each.processors, "processor") + (f" and {each.memory:,} MB" if each.memory else ""),
        ", ".join(each.gpus) or "no GPU",
        f"time at most {each.time_limit or 'unlimited'}",
        *([f"at most {each.node_limit} nodes a job"] if each.node_limit else []),
        f"memory by default {_default_memory(each)}{limit}",
        *([] if each.up else ["not up"]),
    ]
    return Finding(f"partition {each.name}" + (" (default)" if each.default else ""), "; ".join(parts), hint)


def _profile(found: Site) -> tuple[Finding, dict[str, str]]:
    """The profile of the site, which is written if there is none, and its settings for all jobs."""
    from ..launch.slurm.submission.site_profile import profile_path, read_profile, write_profile

    path = profile_path()
    try:
        written = write_profile(first_profile(found))
        settings = {each.key: each.value for each in read_profile() if not each.of}
    except ConfigError as error:
        return Finding("profile", error.what, f"correct {error.where}, or remove it"), {}
    except OSError as error:
        return Finding("profile", f"cannot be written: {error.strerror}", f"make {path.parent} writable"), {}
    return Finding("profile", f"{path} ({WRITTEN if written else 'kept as it is'})"), settings


def first_profile(found: Site) -> str:
    """A profile for a cluster, with a comment on each line."""
    from ..launch.slurm.submission.sbatch import MINUTES, PARALLEL

    usual = found.usual
    names = ", ".join(each.name for each in found.partitions)
    gpus = ", ".join(dict.fromkeys(gpu for each in found.partitions for gpu in each.gpus))
    small = usual is not None and _is_small(usual)
    limit = usual.time_limit if usual is not None else None
    lines = [
        f"# Settings of jobs on the cluster {found.cluster}, for every 'pmll-bench run --launcher slurm' of yours.",
        "# A grid file ('slurm:') and the command line (--slurm KEY=VALUE) override them. Keys are those of --slurm.",
        "",
        f"# The partition of the jobs; here: {names}.",
        f"{'' if usual else '# '}partition: {usual.name if usual else 'NAME'}",
        f"# GPUs of each job; here: {gpus or 'none'}.",
        "# gpus: 1",
        "# Processors of each job: its threads, and those that read images.",
        "# cpus: 4",
        f"# Memory of each job; by default, {_default_memory(usual)}.",
        f"{'' if small else '# '}mem: 8G",
        f"# The time limit of a job: minutes, H:M:S or D-H; at most {limit or 'unlimited'} in its partition. A longer",
        f"# job starts again from its checkpoint. Default: {MINUTES} minutes.",
        f"# time: {MINUTES}",
        f"# The jobs of a grid that run at a time. Default: {PARALLEL}.",
        f"# parallel: {PARALLEL}",
        "# The account that is charged, if the site needs one.",
        "# account: NAME",
        "# Commands before each job; the job ends at the first one that fails.",
        "# setup:",
        "#   - module load cuda",
        "# no: jobs are not requeued by Slurm; unfinished ones are submitted again.",
        "# requeue: no",
        "# Other resources for methods that train their trunk, for those on frozen towers, or for one method.",
        "# trunk: {mem: 32G, time: 1-00}",
        "# frozen: {mem: 16G}",
        "# scpnet: {gpus: 1}",
    ]
    return "\n".join(lines) + "\n"


def _default_memory(usual: Partition | None) -> str:
    if usual is None:
        return "that of its partition"
    per = " per processor" if usual.per_processor else ""
    return "all memory of the node" if usual.default_memory is None else f"{usual.default_memory:,} MB{per}"
