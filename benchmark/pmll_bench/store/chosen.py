"""The cells of a store that a command is about: by id, by method and by data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pmll_datasets.registry import ALIASES

from ..errors import UsageError, nearest
from .cell_folder import CellFolder
from .store import Store


def chosen(
    store: Store, ids: Sequence[str] = (), methods: Sequence[str] = (), datasets: Sequence[str] = ()
) -> list[CellFolder]:
    """The cells with these ids or their beginnings, else all cells, of these methods and data sets, if any are given.

    A method is given by its name or by the label of its rows. Raises `UsageError` for what the store does not have.
    """
    folders = [store.find(prefix) for prefix in ids] if ids else list(store.folders())
    if datasets:
        meant = [ALIASES.get(name, name) for name in datasets]
        folders = _of(folders, meant, lambda folder: (folder.path.parent.parent.name,), "data set")
    return _of(folders, methods, _method_and_label, "method") if methods else list(dict.fromkeys(folders))


def _method_and_label(folder: CellFolder) -> tuple[str, ...]:
    record = folder.record()
    return (folder.path.parent.name, *((record.label,) if record is not None else ()))


def _of(
    folders: Iterable[CellFolder], names: Sequence[str], names_of: Callable[[CellFolder], tuple[str, ...]], what: str
) -> list[CellFolder]:
    """The cells with one of these names."""
    named = [(folder, names_of(folder)) for folder in folders]
    known = sorted({name for _, of_cell in named for name in of_cell})
    for name in names:
        if name not in known:
            raise UsageError(f"no cell of the {what} {name!r}", hint=nearest(name, known))
    return list(dict.fromkeys(folder for folder, of_cell in named if set(of_cell) & set(names)))
