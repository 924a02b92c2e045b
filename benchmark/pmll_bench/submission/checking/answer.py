"""The answer of the process that checks a package, as one document of JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import Field

from ...store.document import CellId, Part
from ..evidence import CheckedCell
from ..package import Submission
from ..problems import Problem


class Line(Part):
    """A problem or a warning."""

    member: str
    what: str
    row: int | None = None


class Trouble(Part):
    """Why nothing can be concluded about a package: a data set, or the file itself, cannot be read here."""

    what: str
    where: str | None
    hint: str | None
    data: bool


class Answer(Part):
    """What a check found. `package` is the digest of the file, or "" if it is none.

    `cells` are those that passed all three passes; `trouble` says why there was no check.
    """

    package: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    problems: tuple[Line, ...] = ()
    warnings: tuple[Line, ...] = ()
    submission: Submission | None = None
    cells: Mapping[CellId, CheckedCell] = Field(default_factory=dict)
    unlimited: tuple[str, ...] = ()
    trouble: Trouble | None = None

    @classmethod
    def of(
        cls,
        package: str,
        problems: Sequence[Problem],
        warnings: Sequence[Problem] = (),
        submission: Submission | None = None,
        cells: Mapping[str, CheckedCell] | None = None,
    ) -> Self:
        """The answer of a check that was carried out."""
        return cls(
            package=package,
            problems=_lines(problems),
            warnings=_lines(warnings),
            submission=submission,
            cells=cells or {},
        )


def _lines(problems: Sequence[Problem]) -> tuple[Line, ...]:
    return tuple(Line(**vars(each)) for each in problems)
