"""The options of `table` about uncertainty, and what they change in a table."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    import pandas as pd

    from ..report.tables.table import Table


class Spread(StrEnum):
    """What follows the ± of a table."""

    sd = "sd"
    interval = "interval"


SpreadOption: TypeAlias = Annotated[
    Spread,
    typer.Option(
        metavar="NAME",
        help="What ± shows. sd: over masks or seeds. interval: the half-width of a 95% interval for other masks and "
        "other test images, from the stored scores.",
    ),
]
Ranks: TypeAlias = Annotated[bool, typer.Option("--ranks", help="Show ranks as intervals, and letters for ties.")]
OracleGap: TypeAlias = Annotated[
    bool, typer.Option("--oracle-gap", help="Show how much the best epoch on the test set is above the one selected.")
]


def refined(
    table: Table,
    results: pd.DataFrame,
    stores: tuple[Path, Path | None],
    spread: Spread,
    *,
    ranks: bool,
    oracle_gap: bool,
) -> Table:
    """The table of `results` with what is asked for; `stores` are the store and the folder with the data sets."""
    if spread == Spread.sd and not ranks and not oracle_gap:
        return table  # the modules below take a second to import
    from ..report.comparing.measured import Sampling
    from ..report.comparing.uncertainty import Wanted, with_uncertainty
    from ..store.store import Store

    root, data_root = stores
    sampling = Sampling(data_root=data_root)
    wanted = Wanted(spread == Spread.interval, ranks, oracle_gap)
    return with_uncertainty(table, Store.open(root, create=False), results, wanted, sampling)
