"""The smoke check: a small job that takes the first steps of each row of a grid before the jobs of the grid begin."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import ConfigError, StoreError
from ....files import probe
from ....plan.job_settings import Layers
from ....plan.planned import Group, Planned, group_name
from ....store.failure import cause_of, explain
from ....store.holds import Holds, row_of
from ....store.store import Store
from ....streams import take_any_text
from ..job.starting import Options, check_code
from ..job.worker import execution_of, folders_of, planned_in
from ..queue.job_ends import CHECKS
from .arrays import Array, Key
from .call import call_sbatch
from .sbatch import Batch, is_yes, whole_submission

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

    from ....running.execution import Execution

NAME = "pmll-bench-smoke"
START, EACH_ROW = 30, 10  # minutes that a check may take: it is scheduled earlier with a short time limit
RESTARTS = 3  # a check that is cut off, for example by preemption, begins again


def checks_of(arrays: Sequence[Array], layers: Layers) -> list[list[Group]]:
    """The groups of the smoke check before each array; none for any array if the settings leave checks out."""
    wanted = is_yes(whole_submission(layers, "smoke", "yes"))
    return groups_to_check(arrays) if wanted else [[] for _ in arrays]


def groups_to_check(arrays: Sequence[Array]) -> list[list[Group]]:
    """The groups of the smoke check that is submitted before each array; none if it has no check of its own.

    There is one check for the jobs with equal settings, if there are at least two of them, before their first array.
    """
    alike: dict[Key, list[int]] = {}
    for place, array in enumerate(arrays):
        alike.setdefault(array.key, []).append(place)
    found: list[list[Group]] = [[] for _ in arrays]
    for places in alike.values():
        groups = [group for place in places for group in arrays[place].groups]
        if len(groups) > 1:
            found[places[0]] = largest_of_each_row(groups)
    return found


def submit_check(groups: Sequence[Group], store: Store, batch: Batch, options: Options) -> str:
    """Submit the smoke check of some groups; returns the id of its job. Raises `ConfigError` if Slurm refuses."""
    names = tuple(store.folder(planned.cell).name for group in groups for planned in group.cells)
    (job,) = call_sbatch(store, batch_of_check(batch, len(groups)), [(names, options)], SmokeCheck())
    return job


def batch_of_check(batch: Batch, rows: int) -> Batch:
    """The smoke check of jobs: it asks for the same as they do, for less time."""
    minutes = min(batch.minutes, START + EACH_ROW * rows)
    return replace(batch, minutes=minutes, options={**batch.options, "job-name": NAME, "time": str(minutes)})


def largest_of_each_row(groups: Iterable[Group]) -> list[Group]:
    """The largest group of each row on each data set, which needs the most memory."""
    largest: dict[str, Group] = {}
    for group in groups:
        row = row_of(group.cells[0].cell)
        if row not in largest or len(group.cells) > len(largest[row].cells):
            largest[row] = group
    return list(largest.values())


class SmokeCheck:
    """The function that submitit calls in the job of a smoke check.

    It compares the code, tries the store, and takes the first steps of each row. A row that fails is held: its jobs end
    when they start. If all rows fail, the job fails, so that Slurm cancels the jobs that wait for it.
    """

    def __call__(self, store: str, cells: Sequence[str], options: Options) -> None:
        take_any_text()
        opened = Store.open(Path(store), create=False)
        rows: dict[str, list[Planned]] = {}
        for planned in planned_in(folders_of(opened, cells)):
            rows.setdefault(row_of(planned.cell), []).append(planned)
        groups = [Group(tuple(members)) for members in rows.values()]
        holds = Holds(opened.root, options.get("submission") or "")
        try:
            check_code(options)
            probe(opened.root)
            execution = execution_of(options)
        except StoreError:
            raise  # it cannot be recorded either
        except Exception as error:
            for group in groups:
                holds.hold(group.cells[0].cell, explain(error), "error")
            raise
        passed = [_check(group, opened, execution, holds) for group in groups]
        if not any(passed):
            raise ConfigError(f"no row passed the smoke check ({len(passed)} failed)", where=NAME)

    def checkpoint(self, store: str, cells: Sequence[str], options: Options) -> DelayedSubmission | None:
        """The work of the job when it starts again after a signal: all of it, a few times."""
        from submitit.helpers import DelayedSubmission

        again = options.get("requeue") != "no" and int(os.environ.get("SLURM_RESTART_COUNT", "0")) < RESTARTS
        return DelayedSubmission(self, store, cells, options) if again else None


def _check(group: Group, store: Store, execution: Execution, holds: Holds) -> bool:
    """Take the first steps of a row; hold the row if it cannot succeed. Returns whether it can.

    It cannot if all its cells fail, or if the memory is too small for any. Faults of the machine do not count.
    """
    from ....running.first_steps import take_first_steps

    first, started = group.cells[0], time.monotonic()
    print(f"{CHECKS}{group_name(group)}", file=sys.stderr, flush=True)  # where `status` finds it if the job is killed
    errors = take_first_steps(group, store, execution)
    failures = {cell: (explain(error, first.where.target), cause_of(error)) for cell, error in errors.items()}
    for cell, (why, _) in failures.items():
        print(f"failed  {cell}: {why.line}\n{why.trace}", flush=True)
    memory = [(why, cause) for why, cause in failures.values() if cause == "oom"]
    broken = [(why, cause) for why, cause in failures.values() if cause == "error"]
    reasons = memory or (broken if len(broken) == len(group.cells) else [])
    if reasons:
        holds.hold(first.cell, *reasons[0])
    print(f"{'held' if reasons else 'passed':7} {group_name(group)} ({time.monotonic() - started:.1f} s)", flush=True)
    return not reasons
