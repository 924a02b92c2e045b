"""`compare`: is the difference between methods real?"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from .choosing import Labels, Metric, Resamples, ResampleSeed
from .completion import names_of
from .options import STORE, DataRoot, Datasets, Root
from .output import print_fitted, print_or_write, tell
from .tables import AsJson, Decimals, Format, FormatOption, Output

if TYPE_CHECKING:
    from ..report.comparing.records import Comparison


def compare(
    methods: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="METHOD …", help="Rows of the table, by name; default: all.", autocompletion=names_of("methods")
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="METHOD", help="Compare each method with this one.", autocompletion=names_of("methods")),
    ] = None,
    metric: Metric = "map",
    labels: Labels = "all",
    datasets: Datasets = None,
    resamples: Resamples = 1000,
    seed: ResampleSeed = 0,
    format: FormatOption = Format.terminal,
    as_json: AsJson = False,
    output: Output = None,
    decimals: Decimals = 1,
    diagram: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Also draw the critical-difference diagram; it needs 8 data sets."),
    ] = None,
    data_root: DataRoot = None,
    root: Root = STORE,
) -> None:
    """Compare methods, with intervals: is the difference real?

    Differences are paired by test image and mask, and averaged over the ratios.
    Two METHODs are compared with each other. With --against, each method is
    compared with one. Otherwise all pairs are compared, and methods are ranked.
    LaTeX and HTML show names as papers print them; LaTeX cites them.

    \b
    Examples:
      pmll-bench compare dualcoop bce
      pmll-bench compare --against dualcoop --format latex -o table.tex
    """
    if diagram is not None and (against is not None or len(methods or ()) == 2):
        raise UsageError("a critical-difference diagram is of all pairs", where="--diagram", hint="name no methods")
    from ..report.comparing.compare import compare as compare_rows
    from ..report.comparing.measured import Sampling
    from ..store.store import Store

    form = Format.json if as_json else format
    found = compare_rows(
        Store.open(root, create=False),
        methods or (),
        against=against,
        datasets=datasets or (),
        labels=labels,
        metric=metric,
        sampling=Sampling(resamples, seed, data_root),
        paper_names=form in (Format.latex, Format.html),
        tell=tell,
    )
    _show(found, form, output, decimals)
    if diagram is not None:
        _draw(found, diagram)


def _draw(comparison: Comparison, folder: Path) -> None:
    """Write the critical-difference diagram of a comparison."""
    from ..report.plots.critical_difference import write_critical_difference

    for path in write_critical_difference(comparison, folder):
        tell(f"written: {path}")


def _show(comparison: Comparison, form: Format, output: Path | None, decimals: int) -> None:
    """Print a comparison, or write it to a file."""
    from ..report.comparing.formats import FORMATS, terminal

    if output is None and form == Format.terminal:
        print_fitted(partial(terminal, comparison, decimals))
    else:
        print_or_write(FORMATS[form](comparison, decimals), output)
