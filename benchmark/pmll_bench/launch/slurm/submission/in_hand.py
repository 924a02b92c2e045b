"""Which cells need no new job, and why: they are done, running, queued, or held by another run."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

from filelock import SoftFileLease

from pmll_errors import counted

from ....errors import ConfigError
from ....plan.planned import Group, Planned
from ....store.attempt import Attempt
from ....store.lease import is_held
from ....store.store import Store
from ..queue import absences
from ..queue.jobs import Learned, learn

Reason: TypeAlias = Literal["done", "running", "queued", "elsewhere", "held"]
REASONS: tuple[Reason, ...] = ("done", "running", "queued", "elsewhere", "held")
SHOWN = 3  # ids of jobs in one line


class InHand(NamedTuple):
    """Why a cell needs no new job, with the job, and what is known of it."""

    reason: Reason
    job: str = ""
    why: str = ""


def missing(groups: Iterable[Group], store: Store, learned: Learned) -> list[Group]:
    """The groups without the cells that need no new job."""
    kept = (Group(tuple(each for each in group.cells if in_hand(each, store, learned) is None)) for group in groups)
    return [group for group in kept if group.cells]


def in_hand(planned: Planned, store: Store, learned: Learned) -> InHand | None:
    """Why a cell needs no new job; None if it does."""
    if store.summary(planned.cell) is not None:
        return InHand("done")
    folder = store.folder(planned.cell)
    if is_held(folder.lease):
        newest = folder.newest
        began = Attempt(folder.path, newest).began() if newest else None
        if began is not None and began.job:
            return InHand("running", began.job)
        owner = SoftFileLease(folder.lease).owner
        return InHand("held", why="" if owner is None else f"process {owner.pid} on {owner.hostname.partition('?')[0]}")
    job = learned.jobs.get(folder.id)
    if job is None or job.phase == "absent":
        return None
    reason: Reason = "running" if job.phase == "running" else "queued" if job.phase == "pending" else "elsewhere"
    return InHand(reason, job.id, f"{job.why}; {job.remedy}" if job.remedy else job.why)


def learned_of(groups: Iterable[Group], store: Store) -> Learned:
    """What Slurm says about the jobs of these cells.

    A job that it does not list is asked for again after some seconds, because a single answer may be an error. Raises
    `ConfigError` if Slurm does not answer.
    """
    cells = (each.cell for group in groups for each in group.cells)
    folders = [store.folder(cell) for cell in cells if store.summary(cell) is None]
    learned = learn(store, folders)
    if any(job.phase == "absent" for job in learned.jobs.values()):
        time.sleep(absences.APART)
        learned = learn(store, folders)
    if not learned.answered:
        raise ConfigError("Slurm does not answer; nothing was submitted", where="squeue", hint="try again later")
    return learned


def nothing_to_submit(cells: Sequence[Planned], store: Store, learned: Learned) -> str:
    """The reasons why none of these cells needs a new job, a line for each, with the jobs."""
    found = defaultdict[tuple[Reason, str], list[str]](list)
    for planned in cells:
        kept = in_hand(planned, store, learned)
        if kept is not None:
            found[kept.reason, kept.why].append(kept.job)
    lines = [_line(*kept, found[kept]) for reason in REASONS for kept in found if kept[0] == reason]
    return "\n".join(["nothing to submit:", *(f"  {line}" for line in lines)])


def _line(reason: Reason, why: str, jobs: Sequence[str]) -> str:
    cells = f"{counted(len(jobs), 'cell')} {'is' if len(jobs) == 1 else 'are'}"
    if reason == "done":
        return f"{cells} done"
    if reason == "held":
        return f"{cells} held by another run" + (f" ({why})" if why else "")
    distinct = list(dict.fromkeys(jobs))
    more = f" and {len(distinct) - SHOWN:,} more" if len(distinct) > SHOWN else ""
    named = f"{'job' if len(distinct) == 1 else 'jobs'} {', '.join(distinct[:SHOWN])}{more}"
    state = {"running": "running in", "queued": "queued in", "elsewhere": "in"}[reason]
    return f"{cells} {state} {named}" + (f": {why}" if why else "")
