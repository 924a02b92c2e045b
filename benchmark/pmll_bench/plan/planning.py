"""Plans a request: collects the facts about data sets and methods, and expands them into cells with `grid`."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pmll_datasets import dataset
from pmll_datasets.registry import is_file, paper_options
from pmll_errors import counted
from pmll_methods.method import names
from pmll_methods.settings import as_plain

from ..errors import ConfigError, nearest
from .caveats import caveats
from .cell import Cell
from .grid import expand, groups, skipped
from .images import note_replaced
from .label_coverage import check_labels
from .mask import check_mask_fits, mask_facts
from .memory import too_large
from .method_facts import check_method, method_facts
from .planned import DataFacts, Group, MaskFacts, Planned
from .problems import Problems
from .request import DEFAULT, MethodRow, Request

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """The cells of a grid, their groups, and notes for the user."""

    cells: tuple[Planned, ...]
    groups: tuple[Group, ...]
    data: tuple[DataFacts, ...]
    notes: tuple[str, ...] = ()


def plan(request: Request) -> Plan:
    """Plan all cells of a request.

    Raises `ConfigError`, `DataError` or `MethodError` before any work starts.
    """
    request, problems = dataclasses.replace(request, methods=_all_methods(request)), Problems()
    with problems:
        mask = mask_facts(request)
    for row in request.rows:
        with problems:
            check_method(row)
    for name in request.datasets:
        with problems:
            dataset.find(name)
    with problems:
        options = request.overrides.data
    problems.raise_all()
    with problems:
        _check_options(request, options)
    data = []
    for name in request.datasets:
        with problems:
            data.append(data_facts(name, request, options, mask))
    problems.raise_all()
    methods = method_facts(request, [facts.name for facts in data], problems)
    problems.raise_all()
    with problems:
        for error in too_large(request, data, methods):
            with problems:
                raise error
    problems.raise_all()
    cells = expand(request, data, methods, mask)
    left_out = [
        f"{name} is left out: it does not support the regime {request.regime!r}" for name in skipped(request, methods)
    ]
    of_data = [note for facts in data for note in facts.notes]
    of_labels = check_labels(cells, {facts.label: facts for rows in methods.values() for facts in rows}, open_dataset)
    notes = (*of_data, *of_labels, *left_out, *caveats(request, data, methods))
    planned = Plan(cells, groups(cells), tuple(data), notes)
    log.info("planned %s in %s", counted(len(cells), "cell"), counted(len(planned.groups), "group"))
    return planned


def _all_methods(request: Request) -> tuple[MethodRow, ...]:
    """The rows with `all` and `default` expanded. The installed packages are searched for methods only if asked."""
    several: Mapping[str, Callable[[], Sequence[str]]] = {"all": names, "default": lambda: DEFAULT}
    rows: list[MethodRow] = []
    for row in request.rows:
        rows += [MethodRow(name) for name in several[row.method]()] if row.method in several else [row]
    return tuple(rows)


def data_facts(name: str, request: Request, options: Mapping[str, Any], mask: MaskFacts) -> DataFacts:
    """The facts about a data set; the mask must fit it."""
    root = str(Path(request.data_root).resolve()) if request.data_root else None
    if is_file(name):
        root = name = str(Path(name).resolve())
    usual = paper_options(name, request.regime) if request.track_on(name) == "paper" else {}
    own = usual | {option: value for option, value in options.items() if option in dataset.find(name).options}
    loaded = _load(name, root, tuple(sorted(own.items())), request.subset)
    if not (loaded.test.labels > 0).any():
        raise ConfigError(f"no test image of {loaded.name} has a positive label, so nothing can be scored")
    check_mask_fits(request, mask, loaded)
    return DataFacts(
        name=loaded.name,
        options=loaded.options,
        fingerprint=loaded.fingerprint,
        root=root,
        train=len(loaded.train),
        test=len(loaded.test),
        classes=len(loaded.classes),
        images=loaded.contents,
        notes=(*loaded.notes, *note_replaced(loaded), *note_smoke_track(name, request)),
    )


def note_smoke_track(name: str, request: Request) -> tuple[str, ...]:
    """A note if a user's own images run on the smoke track by default."""
    if request.track is not None or not is_file(name):
        return ()
    what = f"{Path(name).name}: the smoke track (small recipe, tiny tower) is only for a first try"
    return (f"{what}; for meaningful numbers use --track paper or controlled, which need pretrained weights",)


def open_dataset(planned: Planned) -> dataset.Dataset:
    """The data set of a planned cell. Raises `DataError` if it has changed since the cell was planned."""
    cell, root = planned.cell, planned.where.root
    options = {name: value for name, value in cell.options.items() if name != "subset"}
    name = root if root is not None and is_file(root) else cell.dataset
    loaded = _load(name, root, tuple(sorted(options.items())), cell.options.get("subset"))
    if loaded.fingerprint != cell.fingerprint:
        raise dataset.DataError(
            f"{cell.dataset} has changed since the cell was planned", where=root, hint="plan again: pmll-bench run"
        )
    note_replaced(loaded)
    return loaded


@lru_cache(maxsize=4)
def _load(name: str, root: str | None, options: tuple[tuple[str, Any], ...], subset: int | None) -> dataset.Dataset:
    """Load a data set once per process."""
    return dataset.load(name, None if name == root else root, dict(options), subset)


def _check_options(request: Request, options: Mapping[str, Any]) -> None:
    """At least one data set must have the option of each `--set data.NAME=V`."""
    known = {option for name in request.datasets for option in dataset.find(name).options}
    for name in options:
        if name not in known:
            raise ConfigError(
                f"no data set of the grid has an option {name!r}", where="--set", hint=nearest(name, known)
            )


def as_listed(planned: Planned) -> dict[str, Any]:
    """A planned cell as `run --dry-run --json` prints it."""
    cell: Cell = planned.cell
    return {
        "id": cell.id,
        **cell.as_plain(),
        "label": planned.label,
        "track": planned.track,
        "settings_full": dict(planned.settings),
        "recipe_full": as_plain(planned.recipe),
    }
