"""The layouts of a table: how its blocks become the tables that are shown."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from statistics import fmean
from typing import NamedTuple

from ...errors import ConfigError
from .aggregate import Number, marked, plain
from .caption import NO_AVERAGE, NO_RESULT
from .entries import ABSENT, Entries, Key, average_of_block, lines, of_block, side_by_side, with_column
from .merging import distinct_names, merged_caption, merged_notes
from .row import Row
from .sheet import Head, Line, Sheet, remarked
from .table import Block, Layout, Table
from .titles import differences

AVERAGE = "Avg."


class Form(NamedTuple):
    """A layout: what it shows, and how it makes tables of blocks. `regime` is the only one that it is made for."""

    title: str
    arrange: Callable[[Sequence[Block], Layout], Iterator[Sheet]]
    regime: str = ""


def sheets(table: Table) -> tuple[Sheet, ...]:
    """The tables that are shown, in the layout `table.layout.form`; blocks of other regimes than its own keep theirs.

    Raises `ConfigError` if the layout is for a regime that no block has.
    """
    form = LAYOUTS[table.layout.form]
    own = [block for block in table.blocks if form.regime in ("", block.identity["regime"])]
    if table.blocks and not own:
        regimes = sorted({block.identity["regime"] for block in table.blocks})
        raise ConfigError(
            f"the layout {table.layout.form} is for {form.regime} results, but these are {' and '.join(regimes)}",
            hint="leave out --layout, or choose ratios, stacked, datasets or f1",
        )
    others = [block for block in table.blocks if block not in own]
    return (*form.arrange(own, table.layout), *_automatic(others, table.layout))


def _automatic(blocks: Sequence[Block], layout: Layout) -> Iterator[Sheet]:
    """Data sets side by side in regimes whose papers show them so, if there are several; else a table per block."""
    for regime, found in groupby(sorted(blocks, key=_regime), key=_regime):
        own = list(found)
        several = len({block.identity["dataset"] for block in own}) > 1
        yield from (_BY_REGIME.get(regime, _ratios) if several else _ratios)(own, layout)


def _regime(block: Block) -> str:
    return str(block.identity["regime"])


def _ratios(blocks: Sequence[Block], layout: Layout) -> Iterator[Sheet]:
    for block in blocks:
        part = of_block(block)
        yield _sheet([block], block.title, part.heads, lines(part, part.heads), "")


def _stacked(blocks: Sequence[Block], layout: Layout) -> Iterator[Sheet]:
    if blocks:
        heads = _all_columns(blocks)
        sections = zip(blocks, distinct_names(blocks), strict=True)
        found = [line for block, section in sections for line in lines(of_block(block), heads, section)]
        yield _sheet(blocks, _title(blocks, layout), heads, found, "stacked")


def _all_columns(blocks: Sequence[Block]) -> tuple[Head, ...]:
    """The columns of blocks below each other: all ratios in rising order, the average, added columns."""
    ratios = {ratio: text for block in blocks for ratio, text in zip(block.ratios, block.headers, strict=False)}
    average = [AVERAGE] if any(len(block.ratios) > 1 for block in blocks) else []
    added = dict.fromkeys(column.header for block in blocks for column in block.columns)
    return tuple(map(Head, dict.fromkeys([*(ratios[ratio] for ratio in sorted(ratios)), *average, *added])))


def _f1(blocks: Sequence[Block], layout: Layout) -> Iterator[Sheet]:
    if not blocks:
        return
    start = f"{AVERAGE} " if any(len(block.ratios) > 1 for block in blocks) else ""
    found = []
    sections = dict(zip((block.title for block in blocks), distinct_names(blocks), strict=True))
    for title, section in sections.items():
        own = [block for block in blocks if block.title == title]
        heads = [Head(start + block.about.metric) for block in own]
        part = side_by_side((average_of_block(*pair) for pair in zip(own, heads, strict=True)), layout)
        found += lines(part, part.heads, section if len(sections) > 1 else "")
    yield _sheet(blocks, _title(blocks, layout), tuple(heads), found, "f1", averaged=True)


def _semi(blocks: Sequence[Block], layout: Layout) -> Iterator[Sheet]:
    if blocks:
        groups = [", ".join(filter(None, name)) for name in _names(blocks, layout)]
        found = (of_block(block, group=group) for block, group in zip(blocks, groups, strict=True))
        part = side_by_side(found, layout)
        yield _sheet(blocks, _title(blocks, layout), part.heads, lines(part, part.heads), "semi")


def _datasets(blocks: Sequence[Block], layout: Layout) -> Iterator[Sheet]:
    """One column per data set and the average over them, for each setup (such as the track) in which blocks differ."""
    if not blocks:
        return
    names = _names(blocks, layout)
    parts = []
    for setup in dict.fromkeys(setup for _, setup in names):
        own = [(block, Head(name, setup)) for block, (name, of) in zip(blocks, names, strict=True) if of == setup]
        part = side_by_side((average_of_block(*pair) for pair in own), layout)
        parts.append(_with_average(part, setup) if len(own) > 1 else part)
    part = side_by_side(parts, layout)
    yield _sheet(blocks, _title(blocks, layout), part.heads, lines(part, part.heads), "datasets", averaged=True)


def _names(blocks: Sequence[Block], layout: Layout) -> list[tuple[str, str]]:
    """Each block's data set and, if blocks of one data set differ, in what."""
    identities = [block.identity for block in blocks]
    kinds = [block.title.removeprefix(layout.dataset(block.identity)).split(", ")[1] for block in blocks]
    several = len(set(kinds)) > 1
    return [
        (
            layout.dataset(identity),
            ", ".join([*([kind] if several else []), *differences(identity, identities, within=("dataset", "regime"))]),
        )
        for identity, kind in zip(identities, kinds, strict=True)
    ]


def _with_average(part: Entries, setup: str) -> Entries:
    """The part with the mean of each row's numbers over the data sets."""
    rows = [(each.key, each.cells) for each in part.lines if isinstance(each.row, Row)]
    means: dict[Key, Number] = {}
    for key, cells in rows:
        numbers = [cell for cell in cells.values() if isinstance(cell, Number)]
        if len(numbers) == len(part.heads):
            eligible = all(number.eligible for number in numbers)
            average = plain(fmean(number.mean for number in numbers), numbers[0].decimals)
            means[key] = replace(average, eligible=eligible and not math.isnan(average.mean))
    return with_column(part, Head(AVERAGE, setup), dict(zip(means, marked(list(means.values())), strict=True)))


LAYOUTS: Mapping[str, Form] = {
    "auto": Form("data sets side by side for semi, single-positive and full labels; otherwise ratios", _automatic),
    "ratios": Form("a table per data set and regime: a row per method, a column per ratio", _ratios),
    "stacked": Form("as ratios, with the data sets below each other in one table", _stacked),
    "datasets": Form("a row per method, a column per data set with the average over its ratios", _datasets),
    "f1": Form("OF1 and CF1, each averaged over the ratios; data sets below each other", _f1),
    "single-positive": Form("a row per method, a column per data set", _datasets, regime="single-positive"),
    "semi": Form("a row per method; for each data set, a column per share of labelled images", _semi, regime="semi"),
}
_BY_REGIME = {"semi": _semi, "single-positive": _datasets, "full": _datasets}


def _title(blocks: Sequence[Block], layout: Layout) -> str:
    """The data sets, and the regime if they share one."""
    datasets = list(dict.fromkeys(layout.dataset(block.identity) for block in blocks))
    ends = {block.title.removeprefix(layout.dataset(block.identity)) for block in blocks}
    return " and ".join(filter(None, [", ".join(datasets[:-1]), datasets[-1]])) + (ends.pop() if len(ends) == 1 else "")


def _sheet(
    blocks: Sequence[Block],
    title: str,
    heads: Sequence[Head],
    found: Sequence[Line],
    form: str,
    *,
    averaged: bool = False,
) -> Sheet:
    metrics = "-".join(dict.fromkeys(block.metric for block in blocks))
    absent = any(cell is ABSENT for line in found for cell in line.cells)
    shown_blocks = [block.without_columns for block in blocks] if averaged else blocks
    notes = tuple(dict.fromkeys([*merged_notes(shown_blocks), *([NO_RESULT] if absent else [])]))
    if averaged and any(len(block.ratios) > 1 for block in blocks):
        notes = tuple(NO_AVERAGE if note == NO_RESULT else note for note in notes)
    if averaged and (added := dict.fromkeys(column.header for block in blocks for column in block.columns)):
        notes = (*notes, f"Not in this layout: {', '.join(added)}; choose ratios, stacked or semi.")
    shown, remarks = remarked(found)
    return Sheet(
        title=title,
        caption=merged_caption(blocks, averaged=averaged).text,
        heads=tuple(heads),
        lines=shown,
        notes=(*notes, *remarks),
        key=slug(f"{title} {metrics} {form}"),
    )


def slug(text: str) -> str:
    """A text as a key: small letters, digits, dots and hyphens.

    >>> slug("voc2007, partial labels map_hcp")
    'voc2007-partial-labels-map-hcp'
    """
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
