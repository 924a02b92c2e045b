"""TensorBoard: one run per cell, in the folder `tensorboard` of the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...plan.planned import Planned, cell_name
from ...store.result import Result
from ..tracking import identity_of, metrics_of


def start(planned: Planned, root: Path, epoch: int | None) -> Board:
    """The tracker of a cell. Epochs from `epoch` on that an earlier attempt has logged are replaced."""
    from torch.utils.tensorboard import SummaryWriter

    name = f"{cell_name(planned)} {planned.cell.id}".replace(" ", "-")
    writer = SummaryWriter(str(root / "tensorboard" / name), purge_step=epoch)
    identity = json.dumps(identity_of(planned), indent=2, ensure_ascii=False)
    writer.add_text("cell", f"```json\n{identity}\n```")
    return Board(writer)


@dataclass
class Board:
    """The `Tracker` of one cell."""

    writer: Any  # torch.utils.tensorboard.SummaryWriter

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, epoch)
        self.writer.flush()

    def end(self, result: Result | None) -> None:
        if result is not None:
            for name, value in metrics_of(result).items():
                self.writer.add_scalar(name, value, result.epochs_run)
        self.writer.close()
