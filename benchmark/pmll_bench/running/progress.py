"""Shows the progress of a run: a live display on a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.text import Text

from ..plan.planned import Group, Planned, cell_name, group_name
from ..streams import print_line
from .listeners import Both, JsonListener

if TYPE_CHECKING:
    from .listeners import Listener

QUIET_SECONDS = 30.0  # between two plain progress lines of a cell, or of a method in a large group
LARGE = 12  # cells; a larger group has one line for each method


def duration(seconds: float) -> str:
    """A duration in words.

    >>> duration(4.21), duration(75), duration(7384)
    ('4.2 s', '1 min 15 s', '2 h 03 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def total_loss(losses: Mapping[str, float]) -> str:
    """The sum of the loss terms; "" if there are none."""
    return f"loss {sum(losses.values()):.4g}" if losses else ""


def lines_of(group: Group) -> tuple[tuple[Planned, ...], ...]:
    """The cells that share a line of progress: those of a method in a large group, else each cell has its own."""
    return group.rows if len(group.cells) > LARGE else tuple((planned,) for planned in group.cells)


@dataclass
class Pace:
    """Estimates the time left from the time since the start."""

    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def left(self, done: float, total: float) -> str:
        """The time left at the average pace so far; "" before any progress and at the end."""
        if not 0 < done < total:
            return ""
        return f"{duration((self.clock() - self.began) / done * (total - done))} left"


class PlainListener:
    """One line per event, at most one progress line per cell (`lines_of`) in 30 seconds; no cursor control."""

    def __init__(self, cells: int, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.cells, self.stream, self.clock = cells, stream, clock
        self.ended: Counter[str] = Counter()
        self.printed: dict[str, float] = {}
        self.speakers: dict[str, str] = {}  # the first of the cells that share the line of each
        self.paces: dict[str, Pace] = {}
        self.together: dict[str, int] = {}  # the number of cells that share the time of each

    def group_started(self, group: Group) -> None:
        now = self.clock()
        for cells in lines_of(group):
            self.printed[cells[0].cell.id] = now
            self.speakers |= {planned.cell.id: cells[0].cell.id for planned in cells}
        for planned in group.cells:
            self.paces[planned.cell.id] = Pace(self.clock)
            self.together[planned.cell.id] = len(group.cells)
        self.note(f"start  {group_name(group)}")

    def cell_progress(self, planned: Planned, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        now, speaker = self.clock(), self.speakers.get(planned.cell.id, planned.cell.id)
        if now - self.printed.get(speaker, now) < QUIET_SECONDS:
            return
        self.printed[speaker] = now
        parts = (f"epoch {epoch}/{epochs}", total_loss(losses), self.paces[planned.cell.id].left(epoch, epochs))
        self.note(f"train  {cell_name(planned)}: {', '.join(part for part in parts if part)}")

    def cell_finished(self, planned: Planned, state: str, seconds: float) -> None:
        self.ended[state] += 1
        cells = self.together.get(planned.cell.id, 1)
        took = duration(seconds) + (f" for {cells} cells" if cells > 1 else "")
        self.note(f"{state:6} {cell_name(planned)} ({took}, {self.ended.total()}/{self.cells})")

    def note(self, text: str) -> None:
        print_line(text, self.stream)


class RichListener:
    """A bar for the grid and a line per running cell (`lines_of`) with epoch, loss and time left, for terminals."""

    def __init__(self, cells: int, console: Console) -> None:
        self.ended: Counter[str] = Counter()
        self.lines: dict[str, TaskID] = {}
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[unit]}"),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            _TimeLeft(),
            console=console,
            transient=True,
        )
        self.grid = self.progress.add_task("all", total=cells, unit="cell", text="", pace=Pace())

    def __enter__(self) -> RichListener:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def group_started(self, group: Group) -> None:
        for cells in lines_of(group):
            name = escape(cell_name(cells[0]) + (f" and {len(cells) - 1} more" if len(cells) > 1 else ""))
            line = self.progress.add_task(name, total=None, unit="epoch", text="", pace=Pace())
            self.lines |= {planned.cell.id: line for planned in cells}

    def cell_progress(self, planned: Planned, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        self.progress.update(self.lines[planned.cell.id], completed=epoch, total=epochs, text=total_loss(losses))

    def cell_finished(self, planned: Planned, state: str, seconds: float) -> None:
        line = self.lines.pop(planned.cell.id, None)
        if line is not None and line not in self.lines.values():
            self.progress.remove_task(line)
        self.ended[state] += 1
        summary = ", ".join(f"{count} {state}" for state, count in self.ended.items())
        self.progress.update(self.grid, completed=self.ended.total(), text=summary)
        if state != "done":
            self.note(f"{state}: {cell_name(planned)} after {duration(seconds)}")

    def note(self, text: str) -> None:
        self.progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


class _TimeLeft(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.fields["pace"].left(task.completed, task.total or 0), style="progress.remaining")


@contextmanager
def listening(cells: int, as_json: bool) -> Iterator[Listener]:
    """The listener for stderr: live on a terminal, else plain lines. With `as_json`, also JSON lines on stdout."""
    console = Console(stderr=True)
    with ExitStack() as stack:
        shown: Listener = PlainListener(cells, sys.stderr)
        if console.is_terminal and not console.is_dumb_terminal:
            shown = stack.enter_context(RichListener(cells, console))
        yield Both(shown, JsonListener(sys.stdout)) if as_json else shown


@contextmanager
def downloading() -> Iterator[Callable[[str, int, int], None]]:
    """Show downloads on stderr. Yields a function of a file's name, the bytes received and their total."""
    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield _Download(sys.stderr)
        return
    with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=console) as progress:
        bars: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in bars:
                bars[name] = progress.add_task(escape(name), total=total)
            progress.update(bars[name], completed=done)

        yield show


class _Download:
    """Plain lines for downloads: at most one in 30 seconds, and one when a file is complete."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream, self.clock, self.printed = stream, clock, clock()

    def __call__(self, name: str, done: int, total: int) -> None:
        if done < total and self.clock() - self.printed < QUIET_SECONDS:
            return
        self.printed = self.clock()
        print_line(f"{name}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB", self.stream)
