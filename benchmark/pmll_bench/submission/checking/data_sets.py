"""The data sets of a package, as they are on this machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from pmll_datasets import dataset
from pmll_datasets.dataset import Dataset
from pmll_datasets.errors import DataError
from pmll_datasets.masks import RULES
from pmll_datasets.registry import DATASETS, REGIMES, is_file, resolve_options

from ...plan.cell import Cell, canonical

Loaded: TypeAlias = Callable[[Cell], Dataset]
Room: TypeAlias = Callable[[], AbstractContextManager[None]]


def request_problem(cell: Cell) -> str | None:
    """Why no data set, regime or mask of this version is what a cell names; None if one is.

    Nothing may be written in two ways: a cell would have two ids.
    """
    options = {name: value for name, value in cell.options.items() if name != "subset"}
    subset = cell.options.get("subset", 1)
    if type(subset) is not int or subset < 1:
        return "the option subset is not a whole number from 1 on"
    if cell.dataset in DATASETS:
        try:
            resolved = resolve_options(cell.dataset, options)
        except DataError as error:
            return str(error)
        if canonical({name: resolved[name] for name in options}) != canonical(options):
            return "the options of the data set are not written as this version writes them"
    return _mask_problem(cell)


def _mask_problem(cell: Cell) -> str | None:
    if cell.regime not in REGIMES:
        return f"the regime {cell.regime!r} is unknown"
    if (cell.regime == "full") != (cell.mask == "none"):
        return f"the mask {cell.mask!r} does not fit the regime {cell.regime!r}"
    if cell.mask.startswith("list/"):
        return "the mask is a file, which a package does not hold: use a rule with a name"
    if cell.mask_seed and not cell.noise and not (cell.mask in RULES and RULES[cell.mask].seeded):
        return f"the mask {cell.mask!r} is the same for all mask seeds, so that the mask seed is 0"
    if cell.mask != "none" and cell.regime not in (RULES[cell.mask].draws if cell.mask in RULES else ()):
        return f"the mask {cell.mask!r} is not a rule of the regime {cell.regime!r}"
    return None


def loader(data_root: Path | None, room: Room = nullcontext) -> Loaded:
    """Loads the data set of a cell, in `data_root`: a folder, or the label file of a user's own data set.

    `room` is entered while one is loaded. Raises `DataError` if it is missing or damaged. The last four stay in memory.
    """

    @lru_cache(maxsize=4)
    def load(name: str, options: tuple[tuple[str, object], ...], subset: int | None) -> Dataset:
        with room():
            return dataset.load(name, data_root, dict(options), subset)  # type: ignore[arg-type]

    def of(cell: Cell) -> Dataset:
        name = cell.dataset
        if name not in DATASETS:  # never a name from a package as a path
            if data_root is None or not is_file(str(data_root)):
                hint = "give its label file: --data-root path/to/labels.csv"
                raise DataError(f"{name} is somebody's own data set", where=name, hint=hint)
            name = str(data_root)
        options = tuple(sorted((key, value) for key, value in cell.options.items() if key != "subset"))
        return load(name, options, cell.options.get("subset"))

    return of
