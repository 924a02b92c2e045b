"""The results that a report shows, and the options that choose them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from .completion import names_of
from .output import tell

if TYPE_CHECKING:
    from ..report.chosen import Chosen
    from ..store.result import Result

Metric: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="map, map_hcp, OF1, CF1, top3_CF1 …; 'pmll-bench list metrics' explains them.",
        autocompletion=names_of("metrics"),
    ),
]
Labels: TypeAlias = Annotated[
    str,
    typer.Option(metavar="FILTER", help="all, or usable: labels with at least 5 training and 1 test positives."),
]
Ratios: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="R …", help="Only these ratios: 0.1, or 10%; default: all.")
]
Resamples: TypeAlias = Annotated[int, typer.Option(min=100, metavar="N", help="Resamples of the test images.")]
ResampleSeed: TypeAlias = Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the resamples.")]


def chosen_results(
    root: Path, methods: list[str] | None, datasets: list[str] | None, ratios: list[str] | None = None
) -> Chosen:
    """The results of a store to report; a warning counts the cells without a result."""
    from ..plan.cell import parse_ratio
    from ..report.chosen import choose
    from ..store.store import Store

    chosen = choose(Store.open(root, create=False), methods or (), datasets or (), [*map(parse_ratio, ratios or ())])
    for warning in chosen.warnings:
        tell(warning)
    return chosen


def whole_results(root: Path, chosen: Chosen) -> list[Result]:
    """The whole results behind summaries: with the AP of each label, which summaries do not hold."""
    from ..store.store import Store

    store = Store.open(root, create=False)
    folders = (store.cell_of(each.dataset, each.method, each.cell_id) for each in chosen.results)
    return [result for folder in folders if (result := folder.result()) is not None]
