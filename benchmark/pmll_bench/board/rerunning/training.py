"""Trains the drawn cells of a package again, in a temporary store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pmll_errors import counted

from ...launch.local.pool import run_in_slots
from ...plan.grid import groups
from ...plan.planning import open_dataset
from ...running.execution import Execution
from ...running.listeners import Listener
from ...running.stopping import Stop
from ...store.store import Store
from ...submission.evidence import RerunCell
from ...submission.package import PackagedCell
from .chosen import Code
from .comparing import compared
from .machine import Places, same_platform

Say: TypeAlias = Callable[[str], None]


@dataclass(frozen=True)
class How:
    """How a package is re-run: the machine, and who is told and may stop it, as in `run_groups`.

    `device`, `threads` and `workers` are those asked for.
    """

    listener: Listener
    stop: Stop
    places: Places = field(default_factory=Places)
    device: str | None = None
    threads: int | None = None
    workers: int | None = None

    @property
    def say(self) -> Say:
        return self.listener.note


def train_again(
    cells: Iterable[PackagedCell], code: Mapping[str, Code], execution: Execution, how: How, folder: Path
) -> Mapping[str, RerunCell]:
    """Train cells again in `folder`, with the code of each method in a process of its own, and compare them.

    Raises `KeyboardInterrupt` if it was asked to stop, `ConfigError` if pretrained files are elsewhere, `DataError` for
    a data set that is missing, and `StoreError` if the disk is full.
    """
    pairs = [(cell, how.places.planned(cell.record, code[cell.record.cell.method].target(folder))) for cell in cells]
    here = execution.environment
    store = Store.open(folder / "cells")
    how.say(f"training {counted(len(pairs), 'cell')} again")
    run_in_slots(groups(planned for _, planned in pairs), store, [execution], how.listener, how.stop)
    if how.stop.is_set():
        raise KeyboardInterrupt
    found = {}
    for cell, planned in pairs:
        again, data = store.folder(planned.cell), open_dataset(planned)
        same = same_platform(cell.result.environment, here)
        found[planned.cell.id] = compared(cell, again, data, same_platform=same)
    return found
