"""`run`: plans a grid and runs its missing cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from ..plan.request import WHAT, Request
from .grid_options import Change, RunOptions, grid_options
from .run_grid import run_grid


@grid_options()
def run(
    change: Change,
    how: RunOptions,
    label: Annotated[
        str | None,
        typer.Option(metavar="TEXT", rich_help_panel=WHAT, help="The label of the row in tables, for a single method."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", rich_help_panel=WHAT, help="A grid file (YAML); the other options override it."),
    ] = None,
) -> None:
    """Run the missing cells of a grid and print the results table.

    By default, six methods run at 10% to 90% known labels on the embedded data
    set. Write lists as '--ratios 0.1 0.5' or '--ratios 10%,50%'.
    Ctrl-C saves and stops; run the same command again to continue.

    \b
    Examples:
      pmll-bench run
      pmll-bench run --methods my_method.py bce --ratios 10% 50% --seeds 0 1 2
      pmll-bench run --methods dualcoop --datasets images/labels.csv --regime full
      pmll-bench run --launcher slurm --slurm mem=16G --dry-run
    """
    request = change(_request(config))
    run_grid(request if label is None else _labelled(request, label), how)


def _request(config: Path | None) -> Request:
    """The request of a grid file, or the default one."""
    from ..plan.grid_files import read_request

    return Request() if config is None else read_request(config)


def _labelled(request: Request, label: str) -> Request:
    """A request whose one method has a label."""
    if len(request.rows) != 1 or request.rows[0].method in ("all", "default"):
        hint = "give one method with --methods; a grid file (--config) names its rows with 'as'"
        raise UsageError("--label names the row of one method", hint=hint)
    return replace(request, methods=(replace(request.rows[0], label=label),))
