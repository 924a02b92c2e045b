"""One cell's folder: what was asked, its attempts, saved states, scores and result, and the state they amount to."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, TypeAlias

import numpy as np

from ..errors import StoreError
from ..files import folders, publish, set_aside, settle, store_errors, write_whole
from ..plan.planned import Planned
from .document import now, read_record, write_record
from .environment import Environment
from .failure import Explanation
from .lease import is_held
from .records import AttemptRecord, CellRecord, EndKind, EndRecord, QueueRecord, Result, ScoresFile, TriedRates

StateName: TypeAlias = Literal[
    "planned", "queued", "running", "lost", "failed", "diverged", "interrupted", "done", "outdated"
]
CHECKPOINTS_KEPT = 2
TRACEBACK_KEPT = 8000  # characters, from the end


class State(NamedTuple):
    """What has become of a cell, and one line on why."""

    name: StateName
    message: str = ""


class StoredScores(NamedTuple):
    """What a method said about each test image: float32 logits [images, classes] with ids and classes."""

    scores: np.ndarray[Any, np.dtype[np.float32]]
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
        """What was asked; None before anybody did."""
        return read_record(CellRecord, self.path / "cell.json")

    def result(self) -> Result | None:
        """The cell's result; None where there is none or it is damaged."""
        result = read_record(Result, self.path / "result.json")
        return result if result is not None and result.cell_id == self.id else None

    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts so far, oldest first."""
        numbers = (int(path.name) for path in folders(self.path / "attempts") if path.name.isdecimal())
        return tuple(Attempt(self, number) for number in sorted(numbers))

    def states(self) -> list[tuple[int, Path]]:
        """The saved training states of all attempts with their steps, newest first."""
        found = [(step, attempt.number, path) for attempt in self.attempts() for step, path in attempt.states()]
        return [(step, path) for step, _, path in sorted(found, reverse=True)]

    @property
    def newest(self) -> int:
        """The number of the newest attempt; 0 before the first."""
        return max((attempt.number for attempt in self.attempts()), default=0)

    def ask(self, planned: Planned) -> None:
        """Write `cell.json`, and write it again where data, weights or the row's name have moved since.

        Raises `StoreError` where another cell's stands under the same id: an edited file or a collision.
        """
        path, before, asked = self.path / "cell.json", self.record(), CellRecord.of(planned)
        if before is not None and before.cell != planned.cell:
            hint = "if the file was edited, restore it or remove the cell's folder"
            raise StoreError(f"cell {self.id} is another one", where=str(path), hint=hint)
        if before is None or before.planned() != asked.planned():
            with store_errors(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
            write_record(path, asked)

    def queue(self, job: str, attempt: int | None = None) -> None:
        """Note that a job of a cluster will take the cell up.

        `attempt` is the newest one when the job was submitted, if it may have begun another one since.
        """
        with store_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        newest = self.newest if attempt is None else attempt
        write_record(self.path / "queue.json", QueueRecord(job=job, attempt=newest))

    def queued(self) -> QueueRecord | None:
        """The last job that was to take the cell up."""
        return read_record(QueueRecord, self.path / "queue.json")

    def begin(self, planned: Planned, environment: Environment) -> Attempt:
        """Start an attempt in a new folder; its number is one that no other attempt has or had."""
        self.ask(planned)
        number = self.newest + 1
        while not Attempt(self, number).make():
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
        return attempt

    def state(self, revision: int | str | None = None) -> State:
        """What the files say. A result of another method revision than the one given is outdated."""
        if (result := self.result()) is not None:
            made_with = str(result.revision)  # "1", or "1+digest" where the method isn't built in
            outdated = revision is not None and str(revision) not in (made_with, made_with.partition("+")[0])
            return State("outdated", f"made with revision {made_with}") if outdated else State("done")
        if is_held(self.lease):
            return State("running")
        damaged = "result.json is damaged" if (self.path / "result.json").exists() else ""
        newest, queued = self.newest, self.queued()
        if queued is not None and queued.attempt == newest:
            return State("queued", f"job {queued.job}")
        if not newest:
            return State("planned", damaged)
        end = Attempt(self, newest).ended()
        if end is None or end.kind == "done":
            return State("lost", damaged or f"attempt {newest} stopped without recording why")
        return State(end.kind, damaged or end.message)

    def scores(self) -> StoredScores:
        """The scores behind the result. Raises `StoreError` where they are missing or not what was scored."""
        result = self.result()
        if result is None:
            raise StoreError(f"cell {self.id} has no result", where=str(self.path), hint="see 'pmll-bench status'")
        path = self.path / result.scores.file
        with store_errors(path):
            data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != result.scores.sha256:
            raise StoreError("the scores have changed since they were scored", where=str(path))
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return StoredScores(file["scores"], tuple(file["ids"].tolist()), tuple(file["classes"].tolist()))

    def tried_rates(self) -> TriedRates | None:
        """The learning rates that were tried; None before all were."""
        return read_record(TriedRates, self.path / "tries.json")

    def keep_tried_rates(self, rates: TriedRates) -> None:
        """Write what came of the tries."""
        write_record(self.path / "tries.json", rates)

    def drop_states(self) -> None:
        """Remove the saved training states of all attempts, damaged ones included."""
        for path in self.path.glob("attempts/*/checkpoint-*"):
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Attempt:
    """One try at a cell, in a folder of its own."""

    folder: CellFolder
    number: int

    @property
    def path(self) -> Path:
        return self.folder.path / "attempts" / f"{self.number:04d}"

    def make(self) -> bool:
        """Make the attempt's folder; whether it is new."""
        with store_errors(self.path):
            try:
                self.path.mkdir(parents=True)
            except FileExistsError:
                return False
        return True

    def states(self) -> list[tuple[int, Path]]:
        """This attempt's saved training states with their steps, newest first."""
        found = ((path.stem.removeprefix("checkpoint-"), path) for path in self.path.glob("checkpoint-*.pt"))
        return sorted(((int(step), path) for step, path in found if step.isdecimal()), reverse=True)

    def save_state(self, step: int, write: Callable[[BinaryIO], object]) -> None:
        """Keep a training state, whole or not at all, and the one before it, which may be an earlier attempt's.

        An earlier attempt's state of a later step is dropped: training went on from before it.
        """
        settle(self.path / "events.jsonl")  # its epochs are not trained again
        write_whole(self.path / f"checkpoint-{step:08d}.pt", write)
        own = self.states()
        oldest = min((at for at, _ in own), default=step)
        kept = [*own, *(found for found in self.folder.states() if found[0] < oldest)][:CHECKPOINTS_KEPT]
        for found in self.folder.states():
            if found not in kept:
                found[1].unlink(missing_ok=True)

    def event(self, event: Mapping[str, Any]) -> None:
        """Add a line to the attempt's log."""
        line = json.dumps({"time": now(), **event}, ensure_ascii=False) + "\n"
        path = self.path / "events.jsonl"
        with store_errors(path), path.open("a", encoding="utf-8") as file:
            file.write(line)

    def events(self) -> Iterator[dict[str, Any]]:
        """The lines of the log; one that a kill cut in half is left out."""
        with suppress(FileNotFoundError):
            for line in (self.path / "events.jsonl").read_bytes().splitlines():
                with suppress(ValueError):
                    yield json.loads(line)

    def write_scores(
        self, scores: np.ndarray[Any, np.dtype[np.float32]], ids: Sequence[str], classes: Sequence[str]
    ) -> ScoresFile:
        """Keep the scores, float32 [images, classes] in the order given; equal ones give equal bytes."""
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
        """Publish the cell's result; whether it is this one. The first whole result stays for good.

        The order makes a kill at any moment harmless: scores, the attempt's result, its name in the cell's folder,
        and only then are the saved states removed.
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
                won = standing.attempt == self.number  # a network disk may carry out a link and report its failure
        self.folder.drop_states()
        return won

    @property
    def trace(self) -> Path:
        """The traceback of what ended the attempt, where something did."""
        return self.path / "traceback.txt"

    def end(self, kind: EndKind, why: Explanation | None = None) -> None:
        """Record how the attempt ended, and the error that ended it, if any."""
        if why is None:
            write_record(self.path / "end.json", EndRecord(kind=kind))
            return
        write_whole(self.trace, why.trace.encode())
        trace = why.trace[-TRACEBACK_KEPT:]
        write_record(self.path / "end.json", EndRecord(kind=kind, message=why.line, hint=why.hint, traceback=trace))

    def ended(self) -> EndRecord | None:
        """How the attempt ended; None while it runs and where it stopped without recording why."""
        return read_record(EndRecord, self.path / "end.json")
