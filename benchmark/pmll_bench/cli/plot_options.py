"""What the commands of `plot` share: their options, the results that they draw, and the paths that they print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from .choosing import chosen_results, layout_of

if TYPE_CHECKING:
    from ..report.tables.table import Layout
    from ..store.result import Result

Out: TypeAlias = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the figures.")]
Ratios: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="R …", help="Only these ratios, such as 0.1 or 10%.")
]
PLOTS = Path("plots")  # the default of Out


def whole_results(
    root: Path, methods: list[str] | None, datasets: list[str] | None, ratios: list[str] | None
) -> tuple[list[Result], Layout]:
    """The chosen results with their histories and numbers per label, and the layout of their table."""
    from ..plan.cell import parse_ratio
    from ..report.plots.parts import at_ratios, whole
    from ..store.store import Store

    results = chosen_results(root, methods, datasets).results
    asked = [parse_ratio(ratio) for ratio in ratios or ()]
    return at_ratios(list(whole(Store.open(root, create=False), results)), asked), layout_of(results, "map")


def show(paths: tuple[Path, ...]) -> None:
    """Print the paths of the files of a figure."""
    for path in paths:
        print(path)
