"""`table`: the results table."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import Exit
from .choosing import Labels, Metric, chosen_results, layout_of
from .options import STORE, Datasets, Methods, Root
from .output import print_table, tell


class Format(StrEnum):
    """The format of a table."""

    terminal = "terminal"
    markdown = "markdown"
    csv = "csv"
    latex = "latex"
    json = "json"


class Form(StrEnum):
    """The layout of a table."""

    auto = "auto"
    ratios = "ratios"
    stacked = "stacked"
    datasets = "datasets"
    f1 = "f1"
    single_positive = "single-positive"
    semi = "semi"


def table(
    metric: Metric = "map",
    labels: Labels = "all",
    methods: Methods = None,
    datasets: Datasets = None,
    format: Annotated[
        Format, typer.Option(metavar="NAME", help="terminal, markdown, csv, latex or json.")
    ] = Format.terminal,
    layout: Annotated[
        Form,
        typer.Option(
            metavar="NAME",
            help=(
                "ratios: a table per data set and regime, a column per ratio. stacked: the same in one table. "
                "datasets: a column per data set. f1: OF1 and CF1, averaged over the ratios. single-positive, semi: "
                "as in papers on these regimes. auto: several data sets with semi, single-positive or full labels "
                "side by side, otherwise ratios."
            ),
        ),
    ] = Form.auto,
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
    from ..report.formats.registry import FORMATS
    from ..report.frame import frame
    from ..report.tables.table import build

    chosen = chosen_results(root, methods, datasets)
    settings = replace(layout_of(chosen.results, metric, decimals), form=layout)
    made = build(frame(chosen.results, labels), settings)
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
