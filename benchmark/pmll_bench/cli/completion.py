"""Shell completion: the names of methods, data sets, regimes, masks, tracks, ablations and metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def _methods() -> Iterable[str]:
    from pmll_methods.method import REGISTRY

    return (*REGISTRY, "all", "default")


def _datasets() -> Iterable[str]:
    from pmll_datasets.registry import ALIASES, DATASETS

    return (*DATASETS, *ALIASES)


def _regimes() -> Iterable[str]:
    from pmll_datasets.registry import REGIMES

    return REGIMES


def _masks() -> Iterable[str]:
    from pmll_datasets.masks import RULES

    return RULES


def _tracks() -> Iterable[str]:
    from .describe import TRACKS

    return TRACKS


def _ablations() -> Iterable[str]:
    from ..ablations import names

    return names()


def _metrics() -> Iterable[str]:
    from ..report.metric_names import METRICS

    return METRICS


def _fetched() -> Iterable[str]:
    from pmll_methods.towers.glove import FILES

    return (*_datasets(), *FILES)


def _shown() -> Iterable[str]:
    return (name for name in (*_methods(), *_datasets()) if name not in ("all", "default"))


NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "methods": _methods,
    "datasets": _datasets,
    "regimes": _regimes,
    "masks": _masks,
    "tracks": _tracks,
    "ablations": _ablations,
    "metrics": _metrics,
    "shown": _shown,
    "fetched": _fetched,
}


def names_of(kind: str) -> Callable[[str], list[str]]:
    """A completion for an option or an argument: the names that begin with the text after its last comma."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in NAMES[kind]() if name.startswith(last)]

    return complete


def cells_of(ctx: Any, incomplete: str) -> list[str]:
    """The ids of the cells, in the store that the command names, that begin with the text."""
    from ..store.store import Store

    return [
        folder.id
        for folder in Store(Path(ctx.params.get("root") or "runs")).folders()
        if folder.id.startswith(incomplete)
    ]
