"""`run`: plan a grid and do what is missing of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from . import run_options as options
from .grids import How, changed, do
from .options import STORE

if TYPE_CHECKING:
    from ..plan.request import Request, Row


def run(
    methods: options.Methods = None,
    datasets: options.Datasets = None,
    ratios: options.Ratios = None,
    seeds: options.Seeds = None,
    mask_seeds: options.MaskSeeds = None,
    mask: options.Mask = None,
    noise: options.Noise = None,
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
    slots: options.Slots = None,
    slurm: options.Slurm = None,
    wait: options.Wait = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Do what is missing of a grid and print its table.

    Without options: six methods, 10 to 90 % known labels, on the embedded data
    set. Lists are written '--ratios 0.1 0.5' or '--ratios 10%,50%'.
    Ctrl-C saves and stops; the same command goes on from there.

    \b
    Examples:
      pmll-bench run
      pmll-bench run --methods my_method.py bce --datasets voc --seeds 0 1 2
    """
    given = {
        **{"datasets": datasets, "seeds": seeds, "mask_seeds": mask_seeds, "mask": mask, "noise": noise},
        **{"regime": regime, "subset": subset, "limit": limit, "track": track, "sets": sets},
        "methods": _rows(methods, label),
        "ratios": ratios_of(ratios),
        "data_root": data_root and str(data_root),
    }
    how = How(
        root=root,
        device=device,
        threads=threads,
        launcher=launcher,
        slots=slots,
        slurm=slurm,
        wait=wait,
        dry_run=dry_run,
        as_json=as_json,
    )
    do(changed(_asked(config), given), how)


def _asked(config: Path | None) -> Request:
    """The request of a grid file, or the default one."""
    from ..plan.grid_files import read_request
    from ..plan.request import Request

    return Request() if config is None else read_request(config)


def _rows(methods: list[str] | None, label: str | None) -> list[str] | list[Row] | None:
    from ..plan.request import Row

    if label is None:
        return methods
    if methods is None or len(methods) != 1:
        hint = "give one method with --methods; a grid file (--config) names its rows with 'as'"
        raise UsageError("--label names the row of one method", hint=hint)
    return [Row(methods[0], label)]


def ratios_of(ratios: list[str] | None) -> list[float]:
    from ..plan.cell import parse_ratio

    return [parse_ratio(ratio) for ratio in ratios or ()]
