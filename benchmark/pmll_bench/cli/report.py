"""`table` and `plot`: what the results say."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from ..errors import Exit
from .command import Command, Group
from .options import STORE, Root
from .output import print_table, tell

if TYPE_CHECKING:
    from ..report.chosen import Chosen
    from ..report.table import Layout
    from ..store.records import Result


class Format(StrEnum):
    """How a table is written."""

    terminal = "terminal"
    markdown = "markdown"
    csv = "csv"
    latex = "latex"
    json = "json"


Methods: TypeAlias = Annotated[list[str] | None, typer.Option(metavar="NAME …", help="Only these methods or rows.")]
Datasets: TypeAlias = Annotated[list[str] | None, typer.Option(metavar="NAME …", help="Only these data sets.")]
Metric: TypeAlias = Annotated[str, typer.Option(metavar="NAME", help="map, map_hcp, OF1, CF1, top3_CF1 …")]
Labels: TypeAlias = Annotated[
    str,
    typer.Option(metavar="FILTER", help="all, or usable: labels with at least 5 training positives and 1 in test."),
]


def table(
    metric: Metric = "map",
    labels: Labels = "all",
    methods: Methods = None,
    datasets: Datasets = None,
    format: Annotated[
        Format, typer.Option(metavar="NAME", help="terminal, markdown, csv, latex or json.")
    ] = Format.terminal,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it to a file.")] = None,
    decimals: Annotated[int, typer.Option(min=0, max=6, metavar="N", help="Digits after the point.")] = 1,
    strict: Annotated[bool, typer.Option("--strict", help="End with 5 if a number or result is missing.")] = False,
    root: Root = STORE,
) -> None:
    """Print the table of results: methods by ratio.

    \b
    Examples:
      pmll-bench table
      pmll-bench table --datasets voc2007 --metric CF1 --format latex -o table.tex
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


plot = typer.Typer(cls=Group, no_args_is_help=True, help="Draw figures of results.")


@plot.command(cls=Command)
def curves(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the figures go.")] = Path("plots"),
    metric: Metric = "map",
    labels: Labels = "all",
    methods: Methods = None,
    datasets: Datasets = None,
    root: Root = STORE,
) -> None:
    """Draw a metric over the ratio, mean and band over seeds.

    \b
    Examples:
      pmll-bench plot curves
      pmll-bench plot curves --datasets voc2007 --out figures
    """
    from ..report.frame import frame
    from ..report.plot import write_curves
    from ..report.table import build

    results = _chosen(root, methods, datasets).results
    for path in write_curves(build(frame(results, labels), _layout(results, metric)), out):
        print(path)


@plot.command(cls=Command, no_args_is_help=True)
def ablation(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of 'pmll-bench list ablations'.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the figures go.")] = Path("plots"),
    metric: Metric = "map",
    labels: Labels = "all",
    datasets: Datasets = None,
    root: Root = STORE,
) -> None:
    """Draw an ablation: a line a row, its ratios, their average, the spread over seeds.

    \b
    Examples:
      pmll-bench plot ablation dualcoop-contexts
      pmll-bench plot ablation dualcoop-contexts --datasets voc2007 --out figures
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


def _layout(results: list[Result], metric: str, decimals: int = 1) -> Layout:
    """Rows as the registry has them, other methods after; methods that are in part inferred get their mark."""
    from pmll_methods.method import REGISTRY

    from ..report.table import Layout
    from .describe import inferred

    labels = {result.label: result.method for result in results}
    marked = inferred(set(labels.values()))
    order = sorted(labels, key=lambda label: [*REGISTRY, labels[label]].index(labels[label]))
    return Layout(metric, decimals, order=order, inferred=[label for label in labels if labels[label] in marked])


def _chosen(root: Path, methods: list[str] | None, datasets: list[str] | None) -> Chosen:
    """What a report of a store is about; a warning counts the cells without a result."""
    from ..report.chosen import choose
    from ..store.store import Store

    chosen = choose(Store.open(root, create=False), methods or (), datasets or ())
    for warning in chosen.warnings:
        tell(warning)
    return chosen
