"""`retry` and `cancel`: the next attempt at unfinished cells, and the end of their jobs."""

from __future__ import annotations

import sys
from collections.abc import Container, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pmll_errors import counted

from ..errors import UsageError
from ..plan.request import declared
from .grid_options import Change, Launcher, RunOptions, grid_options
from .options import STORE, Cells, Datasets, Json, Methods, Root
from .output import columns, print_json, tell
from .run_grid import check_options, job_layers, launch

if TYPE_CHECKING:
    from ..launch.slurm.submission.cancelling import Cancellation
    from ..plan.job_settings import Layer
    from ..store.cell_folder import CellFolder

Class = StrEnum("Class", ["error", "oom", "timeout", "preempted", "cancelled", "stopped", "node", "lost"])
CAUSES = ", ".join(Class)


@grid_options(without={field.name for field in declared()})
def retry(
    change: Change,
    how: RunOptions,
    cells: Cells = None,
    methods: Methods = None,
    datasets: Datasets = None,
    causes: Annotated[
        list[Class] | None,
        typer.Option(
            "--class",
            metavar="CAUSE",
            help=f"Only cells whose last attempt ended for this cause: {CAUSES}. Repeatable.",
        ),
    ] = None,
) -> None:
    """Run unfinished cells of the store again, as they were planned.

    Failed cells are included. The limits of automatic retries start anew. Cells
    whose job waits or runs are left to it; cells whose job Slurm does not show
    are taken over. With --slurm, jobs are submitted, with the settings of the
    earlier ones and those that are given.

    \b
    Examples:
      pmll-bench retry --dry-run
      pmll-bench retry 4a48ba609e19
      pmll-bench retry --class oom --slurm mem=64G --dry-run
    """
    from ..launch.slurm.queue.jobs import learn
    from ..launch.slurm.submission.follow_up import settings_of
    from ..store.chosen import chosen
    from ..store.store import Store

    if how.slurm and how.launcher == Launcher.inline:
        how = replace(how, launcher=Launcher.slurm)
    check_options(how)
    store = Store.open(how.root, create=False)
    asked = chosen(store, cells or (), methods or (), datasets or ())
    left = [folder for folder in asked if store.index.summary(folder) is None]
    learned = learn(store, left)
    at_work = {job.id for job in learned.jobs.values() if job.phase in ("pending", "running")}
    free = [folder for folder in left if not _is_at_work(folder, at_work)]
    if busy := len(left) - len(free):
        tell(f"{counted(busy, 'cell')} left to the jobs or processes that work on them; see 'pmll-bench status'")
    wanted = [folder for folder in free if not causes or _cause(folder) in causes]
    if not wanted:
        ended = f" ended for the cause {' or '.join(causes)}" if causes else ""
        tell(f"nothing to retry: no unfinished cell that is free{ended}")
    if how.dry_run:
        _list_cells(wanted, as_json=how.as_json)
    elif wanted:
        of_grid = settings_of(store, wanted) if how.launcher == Launcher.slurm else ()
        _take_over(wanted, learned.jobs)
        _run_again(wanted, of_grid, how)
    elif how.as_json:
        _print_nothing(how)


def _print_nothing(how: RunOptions) -> None:
    """Print the document of a command that had nothing to do."""
    from ..running.outcome import Outcome

    if how.launcher == Launcher.slurm and not how.wait:
        print_json("submission", {"jobs": []})
    else:
        print_json("outcome", vars(Outcome()))


def _is_at_work(folder: CellFolder, jobs: set[str]) -> bool:
    """Whether a process works on a cell, or its job waits or runs."""
    from ..store.lease import is_held

    queued = folder.queued()
    return is_held(folder.lease) or (queued is not None and queued.job in jobs)


def _cause(folder: CellFolder) -> str:
    """Why the last attempt at a cell ended; "lost" without a record, "" before the first attempt."""
    attempts = folder.attempts()
    end = attempts[-1].ended() if attempts else None
    return (end.why or "") if end is not None else "lost" if attempts else ""


def _list_cells(folders: Sequence[CellFolder], *, as_json: bool) -> None:
    from ..store.status import cell_status

    found = [(cell_status(folder), _cause(folder)) for folder in folders]
    if as_json:
        print_json("retry", {"cells": [{**asdict(status), "cause": cause} for status, cause in found]})
        return
    if not found:
        return
    rows = [[each.id, each.dataset, each.label, each.state, cause, each.message] for each, cause in found]
    print(columns(["cell", "data set", "method", "state", "cause", "reason"], rows))


def _take_over(folders: Sequence[CellFolder], unseen: Container[str]) -> None:
    """Forget jobs that Slurm does not show: they would make their cells count as queued."""
    hidden = [folder for folder in folders if folder.id in unseen or folder.state().name == "queued"]
    for folder in hidden:
        folder.forget_job()
    if hidden:
        tell(f"{counted(len(hidden), 'cell')} taken over from jobs that Slurm does not show")


def _run_again(folders: Sequence[CellFolder], of_grid: Layer, how: RunOptions) -> None:
    from ..plan.grid import groups
    from ..plan.planning import Plan

    records = [record for folder in folders if (record := folder.record()) is not None]
    planned = tuple(record.planned() for record in records)
    plan = Plan(planned, groups(planned), ())
    launch(plan, job_layers(plan, of_grid, how), how)


def cancel(
    cells: Cells = None,
    methods: Methods = None,
    datasets: Datasets = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    root: Root = STORE,
    as_json: Json = False,
) -> None:
    """Cancel the Slurm jobs of cells, waiting or running.

    Running cells save first; run the same grid again to continue. Only jobs that
    are recorded in this store are cancelled.

    \b
    Examples:
      pmll-bench cancel --methods dualcoop --yes
      pmll-bench cancel 4a48ba609e19 --yes
    """
    from ..launch.slurm.submission.cancelling import cancel_jobs, find_jobs
    from ..store.chosen import chosen
    from ..store.store import Store

    store = Store.open(root, create=False)
    found = find_jobs(store, chosen(store, cells or (), methods or (), datasets or ()))
    for folder, why in found.apart.items():
        tell(f"{folder.id} is not cancelled: {why}")
    if found.jobs:
        _confirm(found, yes=yes)
        cancel_jobs(found)
    if as_json:
        print_json("cancel", {"jobs": sorted(found.jobs), "cells": [folder.id for folder in found.cells]})
    elif found.jobs:
        print("\n".join(sorted(found.jobs)))
        tell(f"{_what(found)} cancelled")
    else:
        tell("nothing to cancel: no job of these cells waits or runs")


def _what(found: Cancellation) -> str:
    return f"{counted(len(found.jobs), 'job')} with {counted(len(found.cells), 'cell')}"


def _confirm(found: Cancellation, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere, and for jobs that run other cells, too, `--yes` is required."""
    if yes:
        return
    if found.others:
        named = "; ".join(f"{job}: {' '.join(folder.id for folder in other)}" for job, other in found.others.items())
        hint = "add --yes to cancel these cells, too"
        raise UsageError(f"{counted(len(found.others), 'job')} also run other cells ({named})", hint=hint)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"cancelling {_what(found)} needs a confirmation", hint="add --yes")
    typer.confirm(f"Cancel {_what(found)}?", abort=True, err=True)
