"""`table`: the results table."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from ..errors import Exit, UsageError
from .added import AgainstOption, Cost, Status, added
from .choosing import Labels, Metric, Ratios, chosen_results, whole_results
from .options import STORE, DataRoot, Datasets, Methods, Root
from .output import print_fitted, print_or_write, print_table
from .uncertainty import OracleGap, Ranks, Spread, SpreadOption, refined

if TYPE_CHECKING:
    from ..report.tables.table import Layout, Table
    from ..store.result import Result


class Format(StrEnum):
    """The format of a table."""

    terminal = "terminal"
    markdown = "markdown"
    csv = "csv"
    latex = "latex"
    html = "html"
    json = "json"


class SortBy(StrEnum):
    """The order of the labels of a table by label."""

    frequency = "frequency"
    name = "name"
    ap = "ap"


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
PerClass: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--per-class",
        help=(
            "Show the AP of each label, averaged over the ratios, in groups by known training positives: many (more "
            "than 100), medium (20 to 100) and few (fewer than 20), with the mean AP of each group."
        ),
    ),
]
Sort: TypeAlias = Annotated[
    SortBy,
    typer.Option(metavar="BY", help="With --per-class: frequency, name or ap (highest mean over the methods first)."),
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
    ratios: Ratios = None,
    layout: LayoutOption = Form.auto,
    per_class: PerClass = False,
    sort: Sort = SortBy.frequency,
    as_json: AsJson = False,
    output: Output = None,
    tex_macros: TexMacros = None,
    decimals: Decimals = 1,
    spread: SpreadOption = Spread.sd,
    ranks: Ranks = False,
    oracle_gap: OracleGap = False,
    against: AgainstOption = None,
    cost: Cost = False,
    status: Status = False,
    strict: Strict = False,
    data_root: DataRoot = None,
    root: Root = STORE,
) -> None:
    """Print the results table: one row per method, one column per ratio.

    LaTeX and HTML show the names of methods and data sets as papers print them;
    LaTeX cites them.

    \b
    Examples:
      pmll-bench table
      pmll-bench table --datasets shapes --metric CF1 --format latex -o table.tex
      pmll-bench table --spread interval --ranks
      pmll-bench table --against paper
      pmll-bench table --per-class --sort ap --ratios 10%
    """
    from ..report.frame import frame
    from ..report.papers.layout import layout_of
    from ..report.tables.table import build

    form = Format.json if as_json else format
    if tex_macros is not None and (form != Format.latex or per_class):
        what = "tables by label have none" if per_class else f"the format is {form}"
        raise UsageError(f"--tex-macros is for tables in LaTeX, but {what}", hint="use --format latex alone")
    chosen = chosen_results(root, methods, datasets, ratios)
    paper_names = form in (Format.latex, Format.html)
    settings = replace(layout_of(chosen.results, metric, decimals, paper_names=paper_names), form=layout)
    if per_class:
        plain = (metric, labels, layout, spread, against) == ("map", "all", Form.auto, Spread.sd, None)
        if not plain or ranks or oracle_gap or cost or status:
            raise UsageError("--per-class shows only AP", hint="combine it with --sort, --ratios and --format alone")
        _write_labels(whole_results(root, chosen), settings, sort, form, output)
        missing = False
    else:
        results = frame(chosen.results, labels)
        made = refined(build(results, settings), results, (root, data_root), spread, ranks=ranks, oracle_gap=oracle_gap)
        made = added(made, results, root, against=against, cost=cost, status=status)
        _write_table(made, form, output, tex_macros)
        missing = any(cell.n == 0 for block in made.blocks for row in block.rows for cell in row.means.cells)
    if strict and (chosen.unfinished or missing):
        raise typer.Exit(Exit.INCOMPLETE)


def _write_labels(results: list[Result], layout: Layout, sort: SortBy, form: Format, output: Path | None) -> None:
    """Write or print the AP of each label."""
    from ..report.formats.labels import FORMATS, terminal
    from ..report.tables.labels import label_blocks

    blocks = label_blocks(results, layout, sort.value)
    if output is None and form == Format.terminal:
        print_fitted(partial(terminal, blocks))
    else:
        print_or_write(FORMATS[form](blocks), output)


def _write_table(made: Table, form: Format, output: Path | None, tex_macros: Path | None) -> None:
    """Write or print a table, and write its macros."""
    from ..report.formats.latex import latex
    from ..report.formats.macros import STYLE, macros
    from ..report.formats.registry import FORMATS

    if output is None and form == Format.terminal:
        print_table(made)
        return
    print_or_write(FORMATS[form](made) if tex_macros is None else latex(made, STYLE), output)
    if tex_macros is not None:
        print_or_write(macros(made, tex_macros.name), tex_macros)
