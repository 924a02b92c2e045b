"""Runs a grid for `run` and `ablate`: plans a request, then lists, submits or runs its missing cells."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pmll_errors import counted

from ..errors import Exit, UsageError
from .grid_options import Launcher, RunOptions
from .kept_models import tell_about_models, tell_kept_models
from .output import failure_text, print_json, print_table, tell
from .plans import plan_of, show_plan

if TYPE_CHECKING:
    from ..plan.job_settings import Layer, Layers
    from ..plan.planning import Plan
    from ..plan.request import Request
    from ..report.tables.table import Table
    from ..running.outcome import Outcome
    from ..store.store import Store


def run_grid(request: Request, how: RunOptions) -> Plan:
    """Plan a request, then list, submit or run its missing cells. Exits the command if cells fail.

    Returns the plan; its cells are done unless they were only listed or submitted.
    """
    check_options(how)
    planned = plan_of(request, how.root, dry_run=how.dry_run)
    layers = job_layers(planned, request.slurm, how)
    if how.dry_run:
        _show(planned, layers, how)
        return planned
    from ..prepare.plans import fetch_words

    fetch_words(planned, request, how.root, tell)
    launch(planned, layers, how)
    return planned


def check_options(how: RunOptions) -> None:
    """Raise `UsageError` for options of another launcher."""
    if how.slurm and how.launcher != Launcher.slurm:
        raise UsageError("--slurm sets the resources of jobs, but no job is submitted", hint="add --launcher slurm")
    if how.slots is not None and how.launcher != Launcher.local:
        raise UsageError(f"--slots is for the launcher local, not {how.launcher}", hint="add --launcher local")
    if how.gpus:
        _check_gpus(how, how.gpus)
    if how.log:
        from ..running.tracking import check_trackers

        check_trackers(how.log)


def _check_gpus(how: RunOptions, gpus: list[str]) -> None:
    from ..launch.local.gpus import check_ids

    if how.launcher == Launcher.slurm:
        raise UsageError("--gpus is for the launcher local, not slurm", hint="for the GPUs of jobs: --slurm gpus=1")
    if how.launcher != Launcher.local:
        raise UsageError(f"--gpus is for the launcher local, not {how.launcher}", hint="add --launcher local")
    if how.device not in (None, "cuda"):
        raise UsageError(f"--gpus and --device {how.device} exclude each other", hint="leave out one of them")
    check_ids(gpus)


def launch(planned: Plan, layers: Layers, how: RunOptions) -> None:
    """Submit or run the missing cells of a plan. Exits the command if cells fail. `layers` are the settings of jobs."""
    if how.launcher == Launcher.slurm:
        _submit(planned, layers, how)
    else:
        _carry_out(planned, how)


def _show(planned: Plan, layers: Layers, how: RunOptions) -> None:
    """List the cells in the groups of the launcher and, with the launcher slurm, what would be submitted."""
    from ..plan.grid import by_method, spread

    if how.launcher == Launcher.local:
        planned = replace(planned, groups=spread(planned.groups, _number_of_slots(planned, how)))
    if how.launcher != Launcher.slurm:
        show_plan(planned, how.root, how.as_json)
        return
    planned = replace(planned, groups=by_method(planned.groups))
    from ..launch.slurm.submission.preview import preview, why_nothing
    from ..store.store import Store
    from .submissions import show_submission

    store = Store(how.root)
    arrays = preview(planned.groups, store, layers, device=how.device, threads=_threads(planned, how))
    show_plan(planned, how.root, how.as_json, {"arrays": [array.as_plain() for array in arrays]})
    if not arrays:
        tell(why_nothing(planned.cells, store))
    elif not how.as_json:
        show_submission(arrays)


def _number_of_slots(planned: Plan, how: RunOptions) -> int:
    """The number of processes of the launcher local."""
    if how.slots is not None:
        return how.slots
    from ..launch.local.slots import slots_here

    return len(slots_here(None, how.device, _threads(planned, how), how.gpus or ()))


def _submit(planned: Plan, layers: Layers, how: RunOptions) -> None:
    """Submit the missing cells, then print the job ids or wait for the jobs."""
    from ..launch.slurm.submission.in_hand import learned_of, nothing_to_submit
    from ..launch.slurm.submission.submit import submit
    from ..store.store import Store

    store = Store.open(how.root)
    tell_about_models(planned, store, how)
    ask = partial(submit, device=how.device, threads=_threads(planned, how), workers=how.workers)
    ask = partial(ask, keep_model=how.keep_model, log_to=how.log or ())
    jobs = ask(planned.groups, store, layers, follow_up=not how.wait, note=tell)
    if not jobs:
        tell(nothing_to_submit(planned.cells, store, learned_of(planned.groups, store)))
    if how.wait:
        if jobs:
            continues = "it continues" if len(jobs) == 1 else "they continue"
            tell(f"{counted(len(jobs), 'job')} submitted; {continues} if this command is stopped")
        _follow(planned, store, jobs, how.as_json)
        return
    if how.as_json:
        print_json("submission", {"jobs": jobs})
    elif jobs:
        print("\n".join(jobs))
    _tell_how_to_follow(how.root)


def job_layers(planned: Plan, of_grid: Layer, how: RunOptions) -> Layers:
    """The settings of jobs, by rising precedence: the site's profile, those of the grid, the command line.

    Those of the grid are checked whatever the launcher.
    """
    if how.launcher != Launcher.slurm and not of_grid:
        return ()
    from ..launch.slurm.submission.site_profile import read_profile
    from ..launch.slurm.submission.submit import checked
    from ..plan.job_settings import from_options

    profile = read_profile() if how.launcher == Launcher.slurm else ()
    return checked([profile, of_grid, from_options(how.slurm or [])], planned.groups)


def _follow(planned: Plan, store: Store, jobs: Sequence[str], as_json: bool) -> None:
    """Wait for the jobs, submit again what may be tried again, and print the results."""
    from ..launch.slurm.submission.follow_up import wait_and_try_again
    from ..running.progress import listening

    missing = [each for each in planned.cells if store.summary(each.cell) is None]
    try:
        with listening(len(missing), as_json) as listener:
            outcome = wait_and_try_again(missing, store, jobs, listener)
    except KeyboardInterrupt:
        _tell_how_to_follow(store.root)
        raise typer.Exit(Exit.INTERRUPTED) from None
    code = _report(planned, store, outcome, as_json)
    _tell_failures(planned, store, outcome.interrupted)
    if outcome.stuck:
        tell(f"{counted(len(outcome.stuck), 'cell')} queued: no job can start; see 'pmll-bench status'")
    if outcome.lost or outcome.interrupted:
        tell(f"logs are in {store.root / 'slurm'}")
    if code or outcome.interrupted or outcome.stuck:
        raise typer.Exit(Exit.CELLS_FAILED)


def _tell_how_to_follow(root: Path) -> None:
    store = shlex.quote(str(root))
    tell(f"state:    pmll-bench status --root {store}\nresults:  pmll-bench table --root {store}")


def _carry_out(planned: Plan, how: RunOptions) -> None:
    from ..running.progress import listening
    from ..running.stopping import stop_on_signals
    from ..store.store import Store

    store = Store.open(how.root)
    missing = sum(store.is_missing(each, with_model=how.keep_model) for each in planned.cells)
    tell_about_models(planned, store, how)
    if not missing:
        _tell_done(planned, store, how.as_json)
        tell_kept_models(planned, store, how)
        return
    carry_out = _launcher(how, planned)
    with listening(missing, how.as_json) as listener, stop_on_signals(listener.note) as stop:
        outcome = carry_out(planned.groups, store, listener=listener, stop=stop)
    code = _report(planned, store, outcome, how.as_json, stopped=stop.is_set())
    tell_kept_models(planned, store, how)
    if stop.is_set():
        tell("stopped; the same command continues from here")
    if stop.exit_code or code:
        raise typer.Exit(stop.exit_code or code)


def _tell_done(planned: Plan, store: Store, as_json: bool) -> None:
    """Print the results of finished cells, without importing torch."""
    from ..running.outcome import Outcome

    number = len(planned.cells)
    tell(f"nothing to do: all {number} cells are done" if number > 1 else "nothing to do: the cell is done")
    _report(planned, store, Outcome(), as_json)


def _launcher(how: RunOptions, planned: Plan) -> Callable[..., Outcome]:
    """The function that runs groups, in this process or in several."""
    from ..machine import choose_device, cores, usual_workers

    threads = _threads(planned, how)
    kept: dict[str, Any] = {"keep_model": how.keep_model, "log": tuple(how.log or ())}
    if how.launcher == Launcher.local:
        from ..launch.local.pool import run_in_slots
        from ..launch.local.slots import slots_here

        slots = slots_here(how.slots, how.device, threads, how.gpus or (), workers=how.workers)
        return partial(run_in_slots, slots=[replace(slot, **kept) for slot in slots])
    from ..running.execution import Execution
    from ..running.groups import run_groups

    device, workers = choose_device(how.device), how.workers or usual_workers(cores())
    return partial(run_groups, execution=Execution(device, threads or cores(), workers, **kept))


def _threads(planned: Plan, how: RunOptions) -> int | None:
    """The requested threads, else the usual number; None for all cores."""
    from ..machine import usual_threads

    return how.threads or usual_threads(each.track for each in planned.cells)


def _report(planned: Plan, store: Store, outcome: Outcome, as_json: bool, *, stopped: bool = False) -> Exit:
    """Print the outcome of a run; returns the exit code."""
    if as_json:
        print_json("outcome", vars(outcome))
    elif not stopped:
        _show_results(planned, store)
    broken = [*outcome.failed, *outcome.diverged, *outcome.lost]
    _tell_failures(planned, store, broken)
    return Exit.CELLS_FAILED if broken else Exit.DONE


def _show_results(planned: Plan, store: Store) -> None:
    if any(store.summary(each.cell) for each in planned.cells):
        print_table(table_of(planned, store))


def table_of(planned: Plan, store: Store) -> Table:
    """The table of a plan's cells, with the labels of the plan."""
    from ..report.frame import frame
    from ..report.papers.layout import inferred_methods
    from ..report.tables.table import Layout, build

    found = [(each, store.summary(each.cell)) for each in planned.cells]
    store.index.save()
    results = [summary._replace(label=each.label) for each, summary in found if summary is not None]
    order = list(dict.fromkeys(each.label for each in planned.cells))
    marked = inferred_methods({each.cell.method for each in planned.cells})
    shown_marked = {each.label for each in planned.cells if each.cell.method in marked}
    return build(frame(results), Layout(order=order, inferred=shown_marked))


def _tell_failures(planned: Plan, store: Store, cells: list[str]) -> None:
    from ..store.status import BROKEN, cell_status, failures

    folders = {each.cell.id: store.folder(each.cell) for each in planned.cells}
    states = (cell_status(folders[cell], index=store.index) for cell in cells)
    for failure in failures(states, of=(*BROKEN, "interrupted")):
        tell(failure_text(failure))
