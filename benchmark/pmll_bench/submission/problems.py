"""What is wrong with a package, and the error that lists all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pmll_errors import PmllError

from ..errors import BenchError, Exit


@dataclass(frozen=True)
class Problem:
    """One reason to refuse a package: the member, the row of an array or the line of a text, and what is wrong."""

    member: str
    what: str
    row: int | None = None

    @property
    def text(self) -> str:
        """As one line."""
        place = self.member if self.row is None else f"{self.member}, row {self.row}"
        return f"{place}: {self.what}" if place else self.what


class Rejected(BenchError):
    """A package is refused; nothing of it was kept."""

    code: ClassVar[Exit] = Exit.REJECTED

    def __init__(self, package: str, found: Sequence[Problem]) -> None:
        super().__init__("; ".join(each.text for each in found), where=package)
        self.found = tuple(found)

    @property
    def problems(self) -> tuple[PmllError, ...]:
        """The problems one by one, as the command line prints them."""
        return tuple(BenchError(each.what, where=_place(self.where, each)) for each in self.found)


def _place(package: str | None, problem: Problem) -> str:
    row = "" if problem.row is None else f", row {problem.row}"
    return f"{package}, {problem.member}{row}" if problem.member else str(package)
