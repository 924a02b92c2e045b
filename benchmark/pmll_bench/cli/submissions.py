"""Shows what a submission to Slurm would be, for `run --dry-run --launcher slurm`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pmll_errors import counted

from .output import columns, tell

if TYPE_CHECKING:
    from ..launch.slurm.submission.preview import ArrayPreview


def show_submission(arrays: Sequence[ArrayPreview]) -> None:
    """Print the arrays, their settings and their batch scripts; warnings go to stderr."""
    print()
    print(columns(_HEADER, [_row(array) for array in arrays]))
    settings = [
        [array.number, key, value.replace("\n", "; "), array.sources[key]]
        for array in arrays
        for key, value in array.settings.items()
    ]
    if settings:
        print()
        print(columns(["array", "setting", "value", "from"], settings))
    for script, numbers in _scripts(arrays):
        print(f"\nBatch script of {'array' if len(numbers) == 1 else 'arrays'} {', '.join(numbers)}:\n")
        print(script, end="")
    for line in _notes(arrays):
        tell(line)


_HEADER = ["array", "jobs", "at a time", "after", "cells", "time limit", "longest job", "GPU h", "CPU h", "from"]


def _row(array: ArrayPreview) -> list[object]:
    known = array.hours is not None
    hours = f"{array.hours:.2g}" if array.hours is not None else "unknown"
    return [
        array.number,
        array.jobs,
        array.parallel,
        "" if array.after is None else f"array {array.after}",
        array.cells,
        "none" if array.time_limit is None else f"{array.time_limit} min",
        "unknown" if array.longest is None else f"{array.longest / 60:.2g} min",
        hours if array.hours_of == "GPU" else "",
        hours if array.hours_of == "CPU" else "",
        "" if not known else "like cells" if array.measured else "cost of other cells",
    ]


def _scripts(arrays: Sequence[ArrayPreview]) -> Iterator[tuple[str, list[str]]]:
    """Each script once, with the numbers of its arrays."""
    found: dict[str, list[str]] = {}
    for array in arrays:
        found.setdefault(array.script, []).append(str(array.number))
    yield from found.items()


def _notes(arrays: Sequence[ArrayPreview]) -> Iterator[str]:
    jobs = counted(sum(array.jobs for array in arrays), "job")
    at_a_time = sum(array.parallel for array in arrays if array.after is None)
    checks = sum(array.checked > 0 for array in arrays)
    after = f" after {counted(checks, 'smoke check')}" if checks else ""
    yield f"{jobs} in {counted(len(arrays), 'array')}{after}, at most {at_a_time} at a time; nothing was submitted"
    for kind in ("GPU", "CPU"):
        if hours := [array.hours for array in arrays if array.hours_of == kind and array.hours is not None]:
            yield f"about {sum(hours):.2g} {kind} hours in all"
    for array in arrays:
        if array.too_long and array.time_limit:
            of = f"{counted(array.too_long, 'job')} of array {array.number}"
            needs = f"about {(array.longest or 0) / 60:.0f} min for the longest"
            then = "starts again from its checkpoint" if array.requeue else "must be submitted again (requeue=no)"
            yield f"warning: {of} will reach the time limit of {array.time_limit} min ({needs}) and {then}"
    if any(array.hours is None for array in arrays):
        yield "unknown durations: the store has no finished cell to compare with; give a --slurm time that is enough"
