"""The results of a report: those chosen from a store, and the chosen cells without a result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from pmll_datasets.registry import ALIASES
from pmll_errors import counted

from ..errors import ConfigError
from ..store.status import STATES, CellStatus, cell_status
from ..store.store import Store
from ..store.summary import Summary


@dataclass(frozen=True)
class Chosen:
    """The chosen results, and the chosen cells that have none."""

    results: list[Summary]
    unfinished: list[CellStatus]

    @property
    def warnings(self) -> list[str]:
        """Warnings about cells that are missing from the report."""
        if not self.unfinished:
            return []
        states = Counter(cell.state for cell in self.unfinished)
        by_state = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
        cells = f"{counted(len(self.unfinished), 'cell')} {'has' if len(self.unfinished) == 1 else 'have'}"
        damaged = [
            f"{cell.id} ({cell.label} on {cell.dataset}): {cell.message}; run it again"
            for cell in self.unfinished
            if cell.damaged
        ]
        return [f"{cells} no result: {by_state}; see 'pmll-bench status'", *damaged]


def choose(store: Store, methods: Collection[str] = (), datasets: Collection[str] = ()) -> Chosen:
    """The results of some methods (by name or label) and data sets (by name or alias); by default of all.

    Raises `ConfigError` if there are none.
    """
    wanted, names = set(methods), {ALIASES.get(name, name) for name in datasets}
    results: list[Summary] = []
    unfinished: list[CellStatus] = []
    available: set[str] = set()
    for folder in store.folders():
        found = store.index.summary(folder) or cell_status(folder, index=store.index)
        available.add(f"{found.label} on {found.dataset}")
        if (wanted and not wanted & {found.label, folder.path.parent.name}) or (names and found.dataset not in names):
            continue
        if isinstance(found, Summary):
            results.append(found)
        else:
            unfinished.append(found)
    store.index.save()
    chosen = Chosen(results, unfinished)
    if not results:
        known = f"available: {', '.join(sorted(available))}" if available else "run 'pmll-bench run' first"
        raise ConfigError("no results to show", where=str(store.root), hint="; ".join([*chosen.warnings, known]))
    return chosen
