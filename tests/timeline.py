"""What `pmll-bench status --json` says of a store while things happen to its jobs on a real Slurm."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

from pmll_bench.cli import main
from real_slurm import HELD, Results, as_inline, reached, slurm, submit, the_cell, until, wrong

Row = tuple[str, int, str, str]


class Timeline:
    """What `pmll-bench status --json` says of a store over time: a row for each event and each change."""

    def __init__(self, rows: list[Row], root: str = "runs") -> None:
        self.rows, self.root, self.began = rows, root, 0.0

    def event(self, what: str) -> None:
        """Note what has happened just now; the first event is the beginning."""
        self.began = self.began or time.monotonic()
        self.rows.append((what, *self._now(self.look())))

    def _now(self, said: tuple[str, str]) -> tuple[int, str, str]:
        return round(time.monotonic() - self.began), *said

    def look(self) -> tuple[str, str]:
        """State and reason now; of several cells, how many are in each state."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
            main(["status", "--root", self.root, "--json"])
        found = json.loads(out.getvalue().replace(f"{Path.cwd()}/", ""))["cells"]
        if len(found) == 1:
            return found[0]["state"], found[0]["message"]
        number = Counter(cell["state"] for cell in found)
        return ", ".join(f"{n} {state}" for state, n in sorted(number.items())), _reasons(found)

    def poll(self, state: str, reason: str = "") -> bool:
        """Look; whether the state and the reason, two patterns, are these now."""
        now = self.look()
        if now != self.rows[-1][2:]:
            self.rows.append(("", *self._now(now)))
        return self._said_last(state, reason)

    def _said_last(self, state: str, reason: str) -> bool:
        last = self.rows[-1]
        return bool(re.fullmatch(state, last[2]) and re.search(reason, last[3]))

    def until(self, state: str, reason: str = "", seconds: float = 300.0) -> str:
        """Look until the state and the reason are these, which `event` may have seen; returns the reason."""
        end = time.monotonic() + seconds
        while not (self._said_last(state, reason) or self.poll(state, reason)):
            assert time.monotonic() < end, f"never {state} ({reason}):\n{table(self.rows)}"
            time.sleep(0.5)
        return self.rows[-1][3]

    @property
    def states(self) -> list[str]:
        """All that was said, in order; a state that comes again is there again."""
        return [state for state, _ in itertools.groupby(row[2] for row in self.rows)]


def _reasons(found: Iterable[dict[str, Any]]) -> str:
    return "; ".join(sorted({cell["message"] for cell in found if cell["message"]}))


def table(rows: Iterable[Sequence[object]]) -> str:
    """Rows as a Markdown table; long reasons are cut."""
    lines = [("event", "seconds", "state", "reason"), ("---", "---:", "---", "---"), *rows]
    return "\n".join(f"| {' | '.join(shorten(str(cell).replace('|', ' '), 250) for cell in line)} |" for line in lines)


Watch = Callable[..., Timeline]


@contextmanager
def node_taken_away() -> Iterator[None]:
    """In this block, a job of a higher partition has the second node."""
    job = slurm(
        *("sbatch", "--parsable", "--partition=urgent", "--exclusive", "--output=/dev/null"),
        *("--wrap", "srun sleep 1000"),
    ).strip()
    try:
        until(lambda: slurm("squeue", "--noheader", f"--jobs={job}", "--format=%T").strip() == "RUNNING")
        yield
    finally:
        slurm("scancel", job)


def held(said: Timeline, *settings: str) -> str:
    """A job that has come to step HELD and waits there."""
    wrong("hold")
    (job,) = submit(slurm=settings)
    said.event("submitted")
    until(lambda: reached(HELD))
    said.until("running")
    return job


def preempted_and_back(said: Timeline, expected: Results) -> None:
    """A job whose node is taken away saves, waits, and goes on when the node is free again."""
    job = held(said, "partition=yielding")
    with node_taken_away():
        said.event("preempted")
        said.until("queued", rf"\b{job}\b")
        assert the_cell().checkpoints()[0][0] == HELD
    said.event("the node is free again")
    goes_on(said, expected)


def grows_too_large(said: Timeline, *settings: str) -> None:
    """A job that has saved asks for more memory than it has, and is killed; later ones do not ask."""
    wrong("hold")
    submit(slurm=settings)
    said.event(f"submitted with {' and '.join(each for each in settings if 'mem' in each)}")
    until(lambda: reached(HELD))
    said.until("running")
    wrong("hungry")
    said.event("the method asks for 1 GiB more")
    said.until("failed", "(?i)memory")


def goes_on(said: Timeline, expected: Results) -> None:
    """The cell ends as if nothing had been, with two attempts, and `status` never called it anything else."""
    wrong()
    said.until("done")
    assert set(said.states) <= {"queued", "running", "done"}
    assert as_inline(expected)
    _, second = the_cell().attempts()
    began = second.began()
    assert began is not None
    assert began.saved > 0


def again(said: Timeline, expected: Results) -> None:
    """The same command completes the table."""
    wrong()
    submit()
    said.event("the same command")
    said.until("done")
    assert as_inline(expected)
