"""The columns of a board's table to the right of the mAP: their headings, and text and value of each cell."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ...plan.cell import percent
from ...report.tables.aggregate import MISSING
from ..records import Row, Table


class Cell(NamedTuple):
    """A cell as shown, and the value that it is sorted by; None is sorted last."""

    text: str
    value: float | None


@dataclass(frozen=True)
class Column:
    """A column that can be sorted, and shown or not. `about` says what it has; `kind` groups columns in the menu."""

    key: str
    title: str
    about: str
    kind: str
    cell: Callable[[Row], Cell]
    shown: bool = True


def columns(table: Table) -> tuple[Column, ...]:
    """The columns of a table. Columns that no row has a value for are left out."""
    rows = (*table.ranked, *table.unranked)
    found = (_repetitions(len(table.ratios)), *_OTHERS, *_ratios(table))
    return tuple(each for each in found if any(each.cell(row).value is not None for row in rows))


def _ratios(table: Table) -> Iterator[Column]:
    """A column per ratio; a single one is the mAP itself."""
    for place, ratio in enumerate(table.ratios if len(table.ratios) > 1 else ()):
        text = percent(ratio)
        yield Column(f"r{place}", text, f"mAP with {text} known labels", "ratios", _number(place))


def _number(place: int) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        number = row.numbers[place]
        return Cell(number.mean_text, None if math.isnan(number.mean) else number.mean)

    return cell


def _cost(name: str, unit: float, decimals: int) -> Callable[[Row], Cell]:
    def cell(row: Row) -> Cell:
        value = getattr(row, name)
        return Cell(MISSING, None) if value is None else Cell(f"{value / unit:,.{decimals}f}", value)

    return cell


def _repetitions(ratios: int) -> Column:
    """Seeds are counted per mask: `run --seeds 0 1 2` draws three masks, each with one training seed."""

    def cell(row: Row) -> Cell:
        if not row.masks:
            return Cell(MISSING, None)
        seeds = max(1, round(row.present / (ratios * row.masks)))
        return Cell(f"{row.masks} × {seeds}", row.masks * seeds)

    return Column("repetitions", "Masks × seeds", "masks, and training seeds for each of them", "design", cell)


def _gap(row: Row) -> Cell:
    return Cell(MISSING, None) if row.oracle_gap is None else Cell(f"{row.oracle_gap:+.1f}", row.oracle_gap)


_OTHERS = (
    Column("gap", "Oracle gap", "what the best epoch on the test set would add to the mAP", "design", _gap),
    Column("train", "Train (s)", "training time per cell in seconds", "cost", _cost("train_seconds", 1, 1)),
    Column("trained", "Trained (M)", "trained parameters in millions", "cost", _cost("trained_parameters", 1e6, 2)),
    Column("predict", "Predict (s)", "seconds for the test split", "cost", _cost("predict_seconds", 1, 2), shown=False),
    Column("memory", "Peak (GB)", "peak memory in GB", "cost", _cost("memory_gb", 1, 2), shown=False),
    Column(
        "parameters", "Parameters (M)", "all parameters in millions", "cost", _cost("parameters", 1e6, 2), shown=False
    ),
    Column("flops", "GFLOPs", "GFLOPs to predict one image", "cost", _cost("flops", 1e9, 3), shown=False),
)
