"""A table as it is shown: headings, lines of cells, a caption and notes. Formats render it, layouts arrange it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from .aggregate import Number
from .row import Cell


@dataclass(frozen=True)
class Head:
    """The heading of a column; neighbours with the same `group` share a heading above theirs.

    `label` is the method, if the column is that of one.
    """

    text: str
    group: str = ""
    label: str = ""


@dataclass(frozen=True)
class Line:
    """One line; `label` is the method, if it is one. Lines of one `section` follow each other below a heading.

    `below` is set if the line belongs to the one before it; formats indent its name. `remark` is shown as a note with
    a number (`remarked`).
    """

    name: str
    cells: tuple[Cell, ...]
    label: str = ""
    section: str = ""
    grey: bool = False
    below: bool = False
    remark: str = ""


@dataclass(frozen=True)
class Sheet:
    """One table of text. `key` identifies it in references, in letters, digits, dots and hyphens."""

    title: str
    caption: str
    heads: tuple[Head, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    key: str
    stub: str = "method"  # the heading above the names of the lines
    ranked: str = "column"  # best and second best are those of a column or of a row

    @property
    def numbers(self) -> Iterator[Number]:
        return (cell for line in self.lines for cell in line.cells if isinstance(cell, Number))

    @property
    def marked(self) -> bool:
        """Whether a best or second-best number is marked."""
        return any(number.mark for number in self.numbers)

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """The headings above the headings and the number of columns that each spans; empty if there are none."""
        found: list[tuple[str, int]] = []
        for head in self.heads:
            if found and found[-1][0] == head.group:
                found[-1] = head.group, found[-1][1] + 1
            else:
                found.append((head.group, 1))
        return tuple(found) if any(group for group, _ in found) else ()

    @property
    def sections(self) -> tuple[tuple[str, tuple[Line, ...]], ...]:
        """The lines by section, in their order."""
        found: dict[str, list[Line]] = {}
        for line in self.lines:
            found.setdefault(line.section, []).append(line)
        return tuple((section, tuple(lines)) for section, lines in found.items())


def remarked(lines: Iterable[Line]) -> tuple[tuple[Line, ...], tuple[str, ...]]:
    """The lines with the numbers of their remarks behind their names, and the remarks as notes."""
    found: dict[str, int] = {}
    shown = []
    for line in lines:
        number = found.setdefault(line.remark, len(found) + 1) if line.remark else 0
        shown.append(replace(line, name=f"{line.name} [{number}]", remark="") if number else line)
    return tuple(shown), tuple(f"[{number}] {remark}" for remark, number in found.items())
