"""Evidence about the cells of a store, from which a board computes how far each can be trusted.

A store that was merged has a folder per package, `evidence/<digest of the package>/`, with `submission.json`, the files
of methods, `check.json` and, after a re-run, `rerun.json`. All of it speaks of digests, never of a level: no file says
how much a row is trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ..files import folders
from ..store.document import CellId, Digest, Part, Record, Text, read_record
from ..store.environment import Environment
from ..store.result import Share
from ..store.source_code import SourceCode
from ..store.store import Store
from .package import SUBMISSION, Submission

FOLDER = "evidence"
CHECK, RERUN = "check.json", "rerun.json"

Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Tolerance = Annotated[float, Field(ge=0)]


class CheckedCell(Part):
    """What was recomputed for a cell: the digest of its scores, that of our own mask, and the mAP on our labels."""

    scores: Digest
    mask: Digest
    map: Share


class CheckEvidence(Record):
    """`check.json`: a package passed all three passes of `submit check` with this code."""

    schema_: Literal["pmll.check-evidence/1"] = Field(default="pmll.check-evidence/1", alias="schema")
    package: Digest
    code: SourceCode
    cells: Mapping[CellId, CheckedCell]


class RerunCell(Part):
    """A cell that a maintainer trained again: its scores and mAP as submitted and as re-run.

    `submitted` and `rerun` are the digests of the scores files; `rerun` is "" and `rerun_map` None if training failed,
    and `error` says why. `same` tells whether the scores are equal to the last bit, as numbers. `same_platform` tells
    whether processor, threads and versions are those of the submitted result, so that they have to be. `tolerance` is 3
    times the standard deviation of the paired difference over resamples of the test images.
    """

    submitted: Digest
    rerun: Digest | Literal[""]
    submitted_map: Share
    rerun_map: Share | None
    same: bool
    same_platform: bool
    tolerance: Tolerance
    error: Text = ""

    @property
    def within(self) -> bool:
        """Whether the re-run agrees with what was submitted: on the same platform, only equal scores do."""
        if self.rerun_map is None:
            return False
        return self.same or (not self.same_platform and abs(self.rerun_map - self.submitted_map) <= self.tolerance)


class UnseenDraw(Part):
    """A method on a draw of `shapes` that nobody has published, and on the draw that everybody knows.

    `tolerance` is 3 times the standard deviation of the difference: images of both draws, masks and training seeds. The
    numbers are None if the method failed there, and `error` says why.
    """

    draw: Annotated[int, Field(gt=1)]
    regime: str
    ratio: float
    known_map: Share | None
    unseen_map: Share | None
    tolerance: Tolerance
    error: Text = ""

    @property
    def within(self) -> bool:
        """Whether the method does on the unseen draw what it does on the known one."""
        if self.known_map is None or self.unseen_map is None:
            return False
        return abs(self.unseen_map - self.known_map) <= self.tolerance


class RerunEvidence(Record):
    """`rerun.json`: cells of a package were trained again by somebody else than its authors.

    The cells were drawn by the digest of the package and `commit`, the id of a commit on the board's main branch that
    follows the submission, which no one could know when the package was made (`board.draw`). `checks` has the outcomes
    of `pmll-bench check`, and `unseen` the draw of `shapes`, both by the name of the method. A method without code in
    the package is in neither; `remarks` name it.
    """

    schema_: Literal["pmll.rerun/1"] = Field(default="pmll.rerun/1", alias="schema")
    package: Digest
    commit: Commit
    code: SourceCode
    environment: Environment
    cells: Mapping[CellId, RerunCell]
    checks: Mapping[str, Mapping[str, Literal["ok", "failed", "skipped"]]]
    unseen: Mapping[str, UnseenDraw]
    remarks: tuple[Text, ...] = ()

    @property
    def same_platform(self) -> bool:
        """Whether every cell was re-run on the platform of its submitted result."""
        return all(cell.same_platform for cell in self.cells.values())

    @property
    def agrees(self) -> bool:
        """Whether nothing speaks against the package: cells, checks and the unseen draw of every method."""
        cells, draws = (all(each.within for each in found) for found in (self.cells.values(), self.unseen.values()))
        return cells and draws and not any("failed" in outcomes.values() for outcomes in self.checks.values())


@dataclass(frozen=True)
class Evidence:
    """The evidence about one package; `rerun` is None if nobody has re-run it, or if the file is damaged."""

    package: str
    submission: Submission | None
    check: CheckEvidence | None
    rerun: RerunEvidence | None


def evidence_of(store: Store) -> Iterator[Evidence]:
    """The evidence in a store, ordered by the digests of the packages. Raises `StoreError` for a newer schema."""
    for folder in folders(store.root / FOLDER):
        yield read_evidence(folder)


def read_evidence(folder: Path) -> Evidence:
    """The evidence in the folder of one package. A file about another package counts as missing."""
    check = read_record(CheckEvidence, folder / CHECK)
    rerun = read_record(RerunEvidence, folder / RERUN)
    return Evidence(
        package=folder.name,
        submission=read_record(Submission, folder / SUBMISSION),
        check=check if check is not None and check.package == folder.name else None,
        rerun=rerun if rerun is not None and rerun.package == folder.name else None,
    )
