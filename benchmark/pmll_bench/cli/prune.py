"""`prune`: removes what a store no longer needs, and packs finished cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pmll_errors import counted

from .options import STORE, Cells, Datasets, Json, Methods, Root
from .output import columns, print_json, tell

if TYPE_CHECKING:
    from ..store.cell_folder import CellFolder
    from ..store.prune import Pruned
    from ..store.store import Store

SHOWN = 10  # orphans that are listed without --json


def prune(
    cells: Cells = None,
    methods: Methods = None,
    datasets: Datasets = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove what is listed.")] = False,
    pack: Annotated[
        bool, typer.Option("--pack", help="Also move the files of each finished cell into one zip beside its result.")
    ] = False,
    root: Root = STORE,
    as_json: Json = False,
) -> None:
    """List what the store no longer needs; with --yes, remove it.

    These are attempts that did not make the result, checkpoints of finished and
    failed cells, tried learning rates, temporary files, damaged files, files of
    jobs that are over, and unused copies of method files. Running and queued
    cells and unknown files are left alone. With cells, methods or data sets,
    only those cells are pruned.

    \b
    Examples:
      pmll-bench prune
      pmll-bench prune --methods dualcoop --yes
      pmll-bench prune --pack --yes
    """
    from ..launch.slurm.queue.over import alive_submissions
    from ..store.chosen import chosen
    from ..store.prune import find, prune
    from ..store.store import Store
    from ..store.waste import submissions

    store = Store.open(root, create=False)
    some = chosen(store, cells or (), methods or (), datasets or ()) if cells or methods or datasets else None
    alive = alive_submissions(store, submissions(store).values() if some is None else ())
    pruned = (prune if yes else find)(store, some, alive, packing=pack, watch=_with_progress)
    if as_json:
        print_json("prune", _document(pruned, store))
    else:
        _show(pruned, store)


def _with_progress(cells: Sequence[CellFolder]) -> Iterable[CellFolder]:
    """The cells, with a progress bar on stderr if that is a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    hidden = not console.is_terminal or console.is_dumb_terminal
    return track(cells, "cells", console=console, transient=True, disable=hidden)


def _document(pruned: Pruned, store: Store) -> dict[str, object]:
    waste = [{**asdict(each), "path": str(each.path.relative_to(store.root))} for each in pruned.waste]
    unknown = [str(path.relative_to(store.root)) for path in pruned.orphans]
    before, after = pruned.entries
    return {
        "removed": pruned.removed,
        "waste": waste,
        "packed": {"cells": pruned.packed, "files": pruned.packed_files},
        "orphans": unknown,
        "busy": pruned.busy,
        "entries": {"before": before, "after": after},
    }


def _show(pruned: Pruned, store: Store) -> None:
    from ..store.prune import by_kind

    rows = [[kind, why, number, files, as_size(size)] for kind, why, number, files, size in by_kind(pruned.waste)]
    if rows:
        print(columns(["kind", "why", "number", "files", "size"], rows))
    if pruned.packed:
        what = "packed" if pruned.removed else "can be packed"
        files, zips = counted(pruned.packed_files, "file"), counted(pruned.packed, "zip")
        print(f"{counted(pruned.packed, 'finished cell')} {what}: {files} in {zips}")
    if pruned.orphans:
        print(f"unknown, left alone: {counted(len(pruned.orphans), 'file')}")
        for path in pruned.orphans[:SHOWN]:
            print(f"  {path.relative_to(store.root)}")
        if len(pruned.orphans) > SHOWN:
            print(f"  ... ({len(pruned.orphans) - SHOWN:,} more with --json)")
    for cell in pruned.busy:
        tell(f"{cell}: left alone, another run works on it")
    before, after = pruned.entries
    if not rows and not pruned.packed:
        tell("nothing to prune")
    elif pruned.removed:
        tell(f"files and folders in the store: {before:,} before, {after:,} now")
    else:
        tell(f"nothing was removed; --yes does it (files and folders in the store: {before:,})")


def as_size(size: int) -> str:
    """A number of bytes for people.

    >>> as_size(999), as_size(1500), as_size(2_340_000_000)
    ('999 B', '1.5 kB', '2.3 GB')
    """
    value, units = float(size), ("B", "kB", "MB", "GB", "TB")
    for unit in units:
        if value < 1000 or unit == units[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
