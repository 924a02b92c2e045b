"""Plans for commands: prints their notes and lists their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """Plan a request and print the notes; see `prepare.plans`."""
    from ..prepare.plans import prepared_plan

    planned = prepared_plan(request, root, dry_run=dry_run)
    for note in planned.notes:
        tell(note)
    return planned


def _state(store: Store, planned: Planned) -> str:
    if store.summary(planned.cell) is not None:
        return "done"
    return store.folder(planned.cell).unfinished(clock=store.index.clock).name


def show_plan(planned: Plan, root: Path, as_json: bool, more: Mapping[str, Any] | None = None) -> None:
    """Print the cells of a plan, their states and what their groups share; `more` is added to the JSON document."""
    from ..plan.cell import AXES, percent
    from ..plan.planning import as_listed
    from ..plan.sharing import in_words
    from ..prepare.plans import store_in

    store = store_in(root)
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
    for line in in_words(planned.groups, {facts.name: facts for facts in planned.data}):
        tell(line)
    if store is not None:
        _tell_time(planned, states, store)


def _tell_time(planned: Plan, states: Sequence[str], store: Store) -> None:
    """Print how long the cells that are not done take in one process, if finished cells of the store tell it."""
    from ..launch.estimate import ON_CPU, ON_GPU, duration_of, rates, some_results
    from ..running.progress import duration

    left = [each for each, state in zip(planned.cells, states, strict=True) if state != "done"]
    results = list(some_results(store)) if left else []
    for kind, name in ((ON_GPU, "a GPU"), (ON_CPU, "a CPU")):
        found = duration_of(left, rates(results, kind))
        if left and found.seconds is not None:
            rough = ", roughly" if found.basis == "scaled" else ""
            tell(f"about {duration(found.seconds)} in one process on {name}, as finished cells took{rough}")
