"""Curves of a table: its metric over the share of known labels, one panel per block."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ...errors import ConfigError
from ..frame import ORACLE
from ..tables.row import INFERRED, UNSTATED, Row
from ..tables.table import Block, Table
from .figure import drawn, line_style, write_figure
from .lines import Line, Panel, line_figure


def curves(table: Table) -> dict[str, bytes]:
    """The files by suffix (`figure.drawn`). Equal tables give equal bytes.

    Each line is the mean over repetitions, and its band is ± sd. Blocks with one ratio and oracles are omitted.

    Raises `ConfigError` if no block has two ratios.
    """
    blocks = [block for block in table.blocks if len(block.ratios) > 1]
    if not blocks:
        raise ConfigError("no curve to draw", hint="curves need results at two or more ratios")
    return drawn(lambda: _figure(blocks, table.layout.metric_title), numbers(blocks))


def write_curves(table: Table, folder: Path) -> tuple[Path, ...]:
    """Write the curves of a table into a folder and return the paths."""
    return write_figure(curves(table), folder / f"curves-{table.layout.metric}")


def _figure(blocks: Sequence[Block], metric: str) -> Figure:
    names = dict.fromkeys(row.means.name for block in blocks for row in ranked_rows(block))
    styles = {name: line_style(number) for number, name in enumerate(names)}
    panels = []
    for block in blocks:
        lines = []
        for row in ranked_rows(block):
            mean, sd = (np.array([getattr(cell, name) for cell in row.means.cells]) for name in ("mean", "sd"))
            lines.append(Line(row.name, block.percents, mean, styles[row.means.name], mean - sd, mean + sd))
        panels.append(
            Panel(block.title, "Known labels (%)", f"{metric} (%)", tuple(lines), ticks=block.percents, span=1)
        )
    return line_figure(panels, notes=(spread_note(blocks, "band"), sign_note(blocks)))


def ranked_rows(block: Block) -> list[Row]:
    """The rows of a block without oracles."""
    return [row for row in block.rows if row.selection != ORACLE]


def spread_note(blocks: Iterable[Block], mark: str) -> str:
    """What the bands or whiskers of a figure mean; empty if it has none."""
    spread = [block for block in blocks if any(number.sd_text for number in block.numbers)]
    over = " or ".join(dict.fromkeys(block.over for block in spread))
    return f"Mean; {mark}: ± sd (ddof 1) over {over}." if spread else ""


def sign_note(blocks: Iterable[Block]) -> str:
    """What the signs behind names mean; empty if no row has one."""
    rows = [row for block in blocks for row in ranked_rows(block)]
    inferred = f"{INFERRED} parts of the method are inferred or reconstructed." if any(r.inferred for r in rows) else ""
    unstated = "" if all(row.stated for row in rows) else f"{UNSTATED} no source states this recipe."
    return " ".join(part for part in (inferred, unstated) if part)


def numbers(blocks: Sequence[Block]) -> Iterator[list[object]]:
    """The numbers of blocks as lines of a CSV, oracles left out."""
    yield ["panel", "method", "selection", "known labels (%)", "mean", "sd", "n"]
    for block in blocks:
        for row in ranked_rows(block):
            for share, cell in zip(block.percents, row.means.cells, strict=True):
                spread = ["" if math.isnan(value) else value for value in (cell.mean, cell.sd)]
                yield [block.title, row.label, row.selection, f"{share:g}", *spread, cell.n]
