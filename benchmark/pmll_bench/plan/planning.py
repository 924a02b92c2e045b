"""From what a user asks for to a plan: reads data sets and methods, then leaves the rest to `grid`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pmll_datasets import dataset
from pmll_datasets.registry import is_file, paper_options
from pmll_methods.method import names
from pmll_methods.settings import as_plain

from ..errors import ConfigError, nearest
from .caveats import caveats
from .cell import Cell
from .grid import expand, groups, skipped
from .images import replaced
from .label_coverage import refuse_or_note
from .mask import mask_facts, refuse_unfit
from .method_facts import check_method, method_facts
from .planned import DataFacts, Group, MaskFacts, Planned
from .problems import Problems
from .request import DEFAULT, MethodRow, Request


@dataclass(frozen=True)
class Plan:
    """The cells of a grid, their groups, and what the user should know about them."""

    cells: tuple[Planned, ...]
    groups: tuple[Group, ...]
    data: tuple[DataFacts, ...]
    notes: tuple[str, ...] = ()


def plan(request: Request) -> Plan:
    """Every cell that a request asks for.

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
    cells = expand(request, data, methods, mask)
    left_out = [f"{name} is left out: it has no regime {request.regime!r}" for name in skipped(request, methods)]
    of_data = [note for facts in data for note in facts.notes]
    taught = refuse_or_note(cells, {facts.label: facts for rows in methods.values() for facts in rows}, open_dataset)
    notes = (*of_data, *taught, *left_out, *caveats(request, data, methods))
    return Plan(cells, groups(cells), tuple(data), notes)


def _all_methods(request: Request) -> tuple[MethodRow, ...]:
    """The rows, `all` and `default` spelled out."""
    several = {"all": names(), "default": DEFAULT}
    rows: list[MethodRow] = []
    for row in request.rows:
        rows += [MethodRow(name) for name in several[row.method]] if row.method in several else [row]
    return tuple(rows)


def data_facts(name: str, request: Request, options: Mapping[str, Any], mask: MaskFacts) -> DataFacts:
    """What planning needs to know of a data set that the mask fits."""
    root = str(Path(request.data_root).resolve()) if request.data_root else None
    if is_file(name):
        root = name = str(Path(name).resolve())
    usual = paper_options(name, request.regime) if request.track_on(name) == "paper" else {}
    own = usual | {option: value for option, value in options.items() if option in dataset.find(name).options}
    loaded = _load(name, root, tuple(sorted(own.items())), request.subset)
    if not (loaded.test.labels > 0).any():
        raise ConfigError(f"no test image of {loaded.name} has a positive label: there is nothing to score")
    refuse_unfit(request, mask, loaded)
    return DataFacts(
        name=loaded.name,
        options=loaded.options,
        fingerprint=loaded.fingerprint,
        root=root,
        train=len(loaded.train),
        test=len(loaded.test),
        classes=len(loaded.classes),
        images=loaded.contents,
        notes=(*loaded.notes, *replaced(loaded), *trying_out(name, request)),
    )


def trying_out(name: str, request: Request) -> tuple[str, ...]:
    """What to say of a user's own images on a track that nobody has chosen."""
    if request.track is not None or not is_file(name):
        return ()
    what = f"{Path(name).name}: the smoke track (small recipe, tiny tower) is for trying things out"
    return (f"{what}; for real numbers use --track paper or controlled, which need pretrained weights",)


def open_dataset(planned: Planned) -> dataset.Dataset:
    """The data set of a planned cell. Raises `DataError` where it is no longer what was planned on."""
    cell, root = planned.cell, planned.where.root
    options = {name: value for name, value in cell.options.items() if name != "subset"}
    name = root if root is not None and is_file(root) else cell.dataset
    loaded = _load(name, root, tuple(sorted(options.items())), cell.options.get("subset"))
    if loaded.fingerprint != cell.fingerprint:
        raise dataset.DataError(
            f"{cell.dataset} has changed since the cell was planned", where=root, hint="plan again: pmll-bench run"
        )
    replaced(loaded)
    return loaded


@lru_cache(maxsize=4)
def _load(name: str, root: str | None, options: tuple[tuple[str, Any], ...], subset: int | None) -> dataset.Dataset:
    """A data set, read once a process."""
    return dataset.load(name, None if name == root else root, dict(options), subset)


def _check_options(request: Request, options: Mapping[str, Any]) -> None:
    """Every `--set data.NAME=V` must mean something to at least one data set."""
    known = {option for name in request.datasets for option in dataset.find(name).options}
    for name in options:
        if name not in known:
            raise ConfigError(f"no data set here has an option {name!r}", where="--set", hint=nearest(name, known))


def as_listed(planned: Planned) -> dict[str, Any]:
    """A planned cell as `run --dry-run --json` shows it."""
    cell: Cell = planned.cell
    return {
        "id": cell.id,
        **cell.as_plain(),
        "label": planned.label,
        "track": planned.track,
        "settings_full": dict(planned.settings),
        "recipe_full": as_plain(planned.recipe),
    }
