"""Finds results whose image files have changed. Their identity is unaffected, so the change can only be reported."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pmll_datasets.dataset import Dataset, load

from ..plan.cell import canonical
from ..plan.planned import DataFacts, Planned
from .store import Store


def changed_image_warnings(cells: Iterable[Planned], data: Iterable[DataFacts], store: Store | None) -> tuple[str, ...]:
    """Warnings about finished cells in a store, if there is one, whose image files have changed since they finished.

    These cells keep their identity and their numbers; the user decides whether to run them again.
    """
    if store is None:
        return ()
    now = {facts.name: facts.images for facts in data}
    finished = [(each.cell, store.summary(each.cell)) for each in cells]
    stale = [cell for cell, found in finished if found and found.images and found.images != now[cell.dataset]]
    if not stale:
        return ()
    what = f"warning: the images have changed since these cells finished: {', '.join(cell.id for cell in stale)}"
    return (f"{what}; to run one again, remove its folder, {store.folder(stale[0]).path}",)


def results_with_changed_images(data: Dataset, name: str, data_root: Path | None, root: Path) -> list[str]:
    """The ids of the results of a data set whose image files have changed since they were made."""
    store = _store_in(root)
    if store is None:
        return []
    summaries = (store.index.summary(folder) for folder in store.folders())
    results = [each for each in summaries if each is not None and each.dataset == data.name and each.images]
    now = {canonical(data.options): data.contents}
    for text, options in {canonical(each.options): each.options for each in results}.items():
        if text not in now:
            chosen = {option: value for option, value in options.items() if option != "subset"}
            now[text] = load(name, data_root, chosen, options.get("subset")).contents
    return [each.cell_id for each in results if each.images != now[canonical(each.options)]]


def _store_in(root: Path) -> Store | None:
    """The store in a folder; None if the folder is not a store."""
    return Store.open(root) if (root / "store.json").exists() else None
