"""`run`: plan a grid and do what is missing of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import Exit, UsageError
from . import run_options as options
from .options import STORE
from .output import columns, print_json, print_table, tell

if TYPE_CHECKING:
    from ..planning import Plan
    from ..request import Request, Row
    from ..run import Outcome
    from ..store import Store


def run(
    methods: options.Methods = None,
    datasets: options.Datasets = None,
    ratios: options.Ratios = None,
    seeds: options.Seeds = None,
    mask_seeds: options.MaskSeeds = None,
    mask: options.Mask = None,
    regime: options.Regime = None,
    subset: options.Subset = None,
    limit: options.Limit = None,
    label: options.Label = None,
    config: options.Config = None,
    track: options.Track = None,
    sets: options.Sets = None,
    root: options.Root = STORE,
    data_root: options.DataRoot = None,
    device: options.Device = None,
    threads: options.Threads = None,
    launcher: options.Launch = options.Launcher.inline,
    slurm: options.Slurm = None,
    wait: options.Wait = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Do what is missing of a grid and print its table.

    Without options: all methods, 10 to 90 % known labels, on the embedded data
    set. Lists are written '--ratios 0.1 0.5' or '--ratios 10%,50%'.
    Ctrl-C saves and stops; the same command goes on from there.

    \b
    Examples:
      pmll-bench run
      pmll-bench run --methods my_method.py bce --datasets voc --seeds 0 1 2
    """
    given = {
        "methods": _rows(methods, label),
        "datasets": datasets,
        "ratios": _ratios(ratios),
        "seeds": seeds,
        "mask_seeds": mask_seeds,
        "mask": mask,
        "regime": regime,
        "subset": subset,
        "limit": limit,
        "track": track,
        "sets": sets,
        "data_root": data_root and str(data_root),
    }
    if slurm and launcher != options.Launcher.slurm:
        raise UsageError("--slurm says what jobs get, but nothing is submitted", hint="add --launcher slurm")
    planned = _plan(_request(config, given))
    if dry_run:
        _show_plan(planned, root, as_json)
    elif launcher == options.Launcher.slurm:
        _submit(planned, root, slurm or [], wait, as_json, device=device, threads=threads)
    else:
        _carry_out(planned, root, device, threads, as_json)


def _rows(methods: list[str] | None, label: str | None) -> list[str] | list[Row] | None:
    from ..request import Row

    if label is None:
        return methods
    if methods is None or len(methods) != 1:
        hint = "give one method with --methods; a grid file (--config) names its rows with 'as'"
        raise UsageError("--label names the row of one method", hint=hint)
    return [Row(methods[0], label)]


def _ratios(ratios: list[str] | None) -> list[float]:
    from ..cell import parse_ratio

    return [parse_ratio(ratio) for ratio in ratios or ()]


def _slurm_settings(options: list[str] | None) -> dict[str, str]:
    """What `--slurm KEY=VALUE` sets; the lines of several `setup` follow each other, else the last value holds."""
    settings: dict[str, str] = {}
    for option in options or ():
        key, equals, value = option.partition("=")
        if not equals or not key:
            raise UsageError(f"--slurm {option!r} sets nothing", hint="write KEY=VALUE: --slurm partition=gpu")
        settings[key] = f"{settings[key]}\n{value}" if key == "setup" and key in settings else value
    return settings


def _request(config: Path | None, given: Mapping[str, Any]) -> Request:
    """The grid file's request, else the default one, with what was given on the command line."""
    from ..config import read_request
    from ..request import Request

    base = Request() if config is None else read_request(config)
    changes: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if value
    }
    return replace(base, **changes)


def _plan(request: Request) -> Plan:
    """The plan, its notes told."""
    from ..planning import plan

    planned = plan(request)
    for note in planned.notes:
        tell(note)
    return planned


def _show_plan(planned: Plan, root: Path, as_json: bool) -> None:
    from ..planning import as_listed
    from ..store import Store

    store = Store.open(root, create=False) if root.exists() else None
    group_of = {each.cell.id: number for number, group in enumerate(planned.groups, 1) for each in group.cells}
    states = [store.folder(each.cell).state().name if store else "planned" for each in planned.cells]
    groups = [group_of[each.cell.id] for each in planned.cells]
    if as_json:
        listed = [
            {**as_listed(each), "state": state, "group": group}
            for each, state, group in zip(planned.cells, states, groups, strict=True)
        ]
        print_json("plan", {"cells": listed, "notes": planned.notes})
        return
    cells = [each.cell for each in planned.cells]
    shown = {
        "cell": [cell.id for cell in cells],
        "method": [each.label for each in planned.cells],
        "data set": [cell.dataset for cell in cells],
        "ratio": [f"{100 * cell.ratio:g}%" for cell in cells],
        "mask seed": [cell.mask_seed for cell in cells],
        "seed": [cell.seed for cell in cells],
        "track": [each.track for each in planned.cells],
        "group": groups,
        "state": states,
    }
    print(columns(list(shown), list(zip(*shown.values(), strict=True))))
    tell(f"{len(cells)} cells, {states.count('done')} of them done, in {len(planned.groups)} groups")


def _submit(
    planned: Plan, root: Path, slurm: list[str], wait: bool, as_json: bool, *, device: str | None, threads: int | None
) -> None:
    """Submit what is missing; then name the jobs, or wait for them."""
    from ..launch.slurm import submit
    from ..store import Store

    store = Store.open(root)
    jobs = submit(planned.groups, store, _slurm_settings(slurm), device=device, threads=threads)
    if not jobs:
        tell("nothing to submit: the cells are done, or jobs and runs are at work on them")
    if wait:
        tell(f"{len(jobs)} jobs submitted; they go on if this command is stopped")
        _follow(planned, store, as_json)
        return
    if as_json:
        print_json("submission", {"jobs": jobs})
    elif jobs:
        print("\n".join(jobs))
    _tell_how_to_follow(root)


def _follow(planned: Plan, store: Store, as_json: bool) -> None:
    """Wait for the jobs and show what came of them."""
    from ..launch.slurm import alive_jobs
    from ..launch.waiting import wait
    from ..progress import listening

    missing = [each for each in planned.cells if store.folder(each.cell).result() is None]
    try:
        with listening(len(missing), as_json) as listener:
            outcome = wait(missing, store, alive_jobs, listener)
    except KeyboardInterrupt:
        _tell_how_to_follow(store.root)
        raise typer.Exit(Exit.INTERRUPTED) from None
    code = _report(planned, store, outcome, as_json)
    if outcome.lost:
        tell(f"lost, {len(outcome.lost)} cells: their jobs are gone; what they wrote lies in {store.root / 'slurm'}")
    raise typer.Exit(code)


def _tell_how_to_follow(root: Path) -> None:
    store = shlex.quote(str(root))
    tell(f"how it goes:  pmll-bench status --root {store}\nthe results:  pmll-bench table --root {store}")


def _carry_out(planned: Plan, root: Path, device: str | None, threads: int | None, as_json: bool) -> None:
    from ..cell_run import Settings
    from ..machine import choose_device, cores
    from ..progress import listening
    from ..run import run_groups
    from ..stopping import stop_on_signals
    from ..store import Store

    settings = Settings(device=choose_device(device), threads=threads or cores())
    store = Store.open(root)
    missing = sum(store.folder(each.cell).result() is None for each in planned.cells)
    if not missing:
        tell(f"nothing to do: all {len(planned.cells)} cells are done")
    with listening(missing, as_json) as listener, stop_on_signals(listener.note) as stop:
        outcome = run_groups(planned.groups, store, settings, listener, stop)
    code = _report(planned, store, outcome, as_json, stopped=stop.is_set())
    if stop.is_set():
        tell("stopped; the same command goes on from here")
    raise typer.Exit(stop.exit_code or code)


def _report(planned: Plan, store: Store, outcome: Outcome, as_json: bool, *, stopped: bool = False) -> Exit:
    """Show what came of a run; the exit code that says so."""
    if as_json:
        print_json("outcome", vars(outcome))
    elif not stopped:
        _show_results(planned, store)
    broken = [*outcome.failed, *outcome.diverged, *outcome.lost]
    _tell_failures(store, broken)
    return Exit.CELLS_FAILED if broken else Exit.DONE


def _show_results(planned: Plan, store: Store) -> None:
    """The table of this grid's cells, whatever else the store holds, its rows called as in this grid."""
    from ..describe import inferred
    from ..report.frame import frame
    from ..report.table import Layout, build

    found = [(each, store.folder(each.cell).result()) for each in planned.cells]
    results = [result.model_copy(update={"label": each.label}) for each, result in found if result is not None]
    order = list(dict.fromkeys(each.label for each in planned.cells))
    marked = inferred({each.cell.method for each in planned.cells})
    shown_marked = {each.label for each in planned.cells if each.cell.method in marked}
    if results:
        print_table(build(frame(results), Layout(order=order, inferred=shown_marked)))


def _tell_failures(store: Store, cells: list[str]) -> None:
    from ..status import cell_status, failures

    for failure in failures(cell_status(store.find(cell)) for cell in cells):
        tell(f"{failure.state}, {len(failure.cells)} cells: {failure.message}\n  {' '.join(failure.cells)}")
