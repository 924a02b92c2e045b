"""The options of `run`: what to run, how to train, how to carry it out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

WHAT, HOW, WHERE = "What to run", "How to train", "How to carry it out"


class Launcher(StrEnum):
    """Where the work is done."""

    inline = "inline"
    local = "local"
    slurm = "slurm"


Methods: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME …", rich_help_panel=WHAT, help="Methods by name, .py files of your own, or all; default: six."
    ),
]
Datasets: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME …", rich_help_panel=WHAT, help="Data sets by name, files of your own; default: shapes."),
]
Ratios: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="R …",
        rich_help_panel=WHAT,
        help="Shares of known labels, 0.1 or 10%; default: 10 to 90 %; in semi: 5 to 20 %.",
    ),
]
Seeds: TypeAlias = Annotated[
    list[int] | None,
    typer.Option(metavar="N …", rich_help_panel=WHAT, help="Seeds of training and mask together; default: 0."),
]
MaskSeeds: TypeAlias = Annotated[
    list[int] | None,
    typer.Option(metavar="N …", rich_help_panel=WHAT, help="Mask seeds, crossed with --seeds."),
]
Mask: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="RULE", rich_help_panel=WHAT, help="Which labels are known: a rule or a mask file; default: counter/1."
    ),
]
Noise: TypeAlias = Annotated[
    list[float] | None,
    typer.Option(
        min=0,
        max=0.9999,
        metavar="S …",
        rich_help_panel=WHAT,
        help="Shares of the known labels that are flipped; default: 0.",
    ),
]
Regime: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", rich_help_panel=WHAT, help="full, partial, single-positive or semi; default: partial."
    ),
]
Subset: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", rich_help_panel=WHAT, help="At most N images of each split."),
]
Limit: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", rich_help_panel=WHAT, help="Only the first N cells."),
]
Label: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="TEXT", rich_help_panel=WHAT, help="What to call the row of the one method."),
]
Config: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="FILE", rich_help_panel=WHAT, help="A grid as a YAML file; options given here override it."),
]
Track: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", rich_help_panel=HOW, help="Recipes: paper, controlled or smoke; default: smoke on shapes."
    ),
]
Sets: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        rich_help_panel=HOW,
        help="A setting of every method that has it, or METHOD.NAME, recipe.NAME, data.NAME. Once for each.",
    ),
]
Root: TypeAlias = Annotated[
    Path,
    typer.Option(envvar="PMLL_STORE", metavar="FOLDER", rich_help_panel=WHERE, help="Store: where results are kept."),
]
DataRoot: TypeAlias = Annotated[
    Path | None,
    typer.Option(envvar="PMLL_DATA", metavar="FOLDER", rich_help_panel=WHERE, help="Folder with the data sets."),
]
Device: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="NAME", rich_help_panel=WHERE, help="cpu, cuda or cuda:1; default: a GPU where there is one."),
]
Threads: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        envvar="PMLL_THREADS",
        rich_help_panel=WHERE,
        help="CPU threads (local: of each slot); default: all cores, divided among slots; 1 on the smoke track.",
    ),
]
Launch: TypeAlias = Annotated[
    Launcher,
    typer.Option(
        metavar="NAME",
        rich_help_panel=WHERE,
        help="inline: in this process; local: several groups at once; slurm: one job per group.",
    ),
]
Slots: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        rich_help_panel=WHERE,
        help="With local: groups at once, one process each; default: one per GPU, else one per core, at most 8.",
    ),
]
Slurm: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE",
        rich_help_panel=WHERE,
        help="What jobs get: gpus=1, cpus=8, mem=32G, time=240, partition, account, setup, or what else sbatch knows. "
        "Once for each.",
    ),
]
Wait: TypeAlias = Annotated[
    bool,
    typer.Option("--wait", metavar="", rich_help_panel=WHERE, help="With slurm: wait for the jobs, print the table."),
]
DryRun: TypeAlias = Annotated[
    bool,
    typer.Option("--dry-run", metavar="", rich_help_panel=WHERE, help="Show every cell with its id, and do nothing."),
]
Json: TypeAlias = Annotated[
    bool,
    typer.Option("--json", metavar="", rich_help_panel=WHERE, help="Print JSON lines, one per event."),
]
