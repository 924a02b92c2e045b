"""The folder of one cell: request, attempts, checkpoints, scores and result, and the state that follows from them."""

from __future__ import annotations

import io
import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float32

from ..errors import FileError, StoreError
from ..faults import persist
from ..files import exists, make_folder, remove
from ..plan.planned import Planned
from .attempt import Attempt, attempts_of, checkpoints_of, drop_checkpoints, result_of, saved_step
from .document import read_record, write_record
from .environment import Environment
from .lease import is_held
from .pack import read_record_in, scores_in
from .records import AttemptRecord, CellRecord, QueueRecord
from .result import Result, TriedRates
from .temporary import sweep

log = logging.getLogger(__name__)

StateName: TypeAlias = Literal[
    "planned", "queued", "running", "lost", "failed", "diverged", "interrupted", "done", "outdated"
]


class CellState(NamedTuple):
    """The state of a cell, and its reason in one line."""

    name: StateName
    message: str = ""


def finished(made_with: int | str, revision: int | str | None) -> CellState:
    """The state of a cell with a result of the revision `made_with`: outdated if that is not `revision`."""
    made = str(made_with)  # "1", or "1+digest" if the method is not built in
    outdated = revision is not None and str(revision) not in (made, made.partition("+")[0])
    return CellState("outdated", f"made with revision {made}") if outdated else CellState("done")


class JobHint(NamedTuple):
    """What the scheduler says about a job that is not over: its phase, and a note such as "job 12: Priority"."""

    phase: Literal["pending", "running"]
    note: str


Hints: TypeAlias = Mapping[str, JobHint]
"""The jobs that are not over, by id. It is empty if the scheduler is not asked or does not answer."""
NO_HINTS: Hints = MappingProxyType({})


class StoredScores(NamedTuple):
    """The scores of the test images, float32 [images, classes], with image ids and class names."""

    scores: Float32[np.ndarray, "n c"]
    ids: tuple[str, ...]
    classes: tuple[str, ...]

    @classmethod
    def of(cls, data: bytes) -> StoredScores:
        """The scores in the content of a scores file."""
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return cls(file["scores"], tuple(file["ids"].tolist()), tuple(file["classes"].tolist()))


@dataclass(frozen=True)
class CellFolder:
    """The files of one cell."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def lease(self) -> Path:
        return self.path / "lease"

    def record(self) -> CellRecord | None:
        """The request for the cell; None if there is none yet."""
        return read_record(CellRecord, self.path / "cell.json")

    def result(self) -> Result | None:
        """The result of the cell; None if it is missing or damaged."""
        return result_of(self.path)

    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts so far, oldest first."""
        return attempts_of(self.path)

    def checkpoints(self) -> list[tuple[int, Path]]:
        """The checkpoints of all attempts with their steps, newest first."""
        return checkpoints_of(self.path)

    @property
    def newest(self) -> int:
        """The number of the newest attempt; 0 before the first."""
        return max((attempt.number for attempt in self.attempts()), default=0)

    def write_request(self, planned: Planned) -> None:
        """Write `cell.json`; write it again if the location of data or weights or the label of the row has changed.

        Raises `FileError` if the file belongs to another cell: it was edited, or two ids collide.
        """
        path, before, record = self.path / "cell.json", self.record(), CellRecord.of(planned)
        if before is not None and before.cell != planned.cell:
            hint = "if the file was edited, restore it or remove the cell's folder"
            raise FileError(f"cell.json describes another cell than {self.id}", where=str(path), hint=hint)
        if before is None or before.planned() != record.planned():
            make_folder(self.path)
            write_record(path, record)

    def queue(self, queue: QueueRecord) -> None:
        """Record that a cluster job will run the cell."""
        make_folder(self.path)
        write_record(self.path / "queue.json", queue)

    @property
    def name(self) -> str:
        """The folder relative to the folder `cells` of the store: data set, method and id."""
        return "/".join(self.path.parts[-3:])

    def queued(self) -> QueueRecord | None:
        """The last job that was submitted for the cell."""
        return read_record_in(QueueRecord, self.path, "queue.json")

    def forget_job(self) -> None:
        """Forget the job that was submitted for the cell: another process takes the cell over."""
        remove(self.path / "queue.json")

    def begin(self, planned: Planned, environment: Environment, job: str = "") -> Attempt:
        """Start an attempt, also of a cluster job, in a new folder, with a number that no other attempt has or had.

        Temporary files that earlier attempts have left behind are removed. Raises `FileError` as `write_request` does;
        `open_attempt` then starts an attempt that can record it.
        """
        self.write_request(planned)
        persist(self.path, lambda: sweep(self.path))
        return self.open_attempt(environment, job)

    def open_attempt(self, environment: Environment, job: str = "") -> Attempt:
        """Start an attempt without `cell.json`. Nothing is left behind if its record cannot be written."""
        number, saved = self.newest + 1, saved_step(self.path)
        while not Attempt(self.path, number).create():
            number += 1
        attempt = Attempt(self.path, number)
        record = AttemptRecord(
            attempt=number,
            host=socket.gethostname(),
            pid=os.getpid(),
            command=tuple(sys.argv),
            environment=environment,
            job=job,
            saved=saved,
        )
        try:
            write_record(attempt.path / "attempt.json", record)
        except BaseException:
            with suppress(OSError):  # it may be there although an error was reported
                (attempt.path / "attempt.json").unlink(missing_ok=True)
                attempt.path.rmdir()
            raise
        log.info("cell %s: attempt %d started", self.id, number)
        return attempt

    def state(
        self, revision: int | str | None = None, hints: Hints = NO_HINTS, clock: Callable[[], float] | None = None
    ) -> CellState:
        """The state, derived from the files. A result of another revision than `revision` is outdated.

        `hints` tell a job that waits to go on, or has not yet taken its lease, from one that is gone. `clock` is the
        time of the file system (`Clock`); pass one to ask for the states of many cells.
        """
        result = self.result()
        return self.unfinished(hints, clock) if result is None else finished(result.revision, revision)

    def unfinished(self, hints: Hints = NO_HINTS, clock: Callable[[], float] | None = None) -> CellState:
        """The state of a cell without a result; see `state`."""
        if is_held(self.lease, clock=clock):
            return CellState("running")
        damaged = "result.json is damaged" if exists(self.path / "result.json") else ""
        newest, queued = self.newest, self.queued()
        waits = queued is not None and queued.attempt == newest
        end = Attempt(self.path, newest).ended() if newest and not waits else None
        goes_on = waits or end is None or end.kind in ("interrupted", "lost")
        if queued is not None and goes_on and (hint := hints.get(queued.job)) is not None:
            return CellState("queued" if hint.phase == "pending" else "running", hint.note)
        if queued is not None and waits:
            return CellState("queued", f"job {queued.job}")
        if not newest:
            return CellState("planned", damaged)
        if end is None or end.kind == "done":
            return CellState("lost", damaged or f"attempt {newest} ended without recording a result (killed?)")
        return CellState(end.kind, damaged or end.message)

    def scores(self) -> StoredScores:
        """The scores of the result. Raises `StoreError` if they are missing or have changed."""
        result = self.result()
        if result is None:
            raise StoreError(f"cell {self.id} has no result", where=str(self.path), hint="see 'pmll-bench status'")
        return StoredScores.of(self.scores_bytes(result.scores.file, result.scores.sha256))

    def scores_bytes(self, file: str, digest: str) -> bytes:
        """The content of a scores file of the cell that a result names. Raises `StoreError` as `scores` does."""
        return scores_in(self.path, file, digest)

    def tried_rates(self) -> TriedRates | None:
        """The tried learning rates; None until all are tried."""
        return read_record_in(TriedRates, self.path, "tries.json")

    def keep_tried_rates(self, rates: TriedRates) -> None:
        """Write the tried learning rates."""
        write_record(self.path / "tries.json", rates)

    def drop_checkpoints(self) -> None:
        """Remove the checkpoints of all attempts, including damaged ones."""
        drop_checkpoints(self.path)
