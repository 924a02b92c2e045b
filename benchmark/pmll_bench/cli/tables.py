"""`table`: the results table."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from ..errors import Exit, UsageError
from .added import AgainstOption, Cost, added
from .choosing import Labels, Metric, chosen_results, in_print, layout_of
from .options import STORE, DataRoot, Datasets, Methods, Root
from .output import print_table, tell
from .uncertainty import OracleGap, Ranks, Spread, SpreadOption, refined

if TYPE_CHECKING:
    from ..report.tables.table import Table


class Format(StrEnum):
    """The format of a table."""

    terminal = "terminal"
    markdown = "markdown"
    csv = "csv"
    latex = "latex"
    html = "html"
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


FormatOption: TypeAlias = Annotated[
    Format, typer.Option(metavar="NAME", help="terminal, markdown, csv, latex, html or json.")
]
LayoutOption: TypeAlias = Annotated[
    Form,
    typer.Option(
        metavar="NAME",
        help=(
            "ratios: a table per data set and regime, a column per ratio. stacked: the same in one table. "
            "datasets: a column per data set. f1: OF1 and CF1, averaged over the ratios. single-positive, semi: "
            "as in papers on these regimes. auto: several data sets with semi, single-positive or full labels "
            "side by side, otherwise ratios. CSV and JSON always have all numbers."
        ),
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Same as --format json.")]
Output: TypeAlias = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the table to a file.")
]
TexMacros: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help=(
            r"With --format latex: also write the numbers as macros, such as \pmll{dualcoop}{shapes}{10}, and let "
            "the table use macros for best, second best and ±."
        ),
    ),
]
Decimals: TypeAlias = Annotated[int, typer.Option(min=0, max=6, metavar="N", help="Digits after the decimal point.")]
Strict: TypeAlias = Annotated[
    bool, typer.Option("--strict", help="Exit with status 5 if a number or a result is missing.")
]


def table(
    metric: Metric = "map",
    labels: Labels = "all",
    methods: Methods = None,
    datasets: Datasets = None,
    format: FormatOption = Format.terminal,
    layout: LayoutOption = Form.auto,
    as_json: AsJson = False,
    output: Output = None,
    tex_macros: TexMacros = None,
    decimals: Decimals = 1,
    spread: SpreadOption = Spread.sd,
    ranks: Ranks = False,
    oracle_gap: OracleGap = False,
    against: AgainstOption = None,
    cost: Cost = False,
    strict: Strict = False,
    data_root: DataRoot = None,
    root: Root = STORE,
) -> None:
    """Print the results table: one row per method, one column per ratio.

    LaTeX and HTML show the names of methods and data sets as papers print them;
    LaTeX cites them. 'pmll-bench list metrics' explains the metrics.

    \b
    Examples:
      pmll-bench table
      pmll-bench table --datasets shapes --metric CF1 --format latex -o table.tex
      pmll-bench table --spread interval --ranks
      pmll-bench table --against paper
    """
    from ..report.frame import frame
    from ..report.tables.table import build

    form = Format.json if as_json else format
    if tex_macros is not None and form != Format.latex:
        raise UsageError(f"--tex-macros is for LaTeX, but the format is {form}", hint="add --format latex")
    chosen = chosen_results(root, methods, datasets)
    settings = replace(layout_of(chosen.results, metric, decimals), form=layout)
    if form in (Format.latex, Format.html):
        settings = in_print(settings, chosen.results)
    results = frame(chosen.results, labels)
    made = refined(build(results, settings), results, (root, data_root), spread, ranks=ranks, oracle_gap=oracle_gap)
    made = added(made, results, root, against=against, cost=cost)
    _write(made, form, output, tex_macros)
    numbers = [cell for block in made.blocks for row in block.rows for cell in row.means.cells]
    if strict and (chosen.unfinished or any(cell.n == 0 for cell in numbers)):
        raise typer.Exit(Exit.INCOMPLETE)


def _write(made: Table, form: Format, output: Path | None, tex_macros: Path | None) -> None:
    """Write a table to a file or print it, and its macros to theirs."""
    from ..files import write_whole
    from ..report.formats.latex import latex
    from ..report.formats.macros import STYLE, macros
    from ..report.formats.registry import FORMATS

    if output is None and form == Format.terminal:
        print_table(made)
        return
    text = FORMATS[form](made) if tex_macros is None else latex(made, STYLE)
    if output is None:
        print(text, end="")
    for path, content in ((output, text), (tex_macros, macros(made, tex_macros.name) if tex_macros else "")):
        if path is not None:
            write_whole(path, content.encode())
            tell(f"written: {path}")
