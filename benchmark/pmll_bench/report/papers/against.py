"""Published numbers beside ours: rows below those of a table, with the difference, or with what forbids to take it.

A paper that chose its epoch on the test set stands below our oracle, any other below our own row. A difference counts
only if the tags of both protocols agree; else both are grey, and the tags that differ are named.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import pandas as pd

from ...published import ENVELOPE, TRUST, Published, published
from ..frame import COMPARABLE, ORACLE, Line
from ..tables.aggregate import Number
from ..tables.row import Beside, Cell, Row
from ..tables.table import Block, Table
from .departures import Made

HARMLESS = ("mean and sd over runs",)  # says how often, not how
TOWERS = ("RN50", "RN101")
NOTE = (
    "Published numbers are never ranked. A difference is ours minus that of the paper. In grey: the tags named at the "
    "row differ or are not known, so the difference is no statement about a method."
)
TRUSTED = {"others": "quoted by others", "repository": "released page", "log": "released log"}
ORDER = list(TRUST)


@dataclass(frozen=True)
class Difference(Number):
    """A number with its sign."""

    @property
    def mean_text(self) -> str:
        if math.isnan(self.mean):
            return super().mean_text
        rounded = float(f"{self.mean:.{self.decimals}f}") + 0.0  # no negative zero
        return f"{rounded:+.{self.decimals}f}"


def against_papers(table: Table, lines: pd.DataFrame, made: Callable[[Line], Made]) -> Table:
    """The table with published numbers below its rows, and notes about them.

    `lines` is the frame that the table was built from, and `made` tells how the result of one of its lines was made. It
    is asked once per row that has published numbers.
    """
    records: list[Line] = [
        dict(zip(lines.columns, values, strict=True)) for values in lines.itertuples(index=False, name=None)
    ]
    return replace(table, blocks=tuple(_block(block, records, made) for block in table.blocks))


def _block(block: Block, records: Sequence[Line], made: Callable[[Line], Made]) -> Block:
    own = [line for line in records if all(line[name] == block.identity[name] for name in COMPARABLE)]
    first = {(line["label"], line["selection"]): line for line in reversed(own)}
    beside: list[Beside] = []
    without: list[str] = []
    for row in block.rows:
        line = first[row.label, row.selection]
        found = published_for(block, line["method"])
        if not found:
            without.append(row.label)
            continue
        has_oracle = (row.label, ORACLE) in first
        shown = [each for each in found if _belongs(each[0], row.selection, has_oracle=has_oracle)]
        if shown:
            beside += _rows(block, row, shown, made(line))
    if not beside:
        return replace(block, notes=(*block.notes, _nothing(block)))
    missing = f"No published number for {', '.join(dict.fromkeys(without))}." if without else ""
    return replace(block, beside=(*block.beside, *beside), notes=(*block.notes, NOTE, *filter(None, [missing])))


def _nothing(block: Block) -> str:
    dataset, regime = block.identity["dataset"], block.identity["regime"]
    whole = dataset.removesuffix("-subset")
    if whole != dataset:
        return f"No published number compares: {dataset} is a part of {whole}."
    return f"No published number for these methods on {dataset}, {regime} labels, {block.metric}."


def published_for(block: Block, method: str) -> list[tuple[Published, ...]]:
    """The numbers of a method by table of a paper, authors first, without those of its variants."""
    wanted = (method, "", block.identity["dataset"], block.identity["regime"])
    metrics = {block.metric} | ({"map"} if block.metric == "map_hcp" else set())
    found = [
        number
        for number in published()
        if (number.method, number.variant, number.dataset, number.regime) == wanted and number.metric in metrics
    ]
    found.sort(key=lambda number: ORDER.index(number.trust))
    groups = (tuple(group) for _, group in groupby(found, key=lambda n: (n.trust, n.source, n.table, n.protocol)))
    kept: list[tuple[Published, ...]] = []
    for group in groups:
        cells = _cells(block, group)
        if cells and not any(_cells(block, other) >= cells and other[0].source == group[0].source for other in kept):
            kept.append(group)
    return kept


def _cells(block: Block, numbers: Sequence[Published]) -> set[tuple[int, float]]:
    """The columns of the block that have a published number, with the number."""
    places = ((place_of(block, number), number.value) for number in numbers)
    return {(place, value) for place, value in places if place is not None}


def place_of(block: Block, number: Published) -> int | None:
    """The column of a published number: its ratio, the mean over just these ratios, or the only column."""
    if number.ratio is not None:
        return block.ratios.index(number.ratio) if number.ratio in block.ratios else None
    if number.averaged:
        return len(block.ratios) if len(block.ratios) > 1 and number.averaged == block.ratios else None
    return 0 if len(block.ratios) == 1 else None


def _belongs(number: Published, selection: str, *, has_oracle: bool) -> bool:
    """Whether a source stands below a row: an oracle's below our oracle, if there is one, and others below our row."""
    return (number.selection == ORACLE and has_oracle) == (selection == ORACLE)


def _rows(block: Block, row: Row, sources: Sequence[tuple[Published, ...]], made: Made) -> Iterator[Beside]:
    """The rows below one of ours: each source, and the difference to the first."""
    below = row.label, row.selection
    for number, source in enumerate(sources):
        tags = ", ".join(tags_of(block, row, source[0], made))
        cells = _numbers(block, source)
        trusted = TRUSTED.get(source[0].trust)
        name = f"{source[0].source}, {source[0].table}" + (f", {trusted}" if trusted else "")
        yield Beside(name, "published", cells, below, grey=bool(tags), tags=tags)
        if number == 0:
            differences = tuple(_difference(ours, theirs) for ours, theirs in zip(row.numbers, cells, strict=True))
            yield Beside("difference", "difference", differences, below, grey=bool(tags))


def _numbers(block: Block, source: Sequence[Published]) -> tuple[Cell, ...]:
    cells: list[Cell] = [""] * len(block.headers)
    decimals = max((number.decimals for row in block.rows for number in row.numbers), default=1)
    for number in source:
        place = place_of(block, number)
        if place is not None:
            sd = math.nan if number.sd is None else number.sd
            cells[place] = Number(number.value, sd, 1, eligible=False, decimals=decimals)
    return tuple(cells)


def _difference(ours: Number, theirs: Cell) -> Cell:
    if isinstance(theirs, str) or math.isnan(ours.mean):
        return ""
    return Difference(ours.mean - theirs.mean, math.nan, 1, eligible=False, decimals=ours.decimals)


def tags_of(block: Block, row: Row, number: Published, made: Made) -> Iterator[str]:
    """What differs between a published number and ours, or is not known of it."""
    identity = block.identity
    if number.selection == "unknown":
        yield "selection not stated"
    elif number.selection != row.selection:
        yield f"selection {number.selection}, ours {row.selection}"
    yield from _stated(number, made.tower, f"{identity['resolution']} px")
    envelope, ours = ENVELOPE in number.protocol, block.metric == "map_hcp"
    if envelope and not ours:
        yield "envelope AP, as map_hcp"
    elif ours and not envelope:
        yield "not known to be the envelope AP"
    if "subset=" in identity["options"]:
        yield "all images, ours a subset"
    if identity["noise"]:
        yield "no label noise, ours has"
    yield from made.departures


def _stated(number: Published, tower: str, resolution: str) -> Iterator[str]:
    """The differing tags among those that the source states; a tag that cannot be checked counts as one."""
    towers = [tag for tag in number.protocol if tag in TOWERS]
    sizes = [tag for tag in number.protocol if re.match(r"\d+ px\b", tag)]
    if not towers:
        yield "tower not stated"
    elif tower not in towers:
        yield f"{towers[0]}, ours {tower or 'without tower'}"
    if not sizes:
        yield "resolution not stated"
    elif sizes[0].partition(",")[0] != resolution:
        yield f"{sizes[0]}, ours {resolution}"
    yield from (tag for tag in number.protocol if tag not in (*towers, *sizes, *HARMLESS, ENVELOPE))
