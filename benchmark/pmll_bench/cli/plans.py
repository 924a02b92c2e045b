"""Plans for commands: leaves out unavailable methods, downloads word vectors and lists cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmll_errors import counted

from .output import columns, print_json, tell

if TYPE_CHECKING:
    from ..plan.planned import Planned
    from ..plan.planning import Plan
    from ..plan.request import Request
    from ..store.store import Store


def plan_of(request: Request, root: Path, *, dry_run: bool) -> Plan:
    """Plan a request and print the notes. Methods whose weights or word vectors could not be downloaded are left out.

    A dry run imports no torch if all methods use embedded towers and word vectors.
    """
    from ..plan.method_facts import needs_no_download
    from ..plan.planning import plan
    from ..store.images import changed_image_warnings

    planned, store = plan(request), _store_in(root)
    waiting = _waiting(planned.cells, store)
    if needy := [each for each in waiting if not needs_no_download(each)]:
        from ..prepare.downloads import without_unavailable

        planned = without_unavailable(planned, request, needy)
    left = {each.cell.id for each in planned.cells}
    if about := [each for each in (needy if dry_run else waiting) if each.cell.id in left]:
        from ..prepare.class_names import indistinguishable_classes

        planned = replace(planned, notes=(*planned.notes, *indistinguishable_classes(about)))
    for note in (*planned.notes, *changed_image_warnings(planned.cells, planned.data, store)):
        tell(note)
    if store is not None:
        store.index.save()
    return planned


def _waiting(cells: Iterable[Planned], store: Store | None) -> list[Planned]:
    """The cells that are not done."""
    return [each for each in cells if store is None or store.summary(each.cell) is None]


def _store_in(root: Path) -> Store | None:
    """The store in a folder; None if the folder is missing or empty. Raises `StoreError` for other content."""
    from ..faults import store_errors
    from ..store.store import Store

    with store_errors(root):
        empty = root.is_dir() and all(path.name.startswith(".") for path in root.iterdir())
    return Store.open(root, create=False) if root.exists() and not empty else None


def fetch_words(planned: Plan, request: Request, root: Path) -> None:
    """Download missing word vectors. A failed download is reported, and the cells that need it fail later."""
    with_words = [each for each in planned.cells if each.settings.get("words")]
    waiting = _waiting(with_words, _store_in(root)) if with_words else []
    if not waiting:
        return
    from pmll_datasets.errors import DataError

    from ..prepare.class_names import indistinguishable_classes
    from ..prepare.downloads import words_to_fetch
    from ..prepare.word_vectors import cache_vectors
    from ..run.progress import downloading

    for name, prompt_names in words_to_fetch(waiting).items():
        try:
            with downloading() as progress:
                cache_vectors(name, prompt_names, Path(request.data_root) if request.data_root else None, progress)
        except DataError as error:
            tell(f"the word vectors {name} could not be downloaded: {error}")
        for note in indistinguishable_classes(each for each in waiting if each.settings["words"] == name):
            tell(note)


def _state(store: Store, planned: Planned) -> str:
    if store.summary(planned.cell) is not None:
        return "done"
    return store.folder(planned.cell).unfinished(clock=store.index.clock).name


def show_plan(planned: Plan, root: Path, as_json: bool, more: Mapping[str, Any] | None = None) -> None:
    """Print the cells of a plan and their states; `more` is added to the JSON document."""
    from ..plan.cell import AXES, percent
    from ..plan.planning import as_listed

    store = _store_in(root)
    group_of = {each.cell.id: number for number, group in enumerate(planned.groups, 1) for each in group.cells}
    states = [_state(store, each) if store else "planned" for each in planned.cells]
    groups = [group_of[each.cell.id] for each in planned.cells]
    if as_json:
        listed = [
            {**as_listed(each), "state": state, "group": group}
            for each, state, group in zip(planned.cells, states, groups, strict=True)
        ]
        print_json("plan", {"cells": listed, "notes": planned.notes, **(more or {})})
        return
    cells = [each.cell for each in planned.cells]
    varied = [name for name in AXES if any(name in cell.varied for cell in cells)]
    shown = {
        "cell": [cell.id for cell in cells],
        "method": [each.label for each in planned.cells],
        "data set": [cell.dataset for cell in cells],
        "ratio": [percent(cell.ratio) for cell in cells],
        **{AXES[name].column: [AXES[name].shown(getattr(cell, name)) for cell in cells] for name in varied},
        "mask seed": [cell.mask_seed for cell in cells],
        "seed": [cell.seed for cell in cells],
        "track": [each.track for each in planned.cells],
        "group": groups,
        "state": states,
    }
    print(columns(list(shown), list(zip(*shown.values(), strict=True))))
    number, in_groups = counted(len(cells), "cell"), counted(len(planned.groups), "group")
    tell(f"{number} in {in_groups}, {states.count('done')} done")
