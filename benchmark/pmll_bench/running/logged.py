"""Passes the progress events of a run on to standard logging, from which a program chooses what it shows."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..plan.planned import Group, Planned, cell_name, group_name

log = logging.getLogger("pmll_bench.progress")


class Logged:
    """Logs each event: as a warning the end of a cell without a result, else as information."""

    def group_started(self, group: Group) -> None:
        log.info("%s: started", group_name(group))

    def cell_progress(self, planned: Planned, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        terms = "".join(f", {name} {value:.4g}" for name, value in losses.items())
        log.info("%s: epoch %d of %d%s", cell_name(planned), epoch, epochs, terms)

    def cell_finished(self, planned: Planned, state: str, seconds: float) -> None:
        level = logging.INFO if state == "done" else logging.WARNING
        log.log(level, "%s: %s after %.1f s", cell_name(planned), state, seconds)

    def note(self, text: str) -> None:
        log.info("%s", text)
