"""Why a cluster job waits, and which jobs wait for ever."""

from __future__ import annotations

import re
from typing import NamedTuple

from .scheduler import array_of

CANCEL = "cancel it (pmll-bench cancel) and submit again with"
RELEASE = "run 'scontrol release {job}', or cancel it (pmll-bench cancel)"
WAITS = {
    "None": "about to be considered",
    "Resources": "waiting for resources",
    "Priority": "waiting for jobs of higher priority",
    "Dependency": "waiting for another job",
    "BeginTime": "waiting to start again",
    "JobArrayTaskLimit": "waiting for other jobs of its array (--slurm parallel=N)",
    "Licenses": "waiting for licences",
    "PartitionDown": "its partition is down",
    "PartitionInactive": "its partition is inactive",
    "ReqNodeNotAvail": "its nodes are not available",
    "Nodes required": "its nodes are not available",
    "Reservation": "waiting for its reservation",
}
"""Reasons that pass, by their first words."""
LARGE = "asks for more than allowed"
NEVER = (
    ("PartitionTimeLimit|.*MaxWall.*PerJob.*|QOSTimeLimit", f"{LARGE}: time", f"{CANCEL} a smaller --slurm time=..."),
    ("PartitionNodeLimit|.*Max.*Per(Job|Node).*|QOSMin.*|QOSResourceLimit", LARGE, f"{CANCEL} other --slurm settings"),
    ("DependencyNeverSatisfied", "the job that it waits for has failed", "cancel it (pmll-bench cancel), submit again"),
    ("InvalidAccount|AccountNotAllowed", "its account is not accepted", f"{CANCEL} another --slurm account=..."),
    ("InvalidQOS|QOSNotAllowed", "its quality of service is not accepted", f"{CANCEL} another --slurm qos=..."),
    ("BadConstraints|InvalidFeature", "no node has what it asks for", f"{CANCEL} other --slurm settings"),
    ("ReservationDeleted", "its reservation was deleted", f"{CANCEL} other --slurm settings"),
    ("JobHeldAdmin", "held by an administrator", "ask the administrators, or cancel it (pmll-bench cancel)"),
    ("JobHeldUser", "held", RELEASE),
    ("JobHoldMaxRequeue|launch.failed.*held|.*requeued.held", "held because it could not be started", RELEASE),
)
"""(pattern of the reason, why the job cannot start, what to do)."""


class Waiting(NamedTuple):
    """Why a job waits, in words. A job that cannot start has a remedy."""

    why: str
    remedy: str = ""


def explain_waiting(job: str, reason: str) -> Waiting:
    """Why a pending job waits, from Slurm's reason.

    >>> explain_waiting("12", "Resources")
    Waiting(why='waiting for resources (Resources)', remedy='')
    """
    for pattern, why, remedy in NEVER:
        if re.fullmatch(pattern, reason):
            return Waiting(f"cannot start: {why} ({reason})", remedy.format(job=array_of(job)))
    why = next((words for first, words in WAITS.items() if reason.startswith(first)), "waiting")
    return Waiting(f"{why} ({reason})" if reason and reason != "None" else why)
