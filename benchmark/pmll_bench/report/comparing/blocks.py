"""Which results can be compared: the blocks that methods share, and the reason if there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from pmll_errors import counted

from ...errors import ConfigError, UsageError, nearest
from ...plan.cell import AXES
from ..frame import COMPARABLE, ORACLE, row_name
from ..papers.names import Named
from ..tables.table import Layout, shown_names

_WORDS: Mapping[str, str] = {
    "dataset": "the data set",
    "options": "the options of the data set",
    "fingerprint": "the fingerprint of the data set",
    "train": "the training images",
    "test": "the test images",
    "classes": "the classes",
    "regime": "the regime",
    "mask": "the mask rule",
    **{name: f"the {each.column}" for name, each in AXES.items()},
    "track": "the track",
    "resolution": "the resolution",
    "rates": "the number of tried learning rates",
    "labels": "the label filter",
    "scored": "the labels scored",
}


def with_names(lines: pd.DataFrame) -> pd.DataFrame:
    """The lines of a data frame of results that have scores, with the name of their row in the column `name`.

    The results of oracle epochs are left out: their scores are not stored.
    """
    kept = lines[lines["selection"] != ORACLE]
    return kept.assign(name=[row_name(*key) for key in zip(kept["label"], kept["selection"], strict=True)])


def names_as_shown(lines: pd.DataFrame, layout: Layout) -> Mapping[str, Named]:
    """The name of each row of `with_names` as the layout shows it, with the key of its reference."""
    shown = shown_names(list(lines["label"]), layout.names)
    rows = set(zip(lines["name"], lines["label"], lines["selection"], strict=True))
    return {
        name: Named(row_name(shown[label], selection), layout.cites.get(label, "")) for name, label, selection in rows
    }


def find_name(asked: str, lines: pd.DataFrame) -> str:
    """The row that a user means, by its name, or by the name of a method that has a single row.

    Raises `UsageError` for an unknown name, and for a method with several rows.
    """
    names: list[str] = sorted(set(lines["name"]))
    if asked in names:
        return asked
    rows: list[str] = sorted(set(lines.loc[(lines["label"] == asked) | (lines["method"] == asked), "name"]))
    if len(rows) == 1:
        return rows[0]
    if rows:
        raise UsageError(f"{asked!r} has {counted(len(rows), 'row')}", hint=f"choose one of {', '.join(rows)}")
    raise UsageError(f"no results of {asked!r}", hint=nearest(asked, names))


def shared_blocks(
    lines: pd.DataFrame, names: Sequence[str], against: str | None = None
) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    """The lines of the named rows by block of comparable results: blocks to compare, and the others.

    A block is compared if at least two of the rows occur in it, one of which is `against` if that is given. Raises
    `ConfigError` with the columns that differ if there is none.
    """
    chosen = lines[lines["name"].isin(names)]
    blocks = [part for _, part in chosen.groupby(list(COMPARABLE))]
    shared = [len(rows := set(part["name"])) > 1 and (against is None or against in rows) for part in blocks]
    if any(shared):
        found = list(zip(blocks, shared, strict=True))
        return [part for part, compared in found if compared], [part for part, compared in found if not compared]
    if len(set(names)) < 2:
        raise ConfigError("there is only one row, so nothing to compare it with", where=", ".join(names))
    raise _incomparable(names, blocks)


def _incomparable(names: Sequence[str], blocks: Sequence[pd.DataFrame]) -> ConfigError:
    """The error for rows without a common block: the two most similar ones, and what distinguishes them."""
    ordered = sorted(blocks, key=lambda block: names.index(block["name"].iloc[0]))
    first, second = min(
        (pair for pair in combinations(ordered, 2) if pair[0]["name"].iloc[0] != pair[1]["name"].iloc[0]),
        key=lambda pair: len(_differing(*pair)),
    )
    one, other = first["name"].iloc[0], second["name"].iloc[0]
    return ConfigError(
        f"{one} and {other} cannot be compared: they differ in {'; '.join(differences(first, second))}",
        where=str(first["dataset"].iloc[0]),
        hint="only results of the same data, labels and protocol are comparable; run both in one grid",
    )


def differences(first: pd.DataFrame, second: pd.DataFrame) -> list[str]:
    """What distinguishes two blocks, with the value of each: "the track (smoke, paper)"."""
    return [
        f"{_WORDS[name]} ({_text(name, first)}, {_text(name, second)})"
        for name in _most_telling(_differing(first, second))
    ]


def _differing(first: pd.DataFrame, second: pd.DataFrame) -> list[str]:
    return [name for name in COMPARABLE if first[name].iloc[0] != second[name].iloc[0]]


def _most_telling(columns: Iterable[str]) -> list[str]:
    """Without the columns that follow from another one: another data set has other counts."""
    found = list(columns)
    implied = {
        "dataset": ("options", "fingerprint", "train", "test", "classes", "scored", "resolution"),
        "options": ("fingerprint", "train", "test"),
        "fingerprint": ("scored",),
        "labels": ("scored",),
        "track": ("resolution", "rates"),
    }
    hidden = {name for cause in found for name in implied.get(cause, ())}
    return [name for name in found if name not in hidden]


def _text(name: str, part: pd.DataFrame) -> str:
    value: Any = part[name].iloc[0]
    if name == "fingerprint":
        return str(value)[:8]
    if name == "scored":
        return counted(len(value), "label")
    if name in AXES:
        return AXES[name].shown(value)
    return str(value) or "none"
