"""`board withdraw`: takes results off a board, with a reason; they stay in its history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmll_errors import counted

from .options import STORE, Json, Root
from .output import columns, print_json, tell

if TYPE_CHECKING:
    from ..merging.withdrawing import Withdrawn


def withdraw(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="METHOD|CELL …", help="Methods or rows, and ids of cells or their first 6 or more digits."
        ),
    ],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; the board shows it.")],
    scores: Annotated[
        str, typer.Option(metavar="DIGEST", help="Only results whose scores have a digest that begins with this.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be withdrawn; write nothing.")] = False,
    root: Root = STORE,
    as_json: Json = False,
) -> None:
    """Withdraw results: tables and the board no longer show them.

    Their files and their place in the history stay. Merging the same results
    again does not bring them back; a corrected result, with other scores, takes
    their place. A withdrawal cannot be undone.

    \b
    Examples:
      pmll-bench board withdraw bce --reason "trained on test images" --dry-run
      pmll-bench board withdraw 3f2a91 --reason "wrong learning rate" --root runs
    """
    from ..merging.withdrawing import withdraw as withdraw_from

    found = withdraw_from(root, names, reason, scores=scores, dry_run=dry_run)
    if as_json:
        print_json("withdrawn", _document(found, dry_run))
    else:
        _show(found, dry_run)


def _show(found: Withdrawn, dry_run: bool) -> None:
    rows = [
        [
            each.cell_id,
            each.dataset,
            each.label,
            each.ratio,
            each.seed,
            100 * each.metrics["map"],
            each.scores.sha256[:8],
        ]
        for each in found.results
    ]
    if rows:
        print(columns(["cell", "data set", "method", "ratio", "seed", "mAP", "scores"], rows))
    if found.before:
        tell(f"withdrawn before: {counted(found.before, 'result')}")
    if dry_run:
        tell("nothing was written: --dry-run")
    else:
        tell(f"withdrawn: {counted(len(rows), 'result')}" if rows else "nothing to withdraw")


def _document(found: Withdrawn, dry_run: bool) -> dict[str, Any]:
    return {
        "written": bool(found.results) and not dry_run,
        "results": [
            {"cell": each.cell_id, "dataset": each.dataset, "label": each.label, "scores": each.scores.sha256}
            for each in found.results
        ],
        "withdrawn_before": found.before,
    }
