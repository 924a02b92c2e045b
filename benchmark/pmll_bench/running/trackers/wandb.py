"""Weights & Biases: one run per cell, whose id is that of the cell, so that another attempt continues it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...plan.planned import Planned, cell_name
from ...store.result import Result
from ..tracking import identity_of, metrics_of

PROJECT = "pmll-bench"


def start(planned: Planned, root: Path, epoch: int | None) -> Logged:
    """The tracker of a cell. The variables of wandb, such as WANDB_PROJECT and WANDB_MODE, apply."""
    import wandb

    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        dir=str(root),
        id=planned.cell.id,
        resume="allow",
        name=cell_name(planned),
        group=f"{planned.label} {planned.cell.dataset}",
        config=identity_of(planned),
        reinit="create_new",  # cells of a group train at the same time
        settings=wandb.Settings(silent=True, console="off"),
    )
    run.define_metric("epoch")
    run.define_metric("*", step_metric="epoch")
    return Logged(run)


@dataclass
class Logged:
    """The `Tracker` of one cell."""

    run: Any  # wandb.Run

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        self.run.log({"epoch": epoch, **values})

    def end(self, result: Result | None) -> None:
        if result is not None:
            self.run.summary.update(metrics_of(result))
        self.run.finish(exit_code=0 if result is not None else 1)
