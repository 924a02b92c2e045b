"""The titles of blocks: data set and regime, and what distinguishes a block from others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...plan.cell import AXES
from ..frame import Identity
from ..known import kind_of

_SHOWN: Mapping[str, Callable[[Any], str]] = {  # how a title shows a column in which blocks differ
    "options": lambda options: options or "no options",
    "fingerprint": lambda fingerprint: f"data {fingerprint[:8]}",
    "mask": lambda mask: f"mask {mask}",
    **{name: axis.titled for name, axis in AXES.items()},
    "track": lambda track: f"track {track}",
    "resolution": lambda resolution: f"{resolution} px",
    "rates": lambda rates: f"the best of {rates} learning rates" if rates else "one learning rate",
    "scored": lambda scored: f"labels scored: {len(scored)}",
}


def titles(identities: Sequence[Identity], known: Sequence[float], datasets: Mapping[str, str]) -> list[str]:
    """Data set and regime, and only what distinguishes the block from others of the same data set and regime.

    `known` are the shares of labels that the data sets know, and `datasets` the names to show by name.
    """
    names = [
        f"{datasets.get(identity['dataset'], identity['dataset'])}, {kind_of(identity['regime'], share)} labels"
        for identity, share in zip(identities, known, strict=True)
    ]
    found = []
    for name, identity in zip(names, identities, strict=True):
        alike = [other for other, of in zip(identities, names, strict=True) if of == name]
        found.append(", ".join([name, *differences(identity, alike)]))
    return found


def differences(identity: Identity, others: Sequence[Identity], within: Iterable[str] = ()) -> list[str]:
    """What distinguishes an identity from others: as few of its columns as possible, as text.

    The columns `within` are known to the reader and not part of the text.
    """
    needed = [*within]
    for column in _SHOWN:
        if _distinct(others, [*needed, column]) > _distinct(others, needed):
            needed.append(column)
    return [_SHOWN[column](identity[column]) for column in needed if column in _SHOWN]


def _distinct(identities: Sequence[Identity], columns: Sequence[str]) -> int:
    return len({tuple(identity[column] for column in columns) for identity in identities})
