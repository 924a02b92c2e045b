"""The documents of a store except results: `store.json`, `cell.json`, `queue.json`, `attempt.json`, `end.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field

from pmll_methods.recipe import Recipe

from ..plan.cell import Cell
from ..plan.planned import Planned, Trains, Where
from .document import Part, Record
from .environment import Environment
from .source_code import SourceCode

EndKind: TypeAlias = Literal["done", "failed", "diverged", "interrupted", "lost"]
Cause: TypeAlias = Literal["error", "oom", "timeout", "preempted", "cancelled", "stopped", "node", "lost"]
"""Why an attempt ended without a result; it decides whether the cell is tried again.

error: an exception, or scores that are not finite; oom: memory; timeout: the time limit of a job; preempted: the job
had to leave its node; cancelled: the job was cancelled; stopped: Ctrl-C or SIGTERM; node: the machine or its file
system failed; lost: killed without a trace.
"""
PLAIN_CAUSES: Mapping[EndKind, Cause] = {
    "failed": "error",
    "diverged": "error",
    "interrupted": "stopped",
    "lost": "lost",
}
"""The cause that a kind of end has if none is recorded."""


KINDS: Mapping[Cause, EndKind] = {
    "error": "failed",
    "oom": "failed",
    "timeout": "interrupted",
    "preempted": "interrupted",
    "cancelled": "interrupted",
    "stopped": "interrupted",
    "node": "lost",
    "lost": "lost",
}
"""The kind of end that each cause means. Scores that are not finite have the kind "diverged" instead."""


class Probe(Part):
    """What the file system could do when the store was made: hard links, else claims, and the sync of folders."""

    links: bool
    claims: bool
    folder_sync: bool


class StoreRecord(Record):
    """`store.json`: marks a folder as a store."""

    schema_: Literal["pmll.store/1"] = Field(default="pmll.store/1", alias="schema")
    probe: Probe | None = None  # None in stores that were made before it was recorded


class CellRecord(Record):
    """`cell.json`: the request with its identity, all settings, the recipe, and the location of data set and method."""

    schema_: Literal["pmll.cell/1"] = Field(default="pmll.cell/1", alias="schema")
    cell_id: str
    cell: Cell
    settings: Mapping[str, Any]
    recipe: Recipe
    label: str
    track: str
    where: Where
    stated: bool = True
    grouped: bool = False
    cost: float = 0.0
    trains: Trains = ""

    @classmethod
    def of(cls, planned: Planned) -> Self:
        return cls(
            cell_id=planned.cell.id,
            cell=planned.cell,
            settings=planned.settings,
            recipe=planned.recipe,
            label=planned.label,
            track=planned.track,
            where=planned.where,
            stated=planned.stated,
            grouped=planned.grouped,
            cost=planned.cost,
            trains=planned.trains,
        )

    def planned(self) -> Planned:
        """The planned cell, ready to run."""
        about = (self.label, self.track, self.where, self.stated, self.grouped, self.cost, self.trains)
        return Planned(self.cell, self.settings, self.recipe, *about)


class QueueRecord(Record):
    """`queue.json`: a cluster job will run the cell.

    `attempt` is the newest attempt at submission. `since` is the newest attempt when a user last asked for the cell;
    the limits of automatic retries count the attempts after it.
    """

    schema_: Literal["pmll.queue/1"] = Field(default="pmll.queue/1", alias="schema")
    job: str
    attempt: int
    since: int = 0
    cluster: str = ""
    user: str = ""


class SubmittedJob(Part):
    """A cluster job and the folders of its cells, relative to the folder `cells` of the store."""

    job: str
    cells: tuple[str, ...]


class SubmissionRecord(Record):
    """`slurm/<job>.json`: the jobs that one call of sbatch submitted, and their settings as `--slurm` takes them."""

    schema_: Literal["pmll.submission/1"] = Field(default="pmll.submission/1", alias="schema")
    cluster: str
    user: str
    jobs: Annotated[tuple[SubmittedJob, ...], Field(min_length=1)]
    settings: Mapping[str, str]
    command: tuple[str, ...]
    code: SourceCode | None = None  # that the cells were planned with; None before it was recorded
    smoke: str = ""  # the job of the smoke check that these jobs wait for, if any
    holds: str = ""  # the name of the submission in `store.holds`
    follow_up: str = ""  # the small job that tries cells again when these jobs are over, if any
    options: Mapping[str, str | None] = Field(default_factory=dict)  # what each job is told besides its cells


class AttemptRecord(Record):
    """`attempt.json`: how an attempt started; `saved` is the newest saved step at that time, `job` its cluster job."""

    schema_: Literal["pmll.attempt/1"] = Field(default="pmll.attempt/1", alias="schema")
    attempt: int
    host: str
    pid: int
    command: tuple[str, ...]
    environment: Environment
    job: str = ""
    saved: int = 0


class EndRecord(Record):
    """`end.json`: how an attempt ended; `saved` is the newest saved step at that time."""

    schema_: Literal["pmll.end/1"] = Field(default="pmll.end/1", alias="schema")
    kind: EndKind
    cause: Cause | None = None  # None in records that were made before it was recorded, and after a result
    message: str = ""
    hint: str = ""  # what to do; the message ends with it
    traceback: str = ""
    saved: int = 0

    @property
    def why(self) -> Cause | None:
        """The cause; the plain one of its kind if none is recorded, None after a result."""
        return self.cause or PLAIN_CAUSES.get(self.kind)
