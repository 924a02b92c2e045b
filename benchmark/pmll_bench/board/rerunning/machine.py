"""The machine of a re-run: where data and weights are, device and threads, and whether it is the submitted platform."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pmll_methods.method import MethodError

from ...errors import ConfigError
from ...machine import choose_device, cores, gpus, usual_workers
from ...plan.grid import recipe_digest
from ...plan.method_facts import pretrained
from ...plan.overrides import Overrides, parse_sets
from ...plan.planned import Planned, Where
from ...running.execution import Execution
from ...store.environment import Environment
from ...store.records import CellRecord
from ...submission.places import PRETRAINED

SAME = ("cpu", "threads", "device", "torch", "numpy")


@dataclass(frozen=True)
class Places:
    """The places of data sets and pretrained files on this machine; `pretrained` are settings as `--set` gives them."""

    data_root: Path | None = None
    pretrained: Overrides = field(default_factory=Overrides)

    @classmethod
    def of(cls, data_root: Path | None, sets: Iterable[str]) -> Places:
        """From the options of the command. Raises `ConfigError` for other settings: they would make another cell."""
        found = parse_sets(sets)
        layers = (found, *found.per_method.values())
        names = {name for each in layers for name in (*each.settings, *each.recipe, *each.data)}
        if others := sorted(names - {*PRETRAINED}):
            hint = f"only the places of pretrained files can be given: {', '.join(PRETRAINED)}"
            raise ConfigError(f"{', '.join(others)} would change the cells", where="--set", hint=hint)
        return cls(data_root, found)

    def planned(self, record: CellRecord, target: str) -> Planned:
        """A submitted cell, ready to run here with the method `target`.

        That its settings are those of its identity is checked when it begins (`running.method_files`), as for any cell.
        Raises `ConfigError` if its pretrained files are not at the places given.
        """
        own = self.pretrained.per_method.get(record.cell.method, Overrides()).settings
        given = {name: value for name, value in {**self.pretrained.settings, **own}.items() if name in record.settings}
        settings = {**record.settings, **given}
        _check_pretrained(record, settings)
        root = None if self.data_root is None else str(self.data_root.expanduser().resolve())
        return replace(record.planned(), where=Where(root, target), settings=settings)


def _check_pretrained(record: CellRecord, settings: Mapping[str, Any]) -> None:
    try:
        same = recipe_digest(record.recipe, pretrained(settings)) == record.cell.recipe
        what = "the pretrained files are not those that the cells were trained with"
    except MethodError as error:
        same, what = False, error.what
    if not same:
        names = " ".join(f"--set {record.cell.method}.{name}=…" for name in PRETRAINED if settings.get(name))
        raise ConfigError(what, where=record.label, hint=f"give their places: {names}" if names else None)


def execution_for(
    submitted: Iterable[Environment], device: str | None, threads: int | None, workers: int | None = None
) -> Execution:
    """Device and threads: those asked for, else the most frequent ones of the submitted results, if they are here.

    `workers` read images; by default, there are as many as the cores allow.
    """
    environments = list(submitted)
    usual_device = _most_frequent(environments, "device")
    usual_threads = _most_frequent(environments, "threads")
    if device is None and (usual_device == "cpu" or gpus() == 0):
        device = "cpu"
    if threads is None and isinstance(usual_threads, int) and 1 <= usual_threads <= cores():
        threads = usual_threads
    return Execution(choose_device(device), threads or cores(), workers or usual_workers(cores()))


def _most_frequent(environments: Iterable[Environment], name: str) -> str | bool | int | None:
    counted = Counter(each.get(name) for each in environments).most_common(1)
    return counted[0][0] if counted else None


def same_platform(submitted: Environment, here: Environment) -> bool:
    """Whether scores have to be bit-equal: the same processor, threads and versions, without a GPU.

    The kernels of GPUs may add in another order each time.
    """
    return here.get("device") == "cpu" and all(
        here.get(name) is not None and submitted.get(name) == here.get(name) for name in SAME
    )
