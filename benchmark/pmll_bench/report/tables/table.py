"""The table of results: methods by ratio, one block per set of comparable results. Metrics become percent only here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from ...errors import ConfigError, nearest
from ...plan.cell import percent
from ..frame import COMPARABLE, ORACLE, ROW, Identity
from ..known import known_of
from ..metric_names import METRICS, f1_pair
from .aggregate import Number, aggregate
from .caption import NO_LOGITS, Caption, caption, notes
from .repetitions import Repetitions, repetitions
from .row import Beside, Column, Row
from .titles import titles


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
    form: str = "auto"
    names: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)
    cites: Mapping[str, str] = field(default_factory=dict)

    @property
    def metric_title(self) -> str:
        return METRICS[self.metric]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the table shows: more than one in the form f1."""
        return f1_pair(self.metric) if self.form == "f1" else (self.metric,)

    def dataset(self, identity: Identity) -> str:
        """The name of a block's data set, as shown."""
        name: str = identity["dataset"]
        return self.datasets.get(name, name)

    def place(self, label: str, selection: str) -> tuple[int, str, bool, str]:
        """What rows are sorted by."""
        place = self.order.index(label) if label in self.order else len(self.order)
        return place, label, selection != "last", selection


@dataclass(frozen=True)
class Block:
    """Comparable rows. `identity` has the values that they share (`frame.COMPARABLE`); numbers are in percent.

    `columns` are added to the right of the numbers and `beside` are added rows. They are shown in every format and
    belong to no method's numbers: `rows` and `numbers` do not contain them. `about_columns` are the notes about added
    columns, which are among the `notes`.
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
    about_columns: tuple[str, ...] = ()

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

    def with_columns(self, columns: Iterable[Column], said: Sequence[str]) -> Block:
        """The block with more columns and what is said about them in notes."""
        return replace(
            self,
            columns=(*self.columns, *columns),
            notes=(*self.notes, *said),
            about_columns=(*self.about_columns, *said),
        )

    @property
    def without_columns(self) -> Block:
        """The block without added columns and the notes about them."""
        own = tuple(note for note in self.notes if note not in self.about_columns)
        return replace(self, columns=(), notes=own, about_columns=())


@dataclass(frozen=True)
class Table:
    """A set of results as blocks, in the order of their data sets and regimes; one block per metric that is shown."""

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
    for metric in layout.metrics:
        _require(metric, results)
    parts = [part for _, part in results.groupby(list(COMPARABLE))]
    names = titles([_identity(part) for part in parts], [known_of(part) for part in parts], layout.datasets)
    blocks = (
        _block(part, title, layout, metric)
        for part, title in zip(parts, names, strict=True)
        for metric in layout.metrics
    )
    return Table(layout, tuple(blocks))


def _require(metric: str, results: pd.DataFrame) -> None:
    if metric not in results:
        filtered = set(results["labels"]) != {"all"}
        hint = (
            "only the mAP is stored per label: choose map, or the labels 'all'" if filtered else f"{NO_LOGITS}: try map"
        )
        raise ConfigError(f"these results have no {metric}", hint=hint)


def _block(part: pd.DataFrame, title: str, layout: Layout, metric: str) -> Block:
    identity, names = _identity(part), _row_names(part, layout)
    ratios = tuple(sorted(set(part["ratio"])))
    over = repetitions(part, layout.min_seeds)
    means = aggregate(
        over.values(part, names, metric),
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
        metric=metric,
        identity=identity,
        title=title,
        about=caption(identity, part, METRICS[metric], over, layout.dataset(identity)),
        ratios=ratios,
        headers=_headers(ratios, METRICS[metric], identity["regime"]),
        rows=rows,
        notes=tuple(_notes(part, rows, over, layout, metric)),
        over=over.unit,
    )


def _notes(part: pd.DataFrame, rows: Sequence[Row], over: Repetitions, layout: Layout, metric: str) -> Iterator[str]:
    """The notes of a block, with the names of methods as shown."""
    names = shown_names(list(part["label"]), layout.names)
    shown = replace(over, trained_once=tuple(names[label] for label in over.trained_once))
    titles = " or ".join(METRICS[each] for each in layout.metrics)  # one note for all: they are missing together
    return notes(part.assign(label=part["label"].map(names)), rows, shown, metric, titles)


def _identity(part: pd.DataFrame) -> Identity:
    """The shared values of a block, as plain Python values."""
    return dict(zip(COMPARABLE, part[list(COMPARABLE)].astype(object).iloc[0], strict=True))


def _row_names(part: pd.DataFrame, layout: Layout) -> dict[tuple[str, str], str]:
    """The names of the rows in their order; a selection rule other than `last` is part of the name."""
    keys = sorted(set(zip(part["label"], part["selection"], strict=True)), key=lambda key: layout.place(*key))
    suffixes = {"last": "", ORACLE: f" [{ORACLE}, oracle]"}
    names = shown_names([label for label, _ in keys], layout.names)
    return {(label, rule): names[label] + suffixes.get(rule, f" [{rule}]") for label, rule in keys}


def shown_names(labels: Sequence[str], names: Mapping[str, str]) -> dict[str, str]:
    """The name of each label; labels that would share one keep their own."""
    often = Counter(names.get(label, label) for label in set(labels))
    return {label: name if often[name := names.get(label, label)] == 1 else label for label in labels}


def _headers(ratios: Sequence[float], metric: str, regime: str) -> tuple[str, ...]:
    if len(ratios) > 1:
        return (*map(percent, ratios), "Avg.")
    return (percent(ratios[0]) if regime in ("partial", "semi") else metric,)
