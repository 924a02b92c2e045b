"""What a submission would be: its arrays, where their settings come from, how long they take, and their scripts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ....plan.job_settings import Layers
from ....plan.planned import Group, Planned
from ....store.store import Store
from ...estimate import ON_CPU, ON_GPU, Duration, duration, rates, some_results
from ..queue.jobs import Learned, look
from ..queue.scheduler import configuration
from .arrays import Array
from .call import script
from .gate import checks_of
from .in_hand import missing, nothing_to_submit
from .sbatch import UNLIMITED, Batch, batch_of
from .submit import arrays_for


@dataclass(frozen=True, kw_only=True)
class ArrayPreview:
    """One array: what it asks for, and its script. `after` is the number of the array that it waits for.

    `time_limit` is in minutes, `longest` in seconds. `hours` are those of the GPUs, or of the processors if there are
    none; None if they are unknown. `too_long` jobs take longer than their time limit.
    """

    number: int
    jobs: int
    parallel: int
    after: int | None
    cells: int
    settings: Mapping[str, str]
    sources: Mapping[str, str]
    time_limit: int | None
    hours_of: Literal["GPU", "CPU"]
    hours: float | None
    measured: bool
    longest: float | None
    too_long: int
    requeue: bool
    script: str
    checked: int = 0  # rows of the smoke check before this array; 0: it has none of its own

    def as_plain(self) -> dict[str, Any]:
        """The array as plain data for JSON."""
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in vars(self).items()}


def preview(
    groups: Iterable[Group], store: Store, layers: Layers, *, device: str | None, threads: int | None
) -> list[ArrayPreview]:
    """The arrays that a submission of these groups would have. Nothing is written, and Slurm need not be installed."""
    groups = list(groups)
    cluster = configuration() if shutil.which("sbatch") else {}
    cells = [planned for group in groups for planned in group.cells]
    arrays = arrays_for(missing(groups, store, _listed(cells, store)), layers, cluster)
    results = list(some_results(store)) if arrays else []
    known = {kind: rates(results, kind) for kind in (ON_GPU, ON_CPU)}
    found = []
    to_check = checks_of(arrays, layers)
    with_check = {array.key for array, rows in zip(arrays, to_check, strict=True) if rows}
    for number, (array, rows) in enumerate(zip(arrays, to_check, strict=True)):
        gpus = gpus_of(array.settings)
        on_gpu = device.startswith(ON_GPU) if device else gpus > 0
        durations = [duration(group, known[ON_GPU if on_gpu else ON_CPU]) for group in array.groups]
        before = "" if array.after is None else f"afterany:<array {array.after + 1}>"
        check = "afterok:<smoke check>" if array.key in with_check else ""
        batch = batch_of(array.settings, threads).after(before, check)
        found.append(
            replace(_previewed(array, number, batch, store, durations, gpus if on_gpu else 0), checked=len(rows))
        )
    return found


def why_nothing(cells: Sequence[Planned], store: Store) -> str:
    """Why a submission of these cells would have no jobs, as far as Slurm answers. Nothing is written."""
    return nothing_to_submit(cells, store, _listed(cells, store))


def _listed(cells: Iterable[Planned], store: Store) -> Learned:
    """What Slurm says about the jobs of these cells; nothing where it does not answer."""
    learned = look(store, [store.folder(planned.cell) for planned in cells])
    return learned if learned.answered else Learned()


def _previewed(
    array: Array, number: int, batch: Batch, store: Store, durations: Sequence[Duration], gpus: int
) -> ArrayPreview:
    known = [each.seconds for each in durations if each.seconds is not None]
    complete = len(known) == len(durations)
    processors = array.settings.get("cpus", "1")
    limit = None if batch.minutes == UNLIMITED else batch.minutes
    return ArrayPreview(
        number=number + 1,
        jobs=len(array.groups),
        parallel=array.parallel,
        after=None if array.after is None else array.after + 1,
        cells=sum(len(group.cells) for group in array.groups),
        settings=array.settings,
        sources={key: each.where for key, each in array.sources.items() if key in array.settings},
        time_limit=limit,
        hours_of="GPU" if gpus else "CPU",
        hours=sum(known) * (gpus or int(processors)) / 3600 if complete else None,
        measured=all(each.basis == "measured" for each in durations),
        longest=max(known) if complete else None,
        too_long=sum(seconds > 60 * limit for seconds in known) if limit else 0,
        requeue=batch.requeue,
        script=script(batch, store.root.resolve() / "slurm", len(array.groups), array.parallel),
    )


def gpus_of(settings: Mapping[str, str]) -> int:
    """The number of GPUs that a job asks for.

    >>> gpus_of({"gpus": "a100:2"}), gpus_of({"gres": "gpu:1,shard:2"}), gpus_of({"mem": "8G"})
    (2, 1, 0)
    """
    asked = [settings[name] for name in ("gpus", "gpus-per-task") if name in settings]
    asked += [part.removeprefix("gpu") for part in settings.get("gres", "").split(",") if part.startswith("gpu")]
    numbers = [re.search(r"(?:^|:)(\d+)$", text) for text in asked]
    return max((int(number[1]) if number else 1 for number in numbers), default=0)
