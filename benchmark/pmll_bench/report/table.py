"""The paper's table: methods by ratio, one block for each set of comparable results. The one place of percent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mode
from typing import Any, NamedTuple

import pandas as pd

from pmll_datasets.registry import DATASETS

from ..errors import ConfigError, nearest
from .aggregate import MISSING, Row, Shown, Value, aggregate
from .frame import COMPARABLE, LABEL_FILTERS, ORACLE, ROW

INFERRED = "†"
ELSEWHERE = "‡"

_F1 = ("OP", "OR", "OF1", "CP", "CR", "CF1", "CF1_macro")
_RULES = {"": "", "top3_": ", top 3", "top3_threshold_": ", top 3 and score ≥ 0"}
METRICS: Mapping[str, str] = {
    "map": "mAP",
    "map_hcp": "mAP (envelope)",
    **{rule + name: name.replace("CF1_macro", "macro CF1") + said for rule, said in _RULES.items() for name in _F1},
}


@dataclass(frozen=True)
class Layout:
    """What a table shows, and how.

    Rows come in the `order` of their labels, others after them by name. Labels in `inferred` get a mark: their
    methods' papers leave something open. A number over fewer than `min_seeds` seeds (None: what most numbers of
    its block have) is shown and not ranked.
    """

    metric: str = "map"
    decimals: int = 1
    min_seeds: int | None = None
    order: Sequence[str] = ()
    inferred: Collection[str] = ()

    @property
    def metric_title(self) -> str:
        return METRICS[self.metric]


class Line(NamedTuple):
    """A method's row of a block."""

    label: str
    selection: str
    inferred: bool
    stated: bool  # whether its recipe's source gives it for this data set and regime
    row: Row
    view: str  # how its test pictures get their size

    @property
    def name(self) -> str:
        marks = (INFERRED if self.inferred else "") + ("" if self.stated else ELSEWHERE)
        return f"{self.row.name} {marks}" if marks else self.row.name

    @property
    def numbers(self) -> tuple[Shown, ...]:
        """The numbers as shown, from left to right: a single column needs no average."""
        return (*self.row.cells, self.row.average) if len(self.row.cells) > 1 else self.row.cells


@dataclass(frozen=True)
class Block:
    """Rows that may be compared. `identity` holds what they share (`frame.COMPARABLE`); numbers are percent."""

    identity: Mapping[str, Any]
    title: str
    caption: str
    ratios: tuple[float, ...]
    headers: tuple[str, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    @property
    def percents(self) -> tuple[float, ...]:
        """The ratios as percent."""
        return tuple(round(100 * ratio, 2) for ratio in self.ratios)

    @property
    def numbers(self) -> tuple[Shown, ...]:
        return tuple(shown for line in self.lines for shown in line.numbers)


@dataclass(frozen=True)
class Table:
    """One metric of a set of results."""

    layout: Layout
    blocks: tuple[Block, ...]


def build(results: pd.DataFrame, layout: Layout | None = None) -> Table:
    """The table of a frame of results (`frame.frame`).

    Errors: ConfigError for a metric that is unknown or that these results don't have.
    """
    layout = layout or Layout()
    if layout.metric not in METRICS:
        raise ConfigError(f"unknown metric {layout.metric!r}", hint=nearest(layout.metric, METRICS))
    if results.empty:
        return Table(layout, ())
    if layout.metric not in results:
        hint = "only the mAP is kept by label: choose it, or the labels 'all'"
        raise ConfigError(f"these results have no {layout.metric}", hint=hint)
    parts = [part for _, part in results.groupby(list(COMPARABLE))]
    titles = _titles([_identity(part) for part in parts])
    return Table(layout, tuple(_block(part, title, layout) for part, title in zip(parts, titles, strict=True)))


def percent(ratio: float) -> str:
    """A ratio as a table shows it.

    >>> percent(0.29), percent(0.125)
    ('29%', '12.5%')
    """
    return f"{100 * ratio:.6g}%"


def _block(part: pd.DataFrame, title: str, layout: Layout) -> Block:
    identity, names = _identity(part), _row_names(part, layout.order)
    ratios = tuple(sorted(set(part["ratio"])))
    least = layout.min_seeds or mode(sorted(_seeds_by_number(part)))
    columns = (part[name] for name in (*ROW, "ratio", "mask_seed", "seed", layout.metric))
    rows = aggregate(
        [
            Value(names[label, selection], ratio, (mask_seed, seed), 100 * value)
            for label, selection, ratio, mask_seed, seed, value in zip(*columns, strict=True)
        ],
        rows=tuple(names.values()),
        columns=ratios,
        decimals=layout.decimals,
        min_seeds=least,
        unranked=[name for (_, selection), name in names.items() if selection == ORACLE],
    )
    views = {key: ", ".join(sorted(set(own))) for key, own in part.groupby(list(ROW))["view"]}
    stated = {key: bool(own.all()) for key, own in part.groupby(list(ROW))["stated"]}
    lines = tuple(
        Line(*key, key[0] in layout.inferred, stated[key], row, views[key])
        for key, row in zip(names, rows, strict=True)
    )
    return Block(
        identity=identity,
        title=title,
        caption=_caption(identity, part, layout.metric_title),
        ratios=ratios,
        headers=_headers(ratios, layout.metric_title, identity["regime"]),
        lines=lines,
        notes=tuple(_notes(part, lines, least)),
    )


def _identity(part: pd.DataFrame) -> dict[str, Any]:
    """What the lines of a block share, as plain values."""
    return dict(zip(COMPARABLE, part[list(COMPARABLE)].astype(object).iloc[0], strict=True))


def _row_names(part: pd.DataFrame, order: Sequence[str]) -> dict[tuple[str, str], str]:
    """What each row is called, in the order of the rows; a selection rule other than `last` is named."""
    place = {label: number for number, label in enumerate(order)}
    keys = sorted(
        set(zip(part["label"], part["selection"], strict=True)),
        key=lambda key: (place.get(key[0], len(place)), key[0], key[1] != "last", key[1]),
    )
    said = {"last": "", ORACLE: f" [{ORACLE}, oracle]"}
    return {(label, rule): label + said.get(rule, f" [{rule}]") for label, rule in keys}


def _seeds_by_number(part: pd.DataFrame) -> list[int]:
    return [len(cells) for _, cells in part.groupby([*ROW, "ratio"])]


def _headers(ratios: Sequence[float], metric: str, regime: str) -> tuple[str, ...]:
    if len(ratios) > 1:
        return (*map(percent, ratios), "Avg.")
    return (percent(ratios[0]) if regime in ("partial", "semi") else metric,)


_TELLS_APART: Mapping[str, Callable[[Any], str]] = {
    "options": lambda options: options or "no options",
    "fingerprint": lambda fingerprint: f"data {fingerprint[:8]}",
    "mask": lambda mask: f"mask {mask}",
    "noise": lambda noise: f"label noise {percent(noise)}",
    "track": lambda track: f"track {track}",
    "resolution": lambda resolution: f"{resolution} px",
    "rates": lambda rates: f"the best of {rates} learning rates" if rates else "one learning rate",
    "scored": lambda scored: f"labels scored: {len(scored)}",
}


def _titles(identities: Sequence[Mapping[str, Any]]) -> list[str]:
    """Data set and regime, and no more than it takes to tell a block from others of the same data set and regime."""
    names = [f"{identity['dataset']}, {identity['regime']} labels" for identity in identities]
    titles = []
    for name, identity in zip(names, identities, strict=True):
        alike = [other for other, of in zip(identities, names, strict=True) if of == name]
        needed: list[str] = []
        for field in _TELLS_APART:
            if _distinct(alike, [*needed, field]) > _distinct(alike, needed):
                needed.append(field)
        titles.append(", ".join([name, *(_TELLS_APART[field](identity[field]) for field in needed)]))
    return titles


def _distinct(identities: Sequence[Mapping[str, Any]], fields: Sequence[str]) -> int:
    return len({tuple(identity[field] for field in fields) for identity in identities})


def _caption(identity: Mapping[str, Any], part: pd.DataFrame, metric: str) -> str:
    options = f", {identity['options']}" if identity["options"] else ""
    rules = sorted(set(part["selection"]))
    return (
        f"{metric} (%) on {identity['dataset']} ({identity['train']:,} training and {identity['test']:,} test pictures,"
        f" {identity['classes']} classes{options}{_unverified(identity['dataset'])}). Labels: {_labels(identity)}."
        f" Regime: {identity['regime']}{_regime(identity)}."
        f" Track: {identity['track']}, tested at {identity['resolution']} px, {_views(part)}{_rates(identity)}."
        f" Selection: {rules[0] if len(rules) == 1 else 'last, unless a row names another'}. {_spread(part)}."
    )


def _unverified(dataset: str) -> str:
    """The mark of a data set whose counts no official list could be held against."""
    return ", count unverified" if dataset in DATASETS and not DATASETS[dataset].verified else ""


def _regime(identity: Mapping[str, Any]) -> str:
    """What the ratio is a share of where it isn't entries, the mask, and the noise where there is any."""
    share = " (share of fully labelled pictures)" if identity["regime"] == "semi" else ""
    noise = f", {percent(identity['noise'])} of the known labels turned round" if identity["noise"] else ""
    return f"{share}, mask {identity['mask']}{noise}"


def _labels(identity: Mapping[str, Any]) -> str:
    scored, classes, name = len(identity["scored"]), identity["classes"], identity["labels"]
    if name == "all":
        return f"all {classes}" if scored == classes else f"all {classes}, {scored} of them with test positives"
    least = LABEL_FILTERS[name]
    return f"{name}, {scored} of {classes} (at least {least.train} training and {least.test} test positives)"


def _views(part: pd.DataFrame) -> str:
    """How test pictures get their size: each method's own way on the paper track, which doesn't part its rows."""
    views = sorted(set(part["view"]))
    return f"view{'s' if len(views) > 1 else ''} {', '.join(views)}"


def _rates(identity: Mapping[str, Any]) -> str:
    return f", learning rate the best of {identity['rates']} on held-out labels" if identity["rates"] else ""


def _spread(part: pd.DataFrame) -> str:
    """How many seeds there are, and what ± means."""
    counts = _seeds_by_number(part)
    crossed = part["mask_seed"].nunique() > 1 and (part.groupby("mask_seed")["seed"].nunique() > 1).any()
    number = f"{max(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    what = "pairs of mask seed and training seed" if crossed else "seeds"
    return f"Mean ± sd (ddof 1) over {number} {what}" if max(counts) > 1 else "One seed, so no ±"


def _notes(part: pd.DataFrame, lines: Sequence[Line], least: int) -> Iterator[str]:
    cells = [cell for line in lines for cell in line.row.cells]
    if any(line.selection == ORACLE for line in lines):
        yield "An oracle row keeps the epoch with the best test result; it is never ranked."
    if any(line.inferred for line in lines):
        what = "parts of the method are inferred or reconstructed"
        yield f"{INFERRED} After the paper: {what}; 'pmll-bench show NAME' lists them."
    if not all(line.stated for line in lines):
        yield f"{ELSEWHERE} The recipe is from another data set or regime: the method's source gives none for this one."
    for (label, _), own in part.groupby(list(ROW)):
        if own["variant"].nunique() > 1:
            yield f"The settings or the recipe of {label} differ between ratios."
    if any(0 < cell.n < least for cell in cells):
        yield f"Numbers over fewer than {least} seeds are not ranked."
    if any(cell.n == 0 for cell in cells):
        yield f"{MISSING} no result."
