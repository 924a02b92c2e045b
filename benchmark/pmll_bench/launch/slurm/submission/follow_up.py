"""Tries cells again whose jobs are over, with the settings that they were submitted with.

A small job follows each submission: it begins when all jobs of the submission are over, submits what may be tried again
within the limits of `retries`, and the next small job behind it.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from pmll_errors import counted

from ....errors import ConfigError, StoreError
from ....plan.job_settings import MEMORY, JobSetting, Layer, from_mapping
from ....plan.planned import Group, Planned
from ....running.listeners import Listener
from ....running.outcome import Outcome
from ....store.cell_folder import CellFolder
from ....store.document import write_record
from ....store.lease import is_held
from ....store.records import SubmissionRecord
from ....store.store import Store
from ....streams import print_line, take_any_text
from ...retries import judge, tries_of
from .. import waiting
from ..job.starting import Options
from ..queue.absences import APART
from ..queue.answers import record_path, submission_of
from ..queue.jobs import Learned, learn
from ..queue.scheduler import array_of, configuration, user
from .arrays import arrays_of, dependency, in_lanes
from .call import call_sbatch, submit_array
from .sbatch import batch_of

NAME = "pmll-bench-follow-up"
SMALL = {"cpus": "1", "mem": "512M", "time": "30"}  # what the small job asks for; it needs neither a GPU nor torch
KEPT = ("partition", "account", "qos", "reservation", "clusters", "wckey", "setup")  # of the settings of the cells
PATIENCE = 20  # questions to Slurm before the small job gives up


class FollowUp:
    """The function of the small job. It is told the arrays of the submission, as ids separated by commas."""

    def __call__(self, store: str, cells: Sequence[str], options: Options) -> None:
        take_any_text()
        opened = Store.open(Path(store), create=False)
        jobs = try_again(opened, (options["arrays"] or "").split(","))
        text = f"{counted(len(jobs), 'job')} submitted again: {' '.join(jobs)}" if jobs else "nothing to try again"
        print_line(text, sys.stdout)
        if jobs:
            submit_follow_up(opened, jobs)


def submit_follow_up(store: Store, jobs: Iterable[str]) -> str:
    """Submit the small job that begins when these jobs are over; returns its id.

    A site may refuse so little, for example in a partition for jobs with GPUs; the job then asks for what the first of
    these jobs asked for. It is noted with their submissions. Raises `ConfigError` if Slurm refuses that, too.
    """
    arrays = list(dict.fromkeys(array_of(job) for job in jobs))
    first = submission_of(store, arrays[0])
    given = {} if first is None else dict(first.settings)
    small = {key: value for key, value in given.items() if key in KEPT} | SMALL

    def submitted(settings: Mapping[str, str]) -> str:
        batch = batch_of(settings).named(NAME).after(*(f"afterany:{array}" for array in arrays))
        return call_sbatch(store, batch, [((), {"arrays": ",".join(arrays)})], FollowUp())[0]

    try:
        job = submitted(small)
    except ConfigError:
        job = submitted({**given, "time": SMALL["time"]})
    for array in arrays:
        if (record := submission_of(store, array)) is not None:
            with suppress(StoreError):  # only `prune` would not know its files
                write_record(record_path(store, array), record.model_copy(update={"follow_up": job}))
    return job


def try_again(store: Store, jobs: Iterable[str]) -> list[str]:
    """Submit again what may be tried again of the submissions of these jobs; returns the ids of the new jobs.

    The settings are those of the submissions, with more memory after a lack of it. Cells that were submitted by another
    command since then are left alone. Raises `ConfigError` if Slurm does not answer, or refuses.
    """
    arrays = dict.fromkeys(array_of(job) for job in jobs)
    submissions = [each for array in arrays if (each := submission_of(store, array)) is not None]
    folders = [folder for each in submissions for cells in _unfinished(store, each).values() for folder in cells]
    if not folders:
        return []
    learned = _settled(store, folders)
    return [job for each in submissions for job in _submit_again(store, each, learned)]


def wait_and_try_again(cells: Sequence[Planned], store: Store, jobs: Iterable[str], listener: Listener) -> Outcome:
    """Wait for cells as `wait` does, in place of the small job: try again what may be, until nothing is left.

    If this process is stopped, it leaves the rest to the small job.
    """
    own, left, outcome = list(jobs), cells, Outcome()
    try:
        while True:
            ended = waiting.wait(left, store, listener)
            again = try_again(store, own) if own else []
            own += again
            waits = set(_cells_of(store, again))
            outcome.join(ended, without=waits)
            if not again:
                return outcome
            listener.note(f"{counted(len(again), 'job')} submitted again: {' '.join(again)}")
            left = [each for each in left if each.cell.id in waits]
    except KeyboardInterrupt:
        if own:
            submit_follow_up(store, own)
        raise


def _cells_of(store: Store, jobs: Iterable[str]) -> Iterator[str]:
    """The ids of the cells of some jobs."""
    submissions = (submission_of(store, array) for array in dict.fromkeys(array_of(job) for job in jobs))
    names = (name for each in submissions if each is not None for job in each.jobs for name in job.cells)
    return (name.rpartition("/")[2] for name in names)


def _unfinished(store: Store, submission: SubmissionRecord) -> dict[str, list[CellFolder]]:
    """The cells without a result whose last job is one of these, by job."""
    found: dict[str, list[CellFolder]] = defaultdict(list)
    for job in submission.jobs:
        for folder in map(store.cell_at, job.cells):
            if folder.result() is None and (queued := folder.queued()) is not None and queued.job == job.job:
                found[job.job].append(folder)
    return found


def _settled(store: Store, folders: Sequence[CellFolder]) -> Learned:
    """What Slurm says when the fate of no job is open; the ends of the jobs are then recorded."""
    for _ in range(PATIENCE):
        learned = learn(store, folders)
        if learned.answered and not any(job.phase == "absent" for job in learned.jobs.values()):
            return learned
        time.sleep(APART + 1)
    raise ConfigError(
        "Slurm does not answer; nothing was submitted again", where="squeue", hint="see 'pmll-bench retry'"
    )


def _submit_again(store: Store, submission: SubmissionRecord, learned: Learned) -> list[str]:
    """Submit again the cells of one submission that may be tried again, in the groups in which they were."""
    chosen: dict[bool, list[Group]] = {False: [], True: []}  # by whether they need more memory
    for folders in _unfinished(store, submission).values():
        for more, cells in _may_be_tried(folders, submission, learned).items():
            chosen[more].append(Group(tuple(kept.planned() for each in cells if (kept := each.record()))))
    plain = dict(submission.settings)
    larger = {key: value for key, value in plain.items() if key not in MEMORY} | {"mem": plain.get("oom-mem", "")}
    options, parallel = submission.options, int(submission.options.get("parallel") or 1)
    arrays = [
        array
        for settings, groups in ((plain, chosen[False]), (larger, chosen[True]))
        for array in arrays_of(
            groups, [from_mapping(settings)], largest=int(options.get("largest") or 1), parallel=parallel
        )
    ]
    cluster, code = configuration().get("ClusterName", ""), submission.code
    record = partial(SubmissionRecord, cluster=cluster, user=user(), code=code, holds=submission.holds, options=options)
    jobs: list[list[str]] = []
    for array in in_lanes(arrays, parallel):
        batch = batch_of(array.settings, int(options.get("threads") or 0) or None).after(dependency(array, jobs))
        noted = partial(record, settings=array.settings)
        jobs.append(submit_array(array.groups, store, batch, options, noted, parallel=array.parallel, by_user=False))
    return [job for of_array in jobs for job in of_array]


def _may_be_tried(
    folders: Iterable[CellFolder], submission: SubmissionRecord, learned: Learned
) -> Mapping[bool, list[CellFolder]]:
    """The cells that may be tried again, by whether with more memory."""
    found: dict[bool, list[CellFolder]] = defaultdict(list)
    for folder in folders:
        if folder.id in learned.jobs or is_held(folder.lease):
            continue  # its job is not over, or another run has it in hand
        queued = folder.queued()
        tries = tries_of(folder, 0 if queued is None else queued.since)
        if tries and judge(tries, more_memory="oom-mem" in submission.settings).again:
            found[any(each.cause == "oom" for each in tries)].append(folder)
    return found


def settings_of(store: Store, folders: Iterable[CellFolder]) -> Layer:
    """The settings of the last jobs of these cells, each for the row of its cell."""
    found: dict[tuple[str, str], JobSetting] = {}
    for folder in folders:
        record, queued = folder.record(), folder.queued()
        submission = submission_of(store, queued.job) if queued is not None else None
        if record is None or submission is None:
            continue
        for key, value in submission.settings.items():
            where = f"the submission of job {array_of(submission.jobs[0].job)}"
            found[record.label, key] = JobSetting(key=key, value=value, of=record.label, where=where)
    return list(found.values())
