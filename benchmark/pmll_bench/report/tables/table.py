"""The table of results: methods by ratio, one block per set of comparable results. Metrics become percent only here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ...errors import ConfigError, nearest
from ...plan.cell import AXES, percent
from ..frame import COMPARABLE, ORACLE, ROW, Identity
from ..known import kind_of, known_of
from ..metric_names import METRICS
from .aggregate import Number, aggregate
from .caption import NO_LOGITS, Caption, caption, notes
from .repetitions import repetitions
from .row import Beside, Column, Row


@dataclass(frozen=True)
class Layout:
    """The contents and the form of a table.

    Rows follow the `order` of their labels; other rows come after them, by name. Labels in `inferred` get a mark: parts
    of their methods are not stated in the papers. A number over fewer than `min_seeds` masks, or seeds if there is one
    mask, is shown but not ranked; the default is what most numbers of the block have.

    `form` is the name of a layout (`layouts.LAYOUTS`). `names` and `datasets` are the names to show instead of labels
    of methods and names of data sets, and `cites` the BibTeX key by label, for LaTeX.
    """

    metric: str = "map"
    decimals: int = 1
    min_seeds: int | None = None
    order: Sequence[str] = ()
    inferred: Collection[str] = ()
    form: str = "ratios"
    names: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)
    cites: Mapping[str, str] = field(default_factory=dict)

    @property
    def metric_title(self) -> str:
        return METRICS[self.metric]


@dataclass(frozen=True)
class Block:
    """Comparable rows. `identity` has the values that they share (`frame.COMPARABLE`); numbers are in percent.

    `columns` are added to the right of the numbers and `beside` are added rows. They are shown in every format and
    belong to no method's numbers: `rows` and `numbers` do not contain them.
    """

    metric: str
    identity: Identity
    title: str
    about: Caption
    ratios: tuple[float, ...]
    headers: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    over: str  # the sd is the spread over these: masks or seeds
    columns: tuple[Column, ...] = ()
    beside: tuple[Beside, ...] = ()

    @property
    def caption(self) -> str:
        """One paragraph that describes the numbers."""
        return self.about.text

    @property
    def percents(self) -> tuple[float, ...]:
        """The ratios in percent."""
        return tuple(round(100 * ratio, 2) for ratio in self.ratios)

    @property
    def numbers(self) -> tuple[Number, ...]:
        return tuple(number for row in self.rows for number in row.numbers)


@dataclass(frozen=True)
class Table:
    """One metric of a set of results."""

    layout: Layout
    blocks: tuple[Block, ...]


def build(results: pd.DataFrame, layout: Layout | None = None) -> Table:
    """The table of a data frame of results (`frame.frame`).

    Raises `ConfigError` for an unknown metric, or one that these results do not have.
    """
    layout = layout or Layout()
    if layout.metric not in METRICS:
        raise ConfigError(f"unknown metric {layout.metric!r}", hint=nearest(layout.metric, METRICS))
    if results.empty:
        return Table(layout, ())
    if layout.metric not in results:
        filtered = set(results["labels"]) != {"all"}
        hint = (
            "only the mAP is stored per label: choose map, or the labels 'all'" if filtered else f"{NO_LOGITS}: try map"
        )
        raise ConfigError(f"these results have no {layout.metric}", hint=hint)
    parts = [part for _, part in results.groupby(list(COMPARABLE))]
    titles = _titles([_identity(part) for part in parts], [known_of(part) for part in parts], layout.datasets)
    return Table(layout, tuple(_block(part, title, layout) for part, title in zip(parts, titles, strict=True)))


def _block(part: pd.DataFrame, title: str, layout: Layout) -> Block:
    identity, names = _identity(part), _row_names(part, layout)
    dataset = layout.datasets.get(identity["dataset"], identity["dataset"])
    ratios = tuple(sorted(set(part["ratio"])))
    over = repetitions(part, layout.min_seeds)
    means = aggregate(
        over.values(part, names, layout.metric),
        rows=tuple(names.values()),
        columns=ratios,
        decimals=layout.decimals,
        unranked=[name for (_, selection), name in names.items() if selection == ORACLE],
        thin={(names[label, selection], ratio) for label, selection, ratio in over.thin},
    )
    views = {key: ", ".join(sorted(set(own))) for key, own in part.groupby(list(ROW))["view"]}
    stated = {key: bool(own.all()) for key, own in part.groupby(list(ROW))["stated"]}
    rows = tuple(
        Row(*key, key[0] in layout.inferred, stated[key], numbers, views[key])
        for key, numbers in zip(names, means, strict=True)
    )
    return Block(
        metric=layout.metric,
        identity=identity,
        title=title,
        about=caption(identity, part, layout.metric_title, over, dataset),
        ratios=ratios,
        headers=_headers(ratios, layout.metric_title, identity["regime"]),
        rows=rows,
        notes=tuple(notes(part, rows, over, layout.metric, layout.metric_title)),
        over=over.unit,
    )


def _identity(part: pd.DataFrame) -> Identity:
    """The shared values of a block, as plain Python values."""
    return dict(zip(COMPARABLE, part[list(COMPARABLE)].astype(object).iloc[0], strict=True))


def _row_names(part: pd.DataFrame, layout: Layout) -> dict[tuple[str, str], str]:
    """The names of the rows in their order; a selection rule other than `last` is part of the name."""
    place = {label: number for number, label in enumerate(layout.order)}
    keys = sorted(
        set(zip(part["label"], part["selection"], strict=True)),
        key=lambda key: (place.get(key[0], len(place)), key[0], key[1] != "last", key[1]),
    )
    suffixes = {"last": "", ORACLE: f" [{ORACLE}, oracle]"}
    names = _distinct_names([label for label, _ in keys], layout.names)
    return {(label, rule): names[label] + suffixes.get(rule, f" [{rule}]") for label, rule in keys}


def _distinct_names(labels: Sequence[str], names: Mapping[str, str]) -> dict[str, str]:
    """The name of each label; labels that would share one keep their own."""
    often = Counter(names.get(label, label) for label in set(labels))
    return {label: name if often[name := names.get(label, label)] == 1 else label for label in labels}


def _headers(ratios: Sequence[float], metric: str, regime: str) -> tuple[str, ...]:
    if len(ratios) > 1:
        return (*map(percent, ratios), "Avg.")
    return (percent(ratios[0]) if regime in ("partial", "semi") else metric,)


_DISTINGUISHING: Mapping[str, Callable[[Any], str]] = {  # each takes the value of its column
    "options": lambda options: options or "no options",
    "fingerprint": lambda fingerprint: f"data {fingerprint[:8]}",
    "mask": lambda mask: f"mask {mask}",
    **{name: axis.titled for name, axis in AXES.items()},
    "track": lambda track: f"track {track}",
    "resolution": lambda resolution: f"{resolution} px",
    "rates": lambda rates: f"the best of {rates} learning rates" if rates else "one learning rate",
    "scored": lambda scored: f"labels scored: {len(scored)}",
}


def _titles(identities: Sequence[Identity], known: Sequence[float], datasets: Mapping[str, str]) -> list[str]:
    """Data set and regime, and only what distinguishes the block from others of the same data set and regime."""
    names = [
        f"{datasets.get(identity['dataset'], identity['dataset'])}, {kind_of(identity['regime'], share)} labels"
        for identity, share in zip(identities, known, strict=True)
    ]
    titles = []
    for name, identity in zip(names, identities, strict=True):
        alike = [other for other, of in zip(identities, names, strict=True) if of == name]
        needed: list[str] = []
        for column in _DISTINGUISHING:
            if _distinct(alike, [*needed, column]) > _distinct(alike, needed):
                needed.append(column)
        titles.append(", ".join([name, *(_DISTINGUISHING[column](identity[column]) for column in needed)]))
    return titles


def _distinct(identities: Sequence[Identity], columns: Sequence[str]) -> int:
    return len({tuple(identity[column] for column in columns) for identity in identities})
