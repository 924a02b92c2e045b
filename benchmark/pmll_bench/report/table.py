"""The paper's table: methods by ratio, one block for each set of comparable results. The one place of percent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..errors import ConfigError, nearest
from ..plan.cell import AXES, percent
from .aggregate import Shown, aggregate
from .caption import NO_LOGITS, caption, notes
from .frame import COMPARABLE, ORACLE, ROW
from .known import kind_of, known_of
from .line import Line
from .repetitions import repetitions

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
    methods' papers leave something open. A number over fewer than `min_seeds` masks, or seeds of the one mask (None:
    what most numbers of its block have) is shown and not ranked.
    """

    metric: str = "map"
    decimals: int = 1
    min_seeds: int | None = None
    order: Sequence[str] = ()
    inferred: Collection[str] = ()

    @property
    def metric_title(self) -> str:
        return METRICS[self.metric]


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
    over: str  # what ± is the spread over: masks or seeds

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
        filtered = set(results["labels"]) != {"all"}
        hint = "only the mAP is kept by label: choose it, or the labels 'all'" if filtered else f"{NO_LOGITS}: try map"
        raise ConfigError(f"these results have no {layout.metric}", hint=hint)
    parts = [part for _, part in results.groupby(list(COMPARABLE))]
    titles = _titles([_identity(part) for part in parts], [known_of(part) for part in parts])
    return Table(layout, tuple(_block(part, title, layout) for part, title in zip(parts, titles, strict=True)))


def _block(part: pd.DataFrame, title: str, layout: Layout) -> Block:
    identity, names = _identity(part), _row_names(part, layout.order)
    ratios = tuple(sorted(set(part["ratio"])))
    over = repetitions(part, layout.min_seeds)
    rows = aggregate(
        over.values(part, names, layout.metric),
        rows=tuple(names.values()),
        columns=ratios,
        decimals=layout.decimals,
        unranked=[name for (_, selection), name in names.items() if selection == ORACLE],
        thin={(names[label, selection], ratio) for label, selection, ratio in over.thin},
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
        caption=caption(identity, part, layout.metric_title, over),
        ratios=ratios,
        headers=_headers(ratios, layout.metric_title, identity["regime"]),
        lines=lines,
        notes=tuple(notes(part, lines, over, layout.metric, layout.metric_title)),
        over=over.unit,
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


def _headers(ratios: Sequence[float], metric: str, regime: str) -> tuple[str, ...]:
    if len(ratios) > 1:
        return (*map(percent, ratios), "Avg.")
    return (percent(ratios[0]) if regime in ("partial", "semi") else metric,)


_TELLS_APART: Mapping[str, Callable[[Any], str]] = {
    "options": lambda options: options or "no options",
    "fingerprint": lambda fingerprint: f"data {fingerprint[:8]}",
    "mask": lambda mask: f"mask {mask}",
    **{name: axis.titled for name, axis in AXES.items()},
    "track": lambda track: f"track {track}",
    "resolution": lambda resolution: f"{resolution} px",
    "rates": lambda rates: f"the best of {rates} learning rates" if rates else "one learning rate",
    "scored": lambda scored: f"labels scored: {len(scored)}",
}


def _titles(identities: Sequence[Mapping[str, Any]], known: Sequence[float]) -> list[str]:
    """Data set and regime, and no more than it takes to tell a block from others of the same data set and regime."""
    names = [
        f"{identity['dataset']}, {kind_of(identity['regime'], share)} labels"
        for identity, share in zip(identities, known, strict=True)
    ]
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
