"""The AP of each label by method, and its mean over the labels of a frequency group: what `table --per-class` shows.

Groups are those of the literature on long-tailed labels, by the number of training positives (Wu et al., "Distribution-
balanced loss for multi-label classification in long-tailed datasets", ECCV 2020, section 4): many, medium and few.
Here they are the known ones, which a method has seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, TypeAlias

import pandas as pd

from ...plan.cell import percent
from ...store.result import Result
from ..frame import COMPARABLE, ORACLE, frame
from .aggregate import Number, aggregate, plain
from .layouts import slug
from .repetitions import repetitions
from .row import Row
from .sheet import Head, Line, Sheet
from .table import Block, Layout, build

Group: TypeAlias = Literal["many", "medium", "few"]
Sort: TypeAlias = Literal["frequency", "name", "ap"]
MANY, FEW = 100, 20  # more positives than MANY are many, fewer than FEW are few
_GROUPS: Mapping[Group, str] = {
    "many": f"many: more than {MANY} known training positives",
    "medium": f"medium: {FEW} to {MANY}",
    "few": f"few: fewer than {FEW}",
}
_COUNTS = "known: the mean over masks and ratios of the known training positives; test: the test positives"


@dataclass(frozen=True)
class Label:
    """One label: its positives, and each method's AP in percent by ratio and on average, in the order of the rows.

    `known` is the mean over masks and ratios of the training positives that a method has seen, `train` the number of
    all training positives and `test` that of the test images.
    """

    name: str
    known: float
    train: int
    test: int
    cells: tuple[tuple[Number, ...], ...]  # [methods, ratios]
    averages: tuple[Number, ...]

    @property
    def group(self) -> Group:
        return "many" if self.known > MANY else "few" if self.known < FEW else "medium"


@dataclass(frozen=True)
class LabelBlock:
    """The labels of comparable results, sorted; and for each group of labels and for all the mean over its labels."""

    block: Block
    rows: tuple[Row, ...]
    labels: tuple[Label, ...]
    groups: Mapping[str, tuple[Label, int]]  # the means as a label, and the number of labels


def label_blocks(results: Iterable[Result], layout: Layout, sort: Sort = "frequency") -> tuple[LabelBlock, ...]:
    """The labels of results, a block for each set of comparable ones. Epochs chosen on the test set are left out.

    Raises `ConfigError` like `frame.frame`.
    """
    by_cell = {result.cell_id: result for result in results}
    lines = frame(by_cell.values()).drop_duplicates("cell_id")  # a run's own line comes before that of its oracle
    lines = lines[lines["selection"] != ORACLE]
    if lines.empty:
        return ()
    blocks = build(lines, replace(layout, metric="map", form="ratios")).blocks
    parts = [part for _, part in lines.groupby(list(COMPARABLE))]
    return tuple(_block(block, part, by_cell, layout, sort) for block, part in zip(blocks, parts, strict=True))


def _block(block: Block, part: pd.DataFrame, by_cell: Mapping[str, Result], layout: Layout, sort: Sort) -> LabelBlock:
    results = [by_cell[cell] for cell in part["cell_id"]]
    names = results[0].classes
    known = _known_positives(results)
    support = results[0].support
    ap = [[math.nan if value is None else value for value in result.ap] for result in results]
    means = _means(block, part, layout)
    labels = [
        Label(name, known[c], support.train[c], support.test[c], *means([row[c] for row in ap]))
        for c, name in enumerate(names)
    ]
    groups: dict[str, tuple[Label, int]] = {}
    for group in (*_GROUPS, "all"):
        own = [c for c, label in enumerate(labels) if support.test[c] and group in (label.group, "all")]
        if own:
            values = means([fmean(row[c] for c in own) for row in ap])
            train, test = (sum(of[c] for c in own) for of in (support.train, support.test))
            groups[group] = Label(group, fmean(known[c] for c in own), train, test, *values), len(own)
    labels.sort(key=_order(sort))
    return LabelBlock(block, block.rows, tuple(labels), groups)


def _known_positives(results: Sequence[Result]) -> list[float]:
    """The mean over masks and ratios of the known training positives of each label."""
    masks = {(result.ratio, result.mask_seed): result.support.known for result in results}
    return [fmean(counts) for counts in zip(*masks.values(), strict=True)]


def _means(
    block: Block, part: pd.DataFrame, layout: Layout
) -> Callable[[Sequence[float]], tuple[tuple[tuple[Number, ...], ...], tuple[Number, ...]]]:
    """A function from one value per result to each method's numbers by ratio and their averages, best ones marked."""
    over = repetitions(part, layout.min_seeds)
    names = {(row.label, row.selection): row.means.name for row in block.rows}
    thin = {(names[label, selection], ratio) for label, selection, ratio in over.thin}

    def means(values: Sequence[float]) -> tuple[tuple[tuple[Number, ...], ...], tuple[Number, ...]]:
        found = aggregate(
            over.values(part.assign(ap=values), names, "ap"),
            rows=tuple(names.values()),
            columns=block.ratios,
            decimals=layout.decimals,
            thin=thin,
        )
        return tuple(each.cells for each in found), tuple(each.average for each in found)

    return means


def _order(sort: Sort) -> Callable[[Label], tuple[float, str]]:
    """What labels are sorted by: most known positives first, by name, or highest mean AP over the methods first."""

    def mean_ap(label: Label) -> float:
        defined = [number.mean for number in label.averages if not math.isnan(number.mean)]
        return -fmean(defined) if defined else math.inf

    value: Callable[[Label], float] = {
        "frequency": lambda label: -label.known,
        "name": lambda label: 0.0,
        "ap": mean_ap,
    }[sort]
    return lambda label: (value(label), label.name)


def label_sheets(blocks: Iterable[LabelBlock]) -> tuple[Sheet, ...]:
    """The tables that are shown: a row per label in three sections, a column per method, means of the groups below."""
    return tuple(_sheet(each) for each in blocks)


def _sheet(found: LabelBlock) -> Sheet:
    block = found.block
    digits = 0 if all(label.known.is_integer() for label in found.labels) else 1
    labels = [
        Line(label.name, (plain(label.known, digits), plain(label.test, 0), *label.averages), section=text)
        for group, text in _GROUPS.items()
        for label in found.labels
        if label.group == group
    ]
    means = [
        Line(f"{group} ({count})", ("", "", *label.averages), section="mean AP (number of labels)")
        for group, (label, count) in found.groups.items()
    ]
    ratios = f"averaged over {len(block.ratios)} ratios, {percent(block.ratios[0])} to {percent(block.ratios[-1])}"
    shown = ratios if len(block.ratios) > 1 else f"at {percent(block.ratios[0])}"
    about = replace(block.about, metric="AP").saying("groups", f"AP of each label, {shown}; {_COUNTS}")
    return Sheet(
        title=f"{block.title}, AP by label",
        caption=about.text,
        heads=(Head("known"), Head("test"), *(Head(row.name) for row in found.rows)),
        lines=(*labels, *means),
        notes=block.notes,
        key=slug(f"{block.title} ap by label"),
        stub="label",
        ranked="row",
    )
