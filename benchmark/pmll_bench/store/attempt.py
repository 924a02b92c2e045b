"""One attempt at a cell: its checkpoints, log, scores, result and end."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float32

from ..faults import persist
from ..files import append, folders, make_folder, publish, remove, set_aside, settle, write_whole
from .document import now, read_record, write_record
from .failure import Explanation
from .pack import packed_names, read_in, read_record_in
from .records import AttemptRecord, Cause, EndKind, EndRecord
from .result import ModelFile, Result, ScoresFile

log = logging.getLogger(__name__)

CHECKPOINTS_KEPT = 2
TRACEBACK_KEPT = 8000  # characters, from the end


def attempts_of(cell: Path) -> tuple[Attempt, ...]:
    """The attempts at the cell in a folder, oldest first."""
    packed = {name.split("/")[1] for name in packed_names(cell) if name.startswith("attempts/")}
    names = {path.name for path in folders(cell / "attempts")} | packed
    return tuple(Attempt(cell, number) for number in sorted(int(name) for name in names if name.isdecimal()))


def checkpoints_of(cell: Path) -> list[tuple[int, Path]]:
    """The checkpoints of all attempts at a cell with their steps, newest first."""
    found = [(step, attempt.number, path) for attempt in attempts_of(cell) for step, path in attempt.checkpoints()]
    return [(step, path) for step, _, path in sorted(found, reverse=True)]


def saved_step(cell: Path) -> int:
    """The newest saved step of a cell, while its learning rate is chosen that of any rate; 0 before the first."""
    return max((step for path in (cell, *folders(cell / "tries")) for step, _ in checkpoints_of(path)), default=0)


def drop_checkpoints(cell: Path) -> None:
    """Remove the checkpoints of all attempts at a cell and of its tried learning rates, including damaged ones."""
    for path in all_checkpoints(cell):
        remove(path)


def all_checkpoints(cell: Path) -> list[Path]:
    """The checkpoints of all attempts at a cell and of its tried learning rates, including damaged ones."""
    parts = (cell, *folders(cell / "tries"))
    attempts = [attempt for part in parts for attempt in folders(part / "attempts")]
    return persist(cell, lambda: [path for attempt in attempts for path in attempt.glob("checkpoint-*")])


def set_checkpoint_aside(cell: Path, path: Path) -> None:
    """Rename a damaged checkpoint of a cell; of several damaged ones, the latest is kept."""
    earlier = persist(cell, lambda: list(cell.glob("attempts/*/checkpoint-*.damaged-*")))
    set_aside(path)
    for each in earlier:
        remove(each)


def result_of(cell: Path) -> Result | None:
    """The result of the cell in a folder; None if it is missing or damaged."""
    result = read_record(Result, cell / "result.json")
    return result if result is not None and result.cell_id == cell.name else None


@dataclass(frozen=True)
class Attempt:
    """One attempt at a cell, in its own folder within the folder `cell`."""

    cell: Path
    number: int

    @property
    def name(self) -> str:
        """The folder relative to that of the cell."""
        return f"attempts/{self.number:04d}"

    @property
    def path(self) -> Path:
        return self.cell / self.name

    def create(self) -> bool:
        """Create the folder of the attempt; return whether it is new."""
        make_folder(self.path.parent)

        def work() -> bool:
            try:
                self.path.mkdir()
            except FileExistsError:  # also after an error for a folder that was made: it stays empty
                return False
            return True

        return persist(self.path, work)

    def checkpoints(self) -> list[tuple[int, Path]]:
        """The checkpoints of this attempt with their steps, newest first."""
        paths = persist(self.path, lambda: list(self.path.glob("checkpoint-*.pt")))
        found = ((path.stem.removeprefix("checkpoint-"), path) for path in paths)
        return sorted(((int(step), path) for step, path in found if step.isdecimal()), reverse=True)

    def save_checkpoint(self, step: int, write: Callable[[BinaryIO], object]) -> None:
        """Write a checkpoint atomically; keep it and the previous one, which may belong to an earlier attempt.

        Later checkpoints of earlier attempts are removed, because training continued from an earlier step. Those of a
        later attempt are left to it: it has taken over the cell.
        """
        settle(self.path / "events.jsonl")  # a resumed run does not repeat the epochs logged there
        write_whole(self.path / f"checkpoint-{step:08d}.pt", write)
        log.info("cell %s: checkpoint of step %d saved", self.cell.name, step)
        own = self.checkpoints()
        oldest = min((at for at, _ in own), default=step)
        earlier = [attempt for attempt in attempts_of(self.cell) if attempt.number < self.number]
        before = sorted((found for attempt in earlier for found in attempt.checkpoints()), reverse=True)
        kept = [*own, *(found for found in before if found[0] < oldest)][:CHECKPOINTS_KEPT]
        for found in (*own, *before):
            if found not in kept:
                remove(found[1])

    def event(self, event: Mapping[str, object]) -> None:
        """Append a line to the log of the attempt."""
        line = json.dumps({"time": now(), **event}, ensure_ascii=False) + "\n"
        append(self.path / "events.jsonl", line.encode())

    def events(self) -> Iterator[dict[str, Any]]:
        """The lines of the log as parsed JSON, without a line that a kill has truncated."""
        for line in (read_in(self.cell, f"{self.name}/events.jsonl") or b"").splitlines():
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
            file=path.relative_to(self.cell).as_posix(),
            sha256=hashlib.sha256(buffer.getvalue()).hexdigest(),
            n=len(ids),
            c=len(classes),
        )

    def write_model(self, content: bytes, format: str) -> ModelFile:
        """Write the trained model."""
        path = self.path / "model.safetensors"
        write_whole(path, content)
        return ModelFile(
            file=path.relative_to(self.cell).as_posix(),
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            format=format,
        )

    def commit(self, result: Result) -> bool:
        """Publish the result of the cell; return whether it is this one. The first complete result is kept.

        The order makes a kill at any moment harmless: scores, the result of the attempt, its copy in the folder of
        the cell, and only then the removal of the checkpoints.
        """
        shared, content = self.cell / "result.json", result.as_bytes()
        write_whole(self.path / "result.json", content)
        won = publish(shared, content)
        if not won:
            standing = result_of(self.cell)
            if standing is None:
                set_aside(shared)
                won = publish(shared, content)
            else:
                won = standing.attempt == self.number  # a network file system may report an error for a link it made
        drop_checkpoints(self.cell)
        return won

    def add_model(self, standing: Result, model: ModelFile) -> None:
        """Add the model of this attempt to the result that the cell already has; all else in it stays."""
        write_whole(self.cell / "result.json", standing.model_copy(update={"model": model}).as_bytes())

    @property
    def trace(self) -> Path:
        """The traceback of the error that ended the attempt, if any."""
        return self.path / "traceback.txt"

    def began(self) -> AttemptRecord | None:
        """How the attempt began; None if its process was killed before it could record it."""
        return read_record_in(AttemptRecord, self.cell, f"{self.name}/attempt.json")

    def end(self, kind: EndKind, why: Explanation | None = None, cause: Cause | None = None) -> None:
        """Record how the attempt ended: the error that ended it, if any, and the class of its cause."""
        log.info("cell %s: attempt %d ended: %s", self.cell.name, self.number, kind)
        try:
            if why is not None and why.trace:
                write_whole(self.trace, why.trace.encode())
            else:
                remove(self.trace)  # of an end that this one replaces
        finally:
            write_record(self.path / "end.json", self._end_record(kind, why, cause))

    def end_if_open(self, kind: EndKind, why: Explanation, cause: Cause) -> bool:
        """Record how an attempt of another process ended unless it has done so itself; return whether it had not.

        A process that is alive after all replaces this record when it ends.
        """
        return publish(self.path / "end.json", self._end_record(kind, why, cause).as_bytes())

    def _end_record(self, kind: EndKind, why: Explanation | None, cause: Cause | None) -> EndRecord:
        saved = saved_step(self.cell)
        if why is None:
            return EndRecord(kind=kind, cause=cause, saved=saved)
        trace = why.trace[-TRACEBACK_KEPT:]
        return EndRecord(kind=kind, cause=cause, message=why.line, hint=why.hint, traceback=trace, saved=saved)

    def ended(self) -> EndRecord | None:
        """How the attempt ended; None while it runs, or if it ended without a record."""
        return read_record_in(EndRecord, self.cell, f"{self.name}/end.json")
