"""The results of a report: those chosen from a store, and the chosen cells that are without a result or withdrawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pmll_datasets.registry import ALIASES
from pmll_errors import counted

from ..errors import ConfigError
from ..plan.cell import percent
from ..store.cell_folder import CellFolder
from ..store.disputed import disputes
from ..store.merges import history
from ..store.merges import withdrawals as withdrawals_of
from ..store.status import STATES, CellStatus, cell_status
from ..store.store import Store
from ..store.summary import Summary


@dataclass(frozen=True)
class Chosen:
    """The chosen results, and the chosen cells that have none.

    `withdrawn` results are left out. `disputed` ones have a second result with other scores, which is not shown.
    """

    results: list[Summary]
    unfinished: list[CellStatus]
    withdrawn: Sequence[Summary] = ()
    disputed: Sequence[Summary] = ()

    @property
    def warnings(self) -> list[str]:
        """Warnings about cells that are missing from the report, or in dispute."""
        withdrawn = (f"withdrawn and left out: {row}" for row in _by_row(self.withdrawn))
        second = "there is a second result with other scores, the first is shown"
        disputed = (f"disputed: {row}; {second}" for row in _by_row(self.disputed))
        return [*self._missing, *withdrawn, *disputed]

    @property
    def _missing(self) -> list[str]:
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


def choose(
    store: Store, methods: Collection[str] = (), datasets: Collection[str] = (), ratios: Collection[float] = ()
) -> Chosen:
    """The results of some methods (by name or label), data sets (by name or alias) and ratios; by default of all.

    A cell without a result whose request is missing or damaged may be at any ratio, so it is always among the
    unfinished. Raises `ConfigError` if there are no results, or none at one of the ratios, and `StoreError` if the
    history of the store is damaged.
    """
    wanted, names = set(methods), {ALIASES.get(name, name) for name in datasets}
    withdrawals, in_dispute = withdrawals_of(history(store)), disputes(store)
    results: list[Summary] = []
    withdrawn: list[Summary] = []
    unfinished: list[CellStatus] = []
    available: set[str] = set()
    for folder in store.folders():
        found = store.index.summary(folder) or cell_status(folder, index=store.index)
        available.add(f"{found.label} on {found.dataset}")
        if (wanted and not wanted & {found.label, folder.path.parent.name}) or (names and found.dataset not in names):
            continue
        if isinstance(found, Summary):
            gone = found.scores in withdrawals.get(found.cell_id, {})
            (withdrawn if gone else results).append(found)
        elif not ratios or _may_be_at(ratios, folder):
            unfinished.append(found)
    store.index.save()
    chosen = Chosen(results, unfinished, withdrawn, [each for each in results if each.cell_id in in_dispute])
    if not results:
        known = f"available: {', '.join(sorted(available))}" if available else "run 'pmll-bench run' first"
        raise ConfigError("no results to show", where=str(store.root), hint="; ".join([*chosen.warnings, known]))
    return _only_at(ratios, chosen) if ratios else chosen


def _by_row(results: Iterable[Summary]) -> Iterator[str]:
    """Rows with their numbers of cells: "bce on shapes (9 cells)"."""
    rows = Counter(f"{each.label} on {each.dataset}" for each in results)
    return (f"{row} ({counted(number, 'cell')})" for row, number in rows.items())


def _only_at(ratios: Collection[float], chosen: Chosen) -> Chosen:
    kept = {
        name: [each for each in getattr(chosen, name) if each.ratio in ratios] for name in ("withdrawn", "disputed")
    }
    return replace(chosen, results=_at(ratios, chosen.results), **kept)


def _may_be_at(ratios: Collection[float], folder: CellFolder) -> bool:
    record = folder.record()
    return record is None or record.cell.ratio in ratios


def _at(ratios: Collection[float], results: Collection[Summary]) -> list[Summary]:
    found = {result.ratio for result in results}
    if absent := sorted(set(ratios) - found):
        has = ", ".join(map(percent, sorted(found)))
        raise ConfigError(f"no results at {', '.join(map(percent, absent))}", hint=f"there are results at {has}")
    return [result for result in results if result.ratio in ratios]
