"""What a report is about: the chosen results of a store, and the cells beside them that have none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from pmll_datasets.registry import ALIASES

from ..errors import ConfigError
from ..store.records import Result
from ..store.status import STATES, CellStatus, cell_status
from ..store.store import Store
from ..wording import counted


@dataclass(frozen=True)
class Chosen:
    """Results, and cells of the same methods and data sets without one."""

    results: list[Result]
    without: list[CellStatus]

    @property
    def warnings(self) -> list[str]:
        """What the reader of a report should know of the cells that are not in it."""
        if not self.without:
            return []
        states = Counter(cell.state for cell in self.without)
        by_state = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
        cells = f"{counted(len(self.without), 'cell')} {'has' if len(self.without) == 1 else 'have'}"
        damaged = [
            f"{cell.id} ({cell.label} on {cell.dataset}): {cell.message}; run it again"
            for cell in self.without
            if cell.damaged
        ]
        return [f"{cells} no result: {by_state}; see 'pmll-bench status'", *damaged]


def choose(store: Store, methods: Collection[str] = (), datasets: Collection[str] = ()) -> Chosen:
    """What a store holds of some methods (by name or label) and data sets (by name or alias); of all without any.

    Raises `ConfigError` where that is no result.
    """
    wanted, names = set(methods), {ALIASES.get(name, name) for name in datasets}
    results: list[Result] = []
    without: list[CellStatus] = []
    there: set[str] = set()
    for folder in store.folders():
        found = folder.result() or cell_status(folder)
        there.add(f"{found.label} on {found.dataset}")
        if (wanted and not wanted & {found.label, folder.path.parent.name}) or (names and found.dataset not in names):
            continue
        if isinstance(found, Result):
            results.append(found)
        else:
            without.append(found)
    chosen = Chosen(results, without)
    if not results:
        known = f"available: {', '.join(sorted(there))}" if there else "'pmll-bench run' makes some"
        raise ConfigError("no results to show", where=str(store.root), hint="; ".join([*chosen.warnings, known]))
    return chosen
