"""Pictures that were replaced under their old names: what planning says of them, and which results knew others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pmll_datasets.dataset import DataError, Dataset, load
from pmll_datasets.verify import verify_files

from .cell import canonical
from .data_status import opened
from .grid import DataFacts, Planned
from .store import Store


def replaced(data: Dataset) -> tuple[str, ...]:
    """What to say where pictures of a user's own data set hold something else than when they were last seen.

    Raises `DataError` where those of any other data set do: its numbers would go by an identity that is not theirs.
    """
    seen = data.seen
    if not seen.changed:
        return ()
    if data.own:
        return (f"{data.name}: {seen.said}; this is another data set now; results of the old pictures stay separate",)
    hint = f"restore the pictures; or check and accept them as they are: pmll-bench data verify {data.name} --renew"
    raise DataError(f"{data.name}: {seen.said}", where=str(data.files[seen.changed[0]]), hint=hint)


def made_from_others(cells: Iterable[Planned], data: Iterable[DataFacts], root: Path) -> tuple[str, ...]:
    """What to say of finished cells in the store `root` that were made when the picture files held something else.

    They keep their identity, and so their number: it can only be told, and made again by hand.
    """
    store, now = _store_in(root), {facts.name: facts.pictures for facts in data}
    if store is None:
        return ()
    finished = [(each.cell, store.folder(each.cell).result()) for each in cells]
    stale = [cell for cell, found in finished if found and found.pictures and found.pictures != now[cell.dataset]]
    if not stale:
        return ()
    what = f"warning: the pictures have changed since these cells were done: {', '.join(cell.id for cell in stale)}"
    return (f"{what}; to run one again, remove its folder, {store.folder(stale[0]).path}",)


def verify(name: str, data_root: Path | None, root: Path, sets: Sequence[str], *, renew: bool) -> dict[str, Any]:
    """Decode every picture of a data set, and compare with earlier looks and with the results in the store `root`.

    Returns the fields of `pmll_datasets.verify.Verdict` and, as `results_of_others`, the cells whose results were made
    when the picture files held something else. Results made before they recorded that are left out.
    """
    data = opened(name, data_root, sets)
    others = _results_of_others(data, name, data_root, root)
    return {"dataset": data.name, **vars(verify_files(data, renew=renew)), "results_of_others": others}


def _store_in(root: Path) -> Store | None:
    """The store in a folder; None where the folder holds none, whatever else is in it."""
    return Store.open(root) if (root / "store.json").exists() else None


def _results_of_others(data: Dataset, name: str, data_root: Path | None, root: Path) -> list[str]:
    store = _store_in(root)
    if store is None:
        return []
    results = [each for each in store.results() if each.dataset == data.name and each.pictures]
    now = {canonical(data.options): data.contents}
    for text, options in {canonical(each.cell.options): each.cell.options for each in results}.items():
        if text not in now:
            chosen = {option: value for option, value in options.items() if option != "subset"}
            now[text] = load(name, data_root, chosen, options.get("subset")).contents
    return [each.cell_id for each in results if each.pictures != now[canonical(each.cell.options)]]
