"""The folder of one cell: request, attempts, checkpoints, scores and result, and the state that follows from them."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float32

from ..errors import StoreError
from ..files import folders, publish, set_aside, settle, store_errors, write_whole
from ..plan.planned import Planned
from .document import now, read_record, write_record
from .environment import Environment
from .failure import Explanation
from .lease import is_held
from .records import AttemptRecord, CellRecord, EndKind, EndRecord, QueueRecord, Result, ScoresFile, TriedRates

log = logging.getLogger(__name__)

StateName: TypeAlias = Literal[
    "planned", "queued", "running", "lost", "failed", "diverged", "interrupted", "done", "outdated"
]
CHECKPOINTS_KEPT = 2
TRACEBACK_KEPT = 8000  # characters, from the end


class CellState(NamedTuple):
    """The state of a cell, and its reason in one line."""

    name: StateName
    message: str = ""


class StoredScores(NamedTuple):
    """The scores of the test images, float32 [images, classes], with image ids and class names."""

    scores: Float32[np.ndarray, "n c"]
    ids: tuple[str, ...]
    classes: tuple[str, ...]


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
        result = read_record(Result, self.path / "result.json")
        return result if result is not None and result.cell_id == self.id else None

    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts so far, oldest first."""
        numbers = (int(path.name) for path in folders(self.path / "attempts") if path.name.isdecimal())
        return tuple(Attempt(self, number) for number in sorted(numbers))

    def checkpoints(self) -> list[tuple[int, Path]]:
        """The checkpoints of all attempts with their steps, newest first."""
        found = [(step, attempt.number, path) for attempt in self.attempts() for step, path in attempt.checkpoints()]
        return [(step, path) for step, _, path in sorted(found, reverse=True)]

    @property
    def newest(self) -> int:
        """The number of the newest attempt; 0 before the first."""
        return max((attempt.number for attempt in self.attempts()), default=0)

    def write_request(self, planned: Planned) -> None:
        """Write `cell.json`; write it again if the location of data or weights or the label of the row has changed.

        Raises `StoreError` if the file belongs to another cell: it was edited, or two ids collide.
        """
        path, before, record = self.path / "cell.json", self.record(), CellRecord.of(planned)
        if before is not None and before.cell != planned.cell:
            hint = "if the file was edited, restore it or remove the cell's folder"
            raise StoreError(f"cell.json describes another cell than {self.id}", where=str(path), hint=hint)
        if before is None or before.planned() != record.planned():
            with store_errors(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
            write_record(path, record)

    def queue(self, job: str, attempt: int | None = None) -> None:
        """Record that a cluster job will run the cell.

        `attempt` is the newest attempt at submission; give it if the job may have started another one since.
        """
        with store_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        newest = self.newest if attempt is None else attempt
        write_record(self.path / "queue.json", QueueRecord(job=job, attempt=newest))

    def queued(self) -> QueueRecord | None:
        """The last job that was submitted for the cell."""
        return read_record(QueueRecord, self.path / "queue.json")

    def begin(self, planned: Planned, environment: Environment) -> Attempt:
        """Start an attempt in a new folder, with a number that no other attempt has or had."""
        self.write_request(planned)
        number = self.newest + 1
        while not Attempt(self, number).create():
            number += 1
        attempt = Attempt(self, number)
        record = AttemptRecord(
            attempt=number,
            host=socket.gethostname(),
            pid=os.getpid(),
            command=tuple(sys.argv),
            environment=environment,
        )
        write_record(attempt.path / "attempt.json", record)
        log.info("cell %s: attempt %d started", planned.cell.id, number)
        return attempt

    def state(self, revision: int | str | None = None) -> CellState:
        """The state, derived from the files. A result of another revision than `revision` is outdated."""
        if (result := self.result()) is not None:
            made_with = str(result.revision)  # "1", or "1+digest" if the method is not built in
            outdated = revision is not None and str(revision) not in (made_with, made_with.partition("+")[0])
            return CellState("outdated", f"made with revision {made_with}") if outdated else CellState("done")
        if is_held(self.lease):
            return CellState("running")
        damaged = "result.json is damaged" if (self.path / "result.json").exists() else ""
        newest, queued = self.newest, self.queued()
        if queued is not None and queued.attempt == newest:
            return CellState("queued", f"job {queued.job}")
        if not newest:
            return CellState("planned", damaged)
        end = Attempt(self, newest).ended()
        if end is None or end.kind == "done":
            return CellState("lost", damaged or f"attempt {newest} ended without recording a result (killed?)")
        return CellState(end.kind, damaged or end.message)

    def scores(self) -> StoredScores:
        """The scores of the result. Raises `StoreError` if they are missing or have changed."""
        result = self.result()
        if result is None:
            raise StoreError(f"cell {self.id} has no result", where=str(self.path), hint="see 'pmll-bench status'")
        path = self.path / result.scores.file
        with store_errors(path):
            data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != result.scores.sha256:
            raise StoreError("the scores file has changed since the result was made", where=str(path))
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return StoredScores(file["scores"], tuple(file["ids"].tolist()), tuple(file["classes"].tolist()))

    def tried_rates(self) -> TriedRates | None:
        """The tried learning rates; None until all are tried."""
        return read_record(TriedRates, self.path / "tries.json")

    def keep_tried_rates(self, rates: TriedRates) -> None:
        """Write the tried learning rates."""
        write_record(self.path / "tries.json", rates)

    def drop_checkpoints(self) -> None:
        """Remove the checkpoints of all attempts, including damaged ones."""
        for path in self.path.glob("attempts/*/checkpoint-*"):
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Attempt:
    """One attempt at a cell, in its own folder."""

    folder: CellFolder
    number: int

    @property
    def path(self) -> Path:
        return self.folder.path / "attempts" / f"{self.number:04d}"

    def create(self) -> bool:
        """Create the folder of the attempt; return whether it is new."""
        with store_errors(self.path):
            try:
                self.path.mkdir(parents=True)
            except FileExistsError:
                return False
        return True

    def checkpoints(self) -> list[tuple[int, Path]]:
        """The checkpoints of this attempt with their steps, newest first."""
        found = ((path.stem.removeprefix("checkpoint-"), path) for path in self.path.glob("checkpoint-*.pt"))
        return sorted(((int(step), path) for step, path in found if step.isdecimal()), reverse=True)

    def save_checkpoint(self, step: int, write: Callable[[BinaryIO], object]) -> None:
        """Write a checkpoint atomically; keep it and the previous one, which may belong to an earlier attempt.

        Later checkpoints of earlier attempts are removed, because training continued from an earlier step.
        """
        settle(self.path / "events.jsonl")  # a resumed run does not repeat the epochs logged there
        write_whole(self.path / f"checkpoint-{step:08d}.pt", write)
        log.info("cell %s: checkpoint of step %d saved", self.folder.path.name, step)
        own = self.checkpoints()
        oldest = min((at for at, _ in own), default=step)
        kept = [*own, *(found for found in self.folder.checkpoints() if found[0] < oldest)][:CHECKPOINTS_KEPT]
        for found in self.folder.checkpoints():
            if found not in kept:
                found[1].unlink(missing_ok=True)

    def event(self, event: Mapping[str, object]) -> None:
        """Append a line to the log of the attempt."""
        line = json.dumps({"time": now(), **event}, ensure_ascii=False) + "\n"
        path = self.path / "events.jsonl"
        with store_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(line)

    def events(self) -> Iterator[dict[str, Any]]:
        """The lines of the log as parsed JSON, without a line that a kill has truncated."""
        with suppress(FileNotFoundError):
            for line in (self.path / "events.jsonl").read_bytes().splitlines():
                with suppress(ValueError):
                    yield json.loads(line)

    def write_scores(
        self, scores: Float32[np.ndarray, "n c"], ids: Sequence[str], classes: Sequence[str]
    ) -> ScoresFile:
        """Write the scores, in the order of `ids` and `classes`; equal scores give equal bytes."""
        buffer = io.BytesIO()
        np.savez(buffer, scores=scores, ids=np.array(ids, dtype=np.str_), classes=np.array(classes, dtype=np.str_))
        path = self.path / "scores.npz"
        write_whole(path, buffer.getvalue())
        return ScoresFile(
            file=path.relative_to(self.folder.path).as_posix(),
            sha256=hashlib.sha256(buffer.getvalue()).hexdigest(),
            n=len(ids),
            c=len(classes),
        )

    def commit(self, result: Result) -> bool:
        """Publish the result of the cell; return whether it is this one. The first complete result is kept.

        The order makes a kill at any moment harmless: scores, the result of the attempt, its link in the folder of
        the cell, and only then the removal of the checkpoints.
        """
        own, shared = self.path / "result.json", self.folder.path / "result.json"
        write_record(own, result)
        won = publish(own, shared)
        if not won:
            standing = self.folder.result()
            if standing is None:
                set_aside(shared)
                won = publish(own, shared)
            else:
                won = standing.attempt == self.number  # a network file system may report an error for a link it made
        self.folder.drop_checkpoints()
        return won

    @property
    def trace(self) -> Path:
        """The traceback of the error that ended the attempt, if any."""
        return self.path / "traceback.txt"

    def end(self, kind: EndKind, why: Explanation | None = None) -> None:
        """Record how the attempt ended, and the error that ended it, if any."""
        log.info("cell %s: attempt %d ended: %s", self.folder.path.name, self.number, kind)
        if why is None:
            write_record(self.path / "end.json", EndRecord(kind=kind))
            return
        write_whole(self.trace, why.trace.encode())
        trace = why.trace[-TRACEBACK_KEPT:]
        write_record(self.path / "end.json", EndRecord(kind=kind, message=why.line, hint=why.hint, traceback=trace))

    def ended(self) -> EndRecord | None:
        """How the attempt ended; None while it runs, or if it ended without a record."""
        return read_record(EndRecord, self.path / "end.json")
