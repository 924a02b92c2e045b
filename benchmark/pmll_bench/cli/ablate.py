"""`ablate`: runs a paper's ablation by name, from its grid to its plot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .completion import names_of
from .grid_options import Change, Launcher, RunOptions, grid_options
from .output import tell
from .run_grid import run_grid, table_of


@grid_options(without=["methods"])
def ablate(
    change: Change,
    how: RunOptions,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="An ablation; see 'pmll-bench list ablations'.", autocompletion=names_of("ablations")
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the plot.")] = Path("plots"),
) -> None:
    """Run the missing cells of a paper's ablation, print the results table and draw the plot.

    Each row of the table is a variant of a method with some settings changed.
    All other options are the same as for 'pmll-bench run'.

    \b
    Examples:
      pmll-bench ablate dualcoop-contexts --dry-run
      pmll-bench ablate dualcoop-contexts --ratios 50% --seeds 0 1 2
    """
    from ..ablations import ablation
    from ..ablations.sweeps import sweeps, sweeps_noise
    from ..report.plots.ablation import write_ablation
    from ..store.store import Store

    asked = change(ablation(name))
    planned = run_grid(asked, how)
    if not how.dry_run and (how.wait or how.launcher != Launcher.slurm):
        table = table_of(planned, Store.open(how.root))
        for path in write_ablation(table, name, out, sweeps(asked), noise=sweeps_noise(asked)):
            tell(f"written: {path}")
