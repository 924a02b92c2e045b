"""What a result took: its attempts, and the training that was lost or repeated on the way, from the attempts' logs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from .attempt import Attempt
from .result import Effort


def effort(attempts: Sequence[Attempt], winner: int) -> Effort:
    """The effort of a cell whose result the attempt number `winner` made."""
    logs = {attempt.number: list(attempt.events()) for attempt in attempts}
    epochs = [event["epoch"] for log in logs.values() for event in log if event.get("event") == "epoch"]
    step, lost = _restored(logs.get(winner, [])), 0.0
    for attempt in sorted(attempts, key=lambda each: -each.number):
        if attempt.number == winner:
            continue
        log, began = logs[attempt.number], attempt.began()
        if began is None:  # killed before it did anything
            continue
        used = began.created
        saved = [event["time"] for event in log if event.get("event") == "save" and event.get("step") == step]
        if step and saved and attempt.number < winner:
            used, step = saved[-1], _restored(log)
        lost += _seconds(used, max((event["time"] for event in log), default=used))
    return Effort(attempts=len(attempts), repeated_epochs=len(epochs) - len(set(epochs)), lost_seconds=lost)


def _restored(log: Sequence[dict[str, Any]]) -> int:
    """The step from which an attempt went on; 0 if it began at the start."""
    return next((event["step"] for event in reversed(log) if event.get("event") == "restore"), 0)


def _seconds(start: str, end: str) -> float:
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())
