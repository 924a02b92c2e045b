"""`plot`: figures of results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from .choosing import Labels, Metric, chosen_results, layout_of
from .command import Command, Group
from .completion import names_of
from .options import STORE, Datasets, Methods, Root

plot = typer.Typer(cls=Group, no_args_is_help=True, help="Plot curves over the ratio, or an ablation.")


@plot.command(cls=Command)
def curves(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the figures.")] = Path("plots"),
    metric: Metric = "map",
    labels: Labels = "all",
    methods: Methods = None,
    datasets: Datasets = None,
    root: Root = STORE,
) -> None:
    """Plot a metric over the ratio: the mean and the spread over masks or seeds.

    \b
    Examples:
      pmll-bench plot curves
      pmll-bench plot curves --methods bce dualcoop --out figures
    """
    from ..report.frame import frame
    from ..report.plots.curves import write_curves
    from ..report.tables.table import build

    results = chosen_results(root, methods, datasets).results
    for path in write_curves(build(frame(results, labels), layout_of(results, metric)), out):
        print(path)


@plot.command(cls=Command, no_args_is_help=True)
def ablation(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="An ablation; see 'pmll-bench list ablations'.", autocompletion=names_of("ablations")
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the figures.")] = Path("plots"),
    metric: Metric = "map",
    labels: Labels = "all",
    datasets: Datasets = None,
    root: Root = STORE,
) -> None:
    """Plot an ablation: one row of dots per variant, one dot per ratio.

    \b
    Examples:
      pmll-bench plot ablation dualcoop-contexts
      pmll-bench plot ablation dualcoop-contexts --metric CF1 --out figures
    """
    from ..ablations import ablation
    from ..report.frame import frame
    from ..report.plots.ablation import write_ablation
    from ..report.tables.table import build

    rows = [row.label or row.method for row in ablation(name).rows]
    results = chosen_results(root, rows, datasets).results
    layout = replace(layout_of(results, metric), order=rows)
    for path in write_ablation(build(frame(results, labels), layout), name, out):
        print(path)
