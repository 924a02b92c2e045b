"""`ablate`: a paper's ablation by name, from its grid to its plot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import run_options as options
from .grids import How, changed, do, table_of
from .options import STORE
from .output import tell
from .run import ratios_of


def ablate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of 'pmll-bench list ablations'.")],
    datasets: options.Datasets = None,
    ratios: options.Ratios = None,
    seeds: options.Seeds = None,
    subset: options.Subset = None,
    track: options.Track = None,
    sets: options.Sets = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the plot goes.")] = Path("plots"),
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
    """Do what is missing of a paper's ablation, print its table and draw its plot.

    Each row changes some settings; all else is as in 'pmll-bench run'.

    \b
    Examples:
      pmll-bench ablate dualcoop-contexts --dry-run
      pmll-bench ablate dualcoop-contexts --datasets voc --seeds 0 1 2
    """
    from ..ablations import ablation
    from ..report.ablation import write_ablation
    from ..store.store import Store

    given = {
        "datasets": datasets,
        "ratios": ratios_of(ratios),
        "seeds": seeds,
        "subset": subset,
        "track": track,
        "sets": sets,
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
    planned = do(changed(ablation(name), given), how)
    if not dry_run and (wait or launcher != options.Launcher.slurm):
        for path in write_ablation(table_of(planned, Store.open(root)), name, out):
            tell(f"drawn: {path}")
