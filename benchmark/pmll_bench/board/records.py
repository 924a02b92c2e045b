"""What a board shows, as plain records: collected from a store by `collect`, written as pages by `site`.

Numbers are in percent, as in tables; the matrices of a table are in the order of its ranked rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from ..published import Published
from ..report.frame import Identity
from ..report.tables.aggregate import Number


class Trust(IntEnum):
    """How far a number can be trusted, by the evidence for it; see `trust`."""

    claimed = 0
    rescored = 1
    rerun = 2
    reproduced = 3


@dataclass(frozen=True)
class Standing:
    """The place of a ranked row: its mAP over the ratios with the half-width of its 95 % interval, the ranks that it
    can have, and letters: rows that share one do not differ significantly."""

    map: float
    half_width: float
    best: int
    worst: int
    letters: str


@dataclass(frozen=True)
class Row:
    """One method in a table. `slug` is unique within the table, `method_page` names the page of the method.

    `numbers` has a number per ratio of the table and the average, if there is more than one. `standing` is None if the
    row is not ranked; `unranked` then says why. `masks` and `seeds` count distinct ones. `oracle_gap` is None without
    a recorded oracle. `cells` are the ids of its cells, `packages` the digests of the packages that they came with.
    `evidence` has one sentence per fact that the level of trust rests on, or that keeps it from the next level. `date`
    is the day of the newest result, and `disputed` has one text per disputed cell.
    """

    slug: str
    name: str
    label: str
    method: str
    method_page: str
    selection: str
    trust: Trust
    evidence: tuple[str, ...]
    numbers: tuple[Number, ...]
    standing: Standing | None
    unranked: str
    masks: int
    seeds: int
    present: int
    expected: int
    oracle_gap: float | None
    train_seconds: float | None
    predict_seconds: float | None
    memory_gb: float | None
    trained_parameters: float | None
    parameters: float | None
    flops: float | None
    machine: str
    tower: str
    inferred: bool
    stated: bool
    disputed: tuple[str, ...]
    cells: tuple[str, ...]
    packages: tuple[str, ...]
    authors: tuple[str, ...]
    paper: str
    code: str
    extra_data: str
    cite: str
    date: str


@dataclass(frozen=True)
class Table:
    """One page: the comparable results of a data set, regime and protocol.

    `ranked` are complete rows with scores, best first; `unranked` are the others, by name. `difference[i][j]` is the
    mAP of ranked row i minus that of row j, in points; `significant[i][j]` whether it differs from 0 (max-T over all
    pairs). `noise` is the smallest difference that the design can show, in points; None with a single row.
    `published` are numbers of papers for the same data set and regime, and `departures` says for each row of ours,
    by its slug, which tags of its protocol differ from the paper's.
    """

    slug: str
    title: str
    dataset: str
    regime: str
    identity: Identity
    caption: str
    ratios: tuple[float, ...]
    headers: tuple[str, ...]
    ranked: tuple[Row, ...]
    unranked: tuple[Row, ...]
    difference: tuple[tuple[float, ...], ...]
    significant: tuple[tuple[bool, ...], ...]
    noise: float | None
    notes: tuple[str, ...]
    published: tuple[Published, ...] = ()
    departures: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class OfClass:
    """The AP of one label in percent, averaged over the cells of a row; None without positives."""

    name: str
    ap: float | None
    known: int  # known positives in training, of the lowest ratio
    test: int


@dataclass(frozen=True)
class MethodPage:
    """A page per method: its card, its rows in all tables, and their settings, provenance and AP by label.

    `settings` and `environments` are by the slug of the table and that of the row, as are `classes`.
    """

    slug: str
    name: str
    title: str
    paper: str
    bibtex: str
    status: tuple[str, ...]
    differs: tuple[str, ...]
    built_in: bool
    rows: tuple[tuple[str, Row], ...]  # with the slug of its table
    settings: Mapping[tuple[str, str], Mapping[str, str]]
    environments: Mapping[tuple[str, str], tuple[str, ...]]
    classes: Mapping[tuple[str, str], tuple[OfClass, ...]]


@dataclass(frozen=True)
class Change:
    """A line of the history, in words. `date` is its day, `cells` the ids that it added, disputed or withdrew."""

    date: str
    kind: str  # added, disputed, withdrawn
    text: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Board:
    """All that the pages of a board show. `resamples` is the number of resamples behind the intervals."""

    title: str
    tables: tuple[Table, ...]
    methods: tuple[MethodPage, ...]
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]
    version: str
    resamples: int
