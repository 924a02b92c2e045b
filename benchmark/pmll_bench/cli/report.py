"""`table` and `plot`: tables and figures of results."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from ..errors import Exit
from .command import Command, Group
from .completion import names_of
from .options import STORE, Datasets, Methods, Root
from .output import print_table, tell

if TYPE_CHECKING:
    from ..report.chosen import Chosen
    from ..report.table import Layout
    from ..store.summary import Summary


class Format(StrEnum):
    """The format of a table."""

    terminal = "terminal"
    markdown = "markdown"
    csv = "csv"
    latex = "latex"
    json = "json"


Metric: TypeAlias = Annotated[
    str,
    typer.Option(metavar="NAME", help="map, map_hcp, OF1, CF1, top3_CF1 …", autocompletion=names_of("metrics")),
]
Labels: TypeAlias = Annotated[
    str,
    typer.Option(metavar="FILTER", help="all, or usable: labels with at least 5 training and 1 test positives."),
]


def table(
    metric: Metric = "map",
    labels: Labels = "all",
    methods: Methods = None,
    datasets: Datasets = None,
    format: Annotated[
        Format, typer.Option(metavar="NAME", help="terminal, markdown, csv, latex or json.")
    ] = Format.terminal,
    as_json: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the table to a file.")
    ] = None,
    decimals: Annotated[int, typer.Option(min=0, max=6, metavar="N", help="Digits after the decimal point.")] = 1,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with status 5 if a number or a result is missing.")
    ] = False,
    root: Root = STORE,
) -> None:
    """Print the results table: one row per method, one column per ratio.

    \b
    Examples:
      pmll-bench table
      pmll-bench table --datasets shapes --metric CF1 --format latex -o table.tex
    """
    from ..files import write_whole
    from ..report.formats import FORMATS
    from ..report.frame import frame
    from ..report.table import build

    chosen = _chosen(root, methods, datasets)
    made = build(frame(chosen.results, labels), _layout(chosen.results, metric, decimals))
    form = Format.json if as_json else format
    if output is not None:
        write_whole(output, FORMATS[form](made).encode())
        tell(f"written: {output}")
    elif form == Format.terminal:
        print_table(made)
    else:
        print(FORMATS[form](made), end="")
    numbers = [cell for block in made.blocks for row in block.rows for cell in row.means.cells]
    if strict and (chosen.unfinished or any(cell.n == 0 for cell in numbers)):
        raise typer.Exit(Exit.INCOMPLETE)


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
    from ..report.plot import write_curves
    from ..report.table import build

    results = _chosen(root, methods, datasets).results
    for path in write_curves(build(frame(results, labels), _layout(results, metric)), out):
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
    from ..report.ablation import write_ablation
    from ..report.frame import frame
    from ..report.table import build

    rows = [row.label or row.method for row in ablation(name).rows]
    results = _chosen(root, rows, datasets).results
    layout = replace(_layout(results, metric), order=rows)
    for path in write_ablation(build(frame(results, labels), layout), name, out):
        print(path)


def _layout(results: list[Summary], metric: str, decimals: int = 1) -> Layout:
    """Rows in the order of the registry, then other methods; partly inferred methods get a mark."""
    from pmll_methods.method import REGISTRY

    from ..report.table import Layout
    from .describe import inferred_methods

    labels = {result.label: result.method for result in results}
    marked = inferred_methods(set(labels.values()))
    order = sorted(labels, key=lambda label: [*REGISTRY, labels[label]].index(labels[label]))
    return Layout(metric, decimals, order=order, inferred=[label for label in labels if labels[label] in marked])


def _chosen(root: Path, methods: list[str] | None, datasets: list[str] | None) -> Chosen:
    """The results of a store to report; a warning counts the cells without a result."""
    from ..report.chosen import choose
    from ..store.store import Store

    chosen = choose(Store.open(root, create=False), methods or (), datasets or ())
    for warning in chosen.warnings:
        tell(warning)
    return chosen
