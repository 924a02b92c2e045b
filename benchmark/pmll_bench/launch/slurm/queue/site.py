"""What a Slurm cluster offers: partitions with their limits, GPUs, arrays, accounting, preemption and requeue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .scheduler import configuration, run

UNSET = 1  # MB; the memory of a node whose configuration does not state it
NO_LIMIT = ("UNLIMITED", "NONE", "(null)", "N/A", "infinite", "")


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A partition. Memory is in MB; None where there is no limit, or no default."""

    name: str
    default: bool
    up: bool
    nodes: int
    processors: int
    memory: int | None
    gpus: tuple[str, ...]
    time_limit: str | None
    default_time: str | None
    node_limit: str | None
    default_memory: int | None
    per_processor: bool  # whether the default memory is for each processor of a job
    memory_limit: int | None
    preemption: str


@dataclass(frozen=True, kw_only=True)
class Site:
    """A cluster as its commands describe it."""

    cluster: str
    version: str
    largest_array: int | None
    accounting: bool
    preemption: str
    warns_before_preemption: bool
    requeue: bool
    partitions: tuple[Partition, ...]

    @property
    def usual(self) -> Partition | None:
        """The default partition; the only one if none is marked."""
        marked = [each for each in self.partitions if each.default]
        return marked[0] if marked else self.partitions[0] if len(self.partitions) == 1 else None


def site() -> Site | None:
    """The cluster of this machine; None if Slurm is not installed or does not answer."""
    config = configuration()
    shown = run("scontrol", "show", "partition", "--oneliner")
    if not config or shown is None or shown.code != 0:
        return None
    nodes = run("sinfo", "--noheader", "--format=%R|%G|%c|%m|%D")
    accounts = run("sacct", "--noheader", "--allocations", "--starttime=now")
    return Site(
        cluster=config.get("ClusterName", ""),
        version=config.get("SLURM_VERSION", ""),
        largest_array=int(config["MaxArraySize"]) if config.get("MaxArraySize", "").isdecimal() else None,
        accounting=accounts is not None and accounts.code == 0,
        preemption=config.get("PreemptMode", "OFF"),
        warns_before_preemption="preempt_send_user_signal" in config.get("SlurmctldParameters", ""),
        requeue=config.get("JobRequeue", "1") == "1",
        partitions=partitions_of(shown.out, "" if nodes is None else nodes.out, config),
    )


def partitions_of(shown: str, nodes: str, config: Mapping[str, str]) -> tuple[Partition, ...]:
    """The partitions in the output of `scontrol show partition` and of `sinfo`, with the defaults of the cluster."""
    rows = [fields for line in nodes.splitlines() if len(fields := line.strip().split("|")) == 5]
    described = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in shown.splitlines() if line.strip()]
    return tuple(
        _partition(each, [row for row in rows if row[0] == each["PartitionName"]], config) for each in described
    )


def _partition(shown: Mapping[str, str], rows: list[list[str]], config: Mapping[str, str]) -> Partition:
    nodes = [row for row in rows if row[0] == shown["PartitionName"]]
    default, per_processor = _memory("Def", shown, config)
    processors = [_number(row[2]) or 0 for row in nodes]
    memory = [_number(row[3]) or 0 for row in nodes]
    gpus = dict.fromkeys(part for row in nodes for part in row[1].split(",") if part.startswith("gpu"))
    return Partition(
        name=shown["PartitionName"],
        default=shown.get("Default") == "YES",
        up=shown.get("State", "UP") == "UP",
        nodes=sum(_number(row[4]) or 0 for row in nodes),
        processors=max(processors, default=0),
        memory=most if (most := max(memory, default=0)) > UNSET else None,
        gpus=tuple(re.sub(r"\(.*", "", gpu) for gpu in gpus),
        time_limit=_limit(shown.get("MaxTime", "")),
        default_time=_limit(shown.get("DefaultTime", "")),
        node_limit=_limit(shown.get("MaxNodes", "")),
        default_memory=default,
        per_processor=per_processor,
        memory_limit=_memory("Max", shown, config)[0],
        preemption=shown.get("PreemptMode", "OFF"),
    )


def _memory(which: str, shown: Mapping[str, str], config: Mapping[str, str]) -> tuple[int | None, bool]:
    """The default or the limit of memory, and whether it is for each processor. A partition's own goes first."""
    for place in (shown, config):
        for per_processor, name in ((False, f"{which}MemPerNode"), (True, f"{which}MemPerCPU")):
            if value := _number(place.get(name, "")):
                return value, per_processor
    return None, False


def _limit(text: str) -> str | None:
    return None if text in NO_LIMIT else text


def _number(text: str) -> int | None:
    """A number such as "4000" or "4000+"; None for any other text.

    >>> _number("4000+"), _number("UNLIMITED")
    (4000, None)
    """
    found = re.match(r"\d+", text)
    return int(found[0]) if found else None
