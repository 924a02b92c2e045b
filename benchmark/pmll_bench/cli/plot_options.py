"""What the commands of `plot` share: their options, the results that they draw, and the paths that they print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from .choosing import chosen_results, whole_results

if TYPE_CHECKING:
    from ..report.tables.table import Layout
    from ..store.result import Result

Out: TypeAlias = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the figures.")]
PaperNames: TypeAlias = Annotated[
    bool, typer.Option("--paper-names", help="Show the names of methods and data sets as papers print them.")
]
PLOTS = Path("plots")  # the default of Out


def plotted(
    root: Path, methods: list[str] | None, datasets: list[str] | None, ratios: list[str] | None, *, paper_names: bool
) -> tuple[list[Result], Layout]:
    """The chosen results with their histories and numbers per label, and the layout of their table."""
    from ..report.papers.layout import layout_of

    chosen = chosen_results(root, methods, datasets, ratios)
    return whole_results(root, chosen), layout_of(chosen.results, "map", paper_names=paper_names)


def show(paths: tuple[Path, ...]) -> None:
    """Print the paths of the files of a figure."""
    for path in paths:
        print(path)
