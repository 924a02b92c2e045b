"""`run`: runs the missing cells of a grid and returns the results of all its cells."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from typing_extensions import Unpack

from pmll_errors import counted

from ..errors import CellsFailed, ConfigError
from ..machine import choose_device, cores, usual_threads, usual_workers
from ..plan.documents import Document
from ..plan.grid_files import changed, read_request
from ..plan.planning import Plan
from ..plan.request import Request
from ..prepare.plans import fetch_words, prepared_plan
from ..running.listeners import Listener
from ..running.logged import Logged
from ..running.outcome import Outcome
from ..running.progress import listening
from ..running.stopping import Stop, stop_on_interrupt
from ..running.tracking import check_trackers
from ..store.status import BROKEN, cell_status, failures
from ..store.store import Store
from .results import ROOT, results_frame
from .values import as_plain

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

Launcher: TypeAlias = Literal["inline", "local"]
Name: TypeAlias = str | os.PathLike[str]


class Axes(TypedDict, total=False):
    """The keys of a grid file, which `run` accepts as arguments."""

    methods: Name | Sequence[Name | Mapping[str, Any]]
    datasets: Name | Sequence[Name]
    ratios: float | str | Sequence[float | str]
    seeds: int | Sequence[int]
    mask_seeds: int | Sequence[int]
    mask: str
    noise: float | Sequence[float]
    regime: str
    subset: int
    limit: int
    track: str
    set: Mapping[str, Any] | Sequence[str]
    data_root: Name
    name: str
    about: str


def run(
    grid: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    root: str | os.PathLike[str] = ROOT,
    launcher: Launcher = "inline",
    slots: int | None = None,
    device: str | None = None,
    threads: int | None = None,
    workers: int | None = None,
    progress: bool = False,
    keep_model: bool = False,
    log_to: Sequence[str] = (),
    **axes: Unpack[Axes],
) -> pd.DataFrame:
    """Run the missing cells of a grid as `pmll-bench run` does, and return the results of all its cells.

    The first Ctrl-C saves and ends the run with `KeyboardInterrupt`; the same call continues from there. A second one
    ends it at once. Events are logged by the logger `pmll_bench.progress`.

    Args:
        grid: a mapping with the keys of a grid file, or the path of one; the default is the default grid.
        root: the store, a folder for results; a new or empty folder becomes one.
        launcher: `inline` runs in this process, `local` in several processes on this machine.
        slots: with `local`, the number of processes; the default is one per GPU or core, at most 8.
        device: `cpu`, `cuda` or `cuda:1`; the default is a GPU if there is one.
        threads: CPU threads per process; the default is 1 on the track `smoke`, else all cores.
        workers: threads per process that read images; the default is one per core, 2 to 16. They do not affect the
            scores.
        progress: whether to show the progress on stderr.
        keep_model: whether to keep the trained models. Finished cells without one are trained again.
        log_to: trackers that watch the training: `tensorboard`, `wandb`.
        axes: keys of a grid file, such as `methods=["bce", "my_method.py"]`, `ratios=[0.1, 0.5]`, `seeds=range(3)` or
            `set={"recipe.epochs": 2}`; they override `grid`.

    Returns:
        One line per result, as `load_results` returns it.

    Raises:
        ConfigError: an unknown key, an invalid value or an empty grid, with all problems in one error. A class is
            refused as well: a store keeps the file of a method.
        DataError: a data set is missing or damaged.
        MethodError: an unknown method or setting.
        CellsFailed: after all cells have ended, if some have no result.
        StoreError: the store cannot be read or written.

    >>> import tempfile
    >>> import pmll_bench as pb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     results = pb.run(methods="clip-zeroshot", subset=20, ratios=[0.1, 0.5], root=folder, device="cpu")
    >>> results[["method", "ratio", "selection"]].values.tolist()
    [['clip-zeroshot', 0.1, 'last'], ['clip-zeroshot', 0.5, 'last']]
    """
    if launcher not in ("inline", "local"):
        hint = "use inline or local; 'pmll-bench run --launcher slurm' submits jobs"
        raise ConfigError(f"unknown launcher {launcher!r}", hint=hint)
    if slots is not None and launcher != "local":
        raise ConfigError("slots are for the launcher local", hint='add launcher="local"')
    kept = {"keep_model": keep_model, "log": check_trackers(log_to)}
    request, place = _request(grid, axes), Path(root)
    planned = prepared_plan(request, place)
    for note in planned.notes:
        log.warning("%s", note)
    fetch_words(planned, request, place, lambda text: log.warning("%s", text))
    store = Store.open(place)
    missing = sum(store.is_missing(each, with_model=keep_model) for each in planned.cells)
    if missing:
        usual = threads or usual_threads(each.track for each in planned.cells)
        carry_out = _carried_out_by(launcher, slots, device, usual, workers, kept)
        with _listener(missing, shown=progress) as listener, stop_on_interrupt() as stop:
            outcome = carry_out(planned.groups, store, listener=listener, stop=stop)
        _raise_for(outcome, planned, store, stop)
    found = {each.cell.id: (each.label, store.summary(each.cell)) for each in planned.cells}
    store.index.save()
    return results_frame(store, [each._replace(label=label) for label, each in found.values() if each is not None])


def _request(grid: Mapping[str, Any] | str | os.PathLike[str] | None, axes: Mapping[str, Any]) -> Request:
    request = Request(data_root=os.environ.get("PMLL_DATA"))
    if isinstance(grid, Mapping):
        request = changed(request, Document(Path("grid"), as_plain(grid), {}))
    elif grid is not None:
        from_file = read_request(Path(grid))
        request = replace(from_file, data_root=from_file.data_root or request.data_root)
    return changed(request, Document(Path("pb.run"), as_plain(axes, "pb.run"), {}))


def _carried_out_by(
    launcher: Launcher,
    slots: int | None,
    device: str | None,
    threads: int | None,
    workers: int | None,
    kept: Mapping[str, Any],
) -> Callable[..., Outcome]:
    """The function that runs groups, in this process or in several."""
    if launcher == "local":
        from ..launch.local.pool import run_in_slots
        from ..launch.local.slots import slots_here

        found = slots_here(slots, device, threads, workers=workers)
        return partial(run_in_slots, slots=[replace(each, **kept) for each in found])
    from ..running.execution import Execution
    from ..running.groups import run_groups

    here = Execution(choose_device(device), threads or cores(), workers or usual_workers(cores()), **kept)
    return partial(run_groups, execution=here)


@contextmanager
def _listener(cells: int, *, shown: bool) -> Iterator[Listener]:
    if not shown:
        yield Logged()
        return
    with listening(cells, as_json=False) as listener:
        yield listener


def _raise_for(outcome: Outcome, planned: Plan, store: Store, stop: Stop) -> None:
    """Raise `KeyboardInterrupt` after Ctrl-C, and `CellsFailed` for cells that have no result."""
    if stop.is_set():
        raise KeyboardInterrupt("stopped; the same call continues from here")
    broken = {*outcome.failed, *outcome.diverged, *outcome.lost}
    if not broken and not outcome.held:
        return
    states = (cell_status(store.folder(each.cell), index=store.index) for each in planned.cells)
    reasons = [
        f"{counted(len(each.cells), 'cell')} {each.state}: {each.message}"
        for each in failures((state for state in states if state.id in broken), of=BROKEN)
    ]
    if outcome.held:
        reasons.append(f"{counted(len(outcome.held), 'cell')} held by another run")
    hint = "pb.load_results has the results of the others; see also 'pmll-bench status'"
    raise CellsFailed("; ".join(reasons), where=str(store.root), hint=hint)
