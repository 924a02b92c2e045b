"""The common options of `run` and `ablate`: the fields of a request, and the options of its execution."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeAlias, get_type_hints

import typer

from ..plan.request import EXECUTION, Declared, Request, declared
from .completion import names_of
from .options import STORE

Change: TypeAlias = Callable[[Request], Request]


class Launcher(StrEnum):
    """Where the cells run."""

    inline = "inline"
    local = "local"
    slurm = "slurm"


def _option(help: str, metavar: str = "", *names: str, **option: Any) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=EXECUTION, **option)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a grid is run. Each field is an option of `run` and `ablate`."""

    root: Annotated[Path, _option("Store: the folder for results.", "FOLDER", envvar="PMLL_STORE")] = STORE
    device: Annotated[
        str | None, _option("cpu, cuda or cuda:1; default: a GPU if there is one, else the CPU.", "NAME")
    ] = None
    threads: Annotated[
        int | None,
        _option(
            "CPU threads per process; default: all cores, divided among the slots; 1 on the smoke track.",
            "N",
            min=1,
            envvar="PMLL_THREADS",
        ),
    ] = None
    workers: Annotated[
        int | None,
        _option(
            "Threads per process that read images; default: one per core, divided among the slots, 2 to 16. They "
            "change no score.",
            "N",
            min=1,
            envvar="PMLL_WORKERS",
        ),
    ] = None
    launcher: Annotated[
        Launcher,
        _option(
            "inline: in this process; local: several groups of cells in parallel; slurm: one job per group.", "NAME"
        ),
    ] = Launcher.inline
    slots: Annotated[
        int | None,
        _option(
            "With local: the number of processes; default: one per GPU, else one per core, at most 8.",
            "N",
            min=1,
        ),
    ] = None
    gpus: Annotated[
        list[str] | None,
        _option(
            "With local: the GPUs to use, by number or UUID as 'nvidia-smi -L' shows them; one slot each, or --slots N "
            "in all.",
            "ID",
        ),
    ] = None
    slurm: Annotated[
        list[str] | None,
        _option(
            "With slurm: a setting of jobs, such as gpus=1, cpus=8, mem=32G, time=240 (minutes; default: 60), "
            "partition=NAME, parallel=N (jobs that run at a time; default: 256), setup=COMMAND, requeue=no, or another "
            "option of sbatch; METHOD.KEY, trunk.KEY (methods that train their trunk) or frozen.KEY for some jobs. "
            "A job at its time limit goes on from its checkpoint, as often as it gets further. Repeatable; defaults "
            "are read from the grid file (slurm:) and from the profile that 'pmll-bench doctor --slurm' writes.",
            "KEY=VALUE",
        ),
    ] = None
    keep_model: Annotated[
        bool,
        _option(
            "Keep the trained models with the results, for 'predict' and 'errors'. Finished cells without one are "
            "trained again.",
            "",
            "--keep-model",
        ),
    ] = False
    log: Annotated[
        list[str] | None,
        _option(
            "Watch the training of each cell with tensorboard or wandb, which an extra of that name installs. What it "
            "shows is always in the cell's events.jsonl as well.",
            "NAME",
        ),
    ] = None
    wait: Annotated[bool, _option("With slurm: wait for the jobs and print the results table.", "", "--wait")] = False
    dry_run: Annotated[
        bool, _option("List the cells with their ids and, with slurm, the jobs; run nothing.", "", "--dry-run")
    ] = False
    as_json: Annotated[bool, _option("Print JSON lines, one per event.", "", "--json")] = False


def grid_options(*, without: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options of a grid to a command: the fields of `Request`, except those in `without`, and `RunOptions`.

    The command is called with `change`, which applies the given options to a request, with `how`, a `RunOptions`,
    and with its other parameters.
    """
    fields = {each.name: each for each in declared() if each.option is not None and each.name not in without}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def parsed(**values: Any) -> None:
            given = {name: _values(field, values.pop(name)) for name, field in fields.items()}
            how = RunOptions(**{name: values.pop(name) for name in hints})
            command(lambda request: _changed(request, given), how, **values)

        hints = get_type_hints(RunOptions, include_extras=True)
        execution = [_parameter(each.name, hints[each.name], each.default) for each in dataclasses.fields(RunOptions)]
        _, _, *own = inspect.signature(command, eval_str=True).parameters.values()
        own = [each.replace(kind=each.KEYWORD_ONLY) for each in own]
        arguments, options = (
            [each for each in own if (each.default is each.empty) == wanted] for wanted in (True, False)
        )
        parsed.__name__, parsed.__doc__ = command.__name__, command.__doc__
        grid = [_parameter(field.name, _annotation(field), None) for field in fields.values()]
        parsed.__signature__ = inspect.Signature([*arguments, *grid, *options, *execution])  # type: ignore[attr-defined]
        return parsed

    return decorate


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _annotation(field: Declared) -> Any:
    """The annotation of a field of `Request` for typer."""
    given = field.option
    assert given is not None
    option = typer.Option(
        field.flag,
        metavar=given.metavar,
        help=given.help,
        rich_help_panel=given.panel,
        envvar=given.envvar,
        autocompletion=names_of(given.completion) if given.completion else None,
    )
    return Annotated[list[str] | None if field.many else str | None, option]


def _values(field: Declared, value: Any) -> Any:
    """Convert a value of the command line to that of the field; None if the option is not given."""
    if value in (None, []):
        return None
    return tuple(map(field.read, value)) if field.many else field.read(value)


def _changed(request: Request, given: dict[str, Any]) -> Request:
    """A request with the given options; `--set` is added to that of the request; the last value is used."""
    changes = {name: value for name, value in given.items() if value is not None}
    return replace(request, **changes | {"sets": (*request.sets, *changes.get("sets", ()))})
