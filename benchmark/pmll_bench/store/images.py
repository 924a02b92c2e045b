"""Results whose images have changed since they were made: they keep their identity, so it can only be reported."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pmll_datasets.dataset import Dataset, load

from ..plan.cell import canonical
from ..plan.planned import DataFacts, Planned
from .store import Store


def made_from_others(cells: Iterable[Planned], data: Iterable[DataFacts], root: Path) -> tuple[str, ...]:
    """What to say of finished cells in the store `root` that were made when the image files held something else.

    They keep their identity, and so their number: it can only be told, and made again by hand.
    """
    store, now = _store_in(root), {facts.name: facts.images for facts in data}
    if store is None:
        return ()
    finished = [(each.cell, store.folder(each.cell).result()) for each in cells]
    stale = [cell for cell, found in finished if found and found.images and found.images != now[cell.dataset]]
    if not stale:
        return ()
    what = f"warning: the images have changed since these cells were done: {', '.join(cell.id for cell in stale)}"
    return (f"{what}; to run one again, remove its folder, {store.folder(stale[0]).path}",)


def results_of_others(data: Dataset, name: str, data_root: Path | None, root: Path) -> list[str]:
    store = _store_in(root)
    if store is None:
        return []
    results = [each for each in store.results() if each.dataset == data.name and each.images]
    now = {canonical(data.options): data.contents}
    for text, options in {canonical(each.cell.options): each.cell.options for each in results}.items():
        if text not in now:
            chosen = {option: value for option, value in options.items() if option != "subset"}
            now[text] = load(name, data_root, chosen, options.get("subset")).contents
    return [each.cell_id for each in results if each.images != now[canonical(each.cell.options)]]


def _store_in(root: Path) -> Store | None:
    """The store in a folder; None where the folder holds none, whatever else is in it."""
    return Store.open(root) if (root / "store.json").exists() else None
