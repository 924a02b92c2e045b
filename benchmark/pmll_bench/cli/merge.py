"""`merge`: the results of several stores and packages in one store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmll_errors import counted

from .options import DataRoot, Json
from .output import columns, print_json, tell

if TYPE_CHECKING:
    from ..merging.diff import Entry, SourceDiff
    from ..merging.merge import Merged

SHOWN = 10  # disputed results that are listed without --json


def merge(
    sources: Annotated[
        list[Path], typer.Argument(metavar="SOURCE …", help="Stores, and packages made by 'submit pack'.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="STORE", help="The store to merge into; made if it is missing.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change; write nothing.")] = False,
    data_root: DataRoot = None,
    as_json: Json = False,
) -> None:
    """Merge the results of several stores and packages into one store, by cell.

    Packages are checked first, as by 'submit check'. A result that the store
    has is kept once. Of two results with different scores for one cell, both are
    kept and the row is disputed: tables show the first and say so. Results of
    another revision of a method, or of other data, are refused; then nothing is
    written, and all reasons are listed (exit 7). The history of the store,
    merges.jsonl, gets one line.

    \b
    Examples:
      pmll-bench merge runs -o merged --dry-run
      pmll-bench merge runs bce.zip -o merged
    """
    from ..merging.merge import merge as merge_into

    merged = merge_into(output, sources, data_root, dry_run=dry_run)
    if as_json:
        print_json("merged", _document(merged, dry_run))
        return
    _show(merged)
    if not merged.changes:
        tell(f"nothing new: {output} is unchanged")
    elif dry_run:
        tell("nothing was written: --dry-run")
    else:
        tell(f"merged into {output}; 'pmll-bench table --root {output}' shows it")


def _show(merged: Merged) -> None:
    """Print what each row of each source brings, and the disputes."""
    from ..merging.diff import Fate

    rows = [[source.name, *row] for source in merged.sources for row in _rows(source)]
    fates = [fate for fate in Fate if any(source.counts[fate] for source in merged.sources)]
    places = [list(Fate).index(fate) for fate in fates]
    shown = [[*row[:3], *(row[3 + place] for place in places)] for row in rows]
    if shown:
        print(columns(["source", "data set", "method", *fates], shown))
    for source in merged.sources:
        disputed = source.of(Fate.disputed)
        for entry in disputed[:SHOWN]:
            tell(f"disputed: {_dispute(entry)}")
        if len(disputed) > SHOWN:
            tell(f"disputed: {len(disputed) - SHOWN:,} more of {source.name} (--json lists all)")
        if source.evidence:
            tell(f"{source.name}: evidence about {counted(len(source.evidence), 'package')}")
    for note in merged.notes:
        tell(note)


def _rows(source: SourceDiff) -> list[list[Any]]:
    """Data set, method and the number of results of each fate, row by row."""
    from ..merging.diff import Fate

    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in source.entries:
        groups.setdefault((entry.summary.dataset, entry.summary.label), []).append(entry)
    return [[*of, *(sum(each.fate is fate for each in same) for fate in Fate)] for of, same in groups.items()]


def _dispute(entry: Entry) -> str:
    """A disputed result in words: the cell, and the mAP and the scores of both results."""
    from ..plan.cell import percent

    of = entry.summary
    both = f"mAP {100 * of.metrics['map']:.2f} (scores {entry.summary.scores[:8]})"
    if entry.shown is not None:
        both = f"the store shows {100 * entry.shown.metrics['map']:.2f}, the source has {both}"
    if entry.differing:
        both += f"; their environments differ in {', '.join(entry.differing)}"
    return f"{of.label} on {of.dataset} at {percent(of.ratio)}, seed {of.seed} (cell {of.cell_id}): {both}"


def _document(merged: Merged, dry_run: bool) -> dict[str, Any]:
    """All results of all sources with their fates, as plain data."""
    return {
        "written": merged.changes and not dry_run,
        "sources": [
            {
                "name": source.name,
                "package": source.package,
                "counts": dict(source.counts),
                "evidence": source.evidence,
                "unfinished": source.unfinished,
                "results": [
                    {
                        "cell": entry.summary.cell_id,
                        "dataset": entry.summary.dataset,
                        "label": entry.summary.label,
                        "scores": entry.summary.scores,
                        "map": entry.summary.metrics["map"],
                        "fate": entry.fate,
                        "corrects": entry.corrects,
                        "environment_differs_in": entry.differing,
                    }
                    for entry in source.entries
                ],
            }
            for source in merged.sources
        ],
        "notes": merged.notes,
    }
