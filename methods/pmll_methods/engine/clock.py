"""Measures how long the steps of one member take, apart from what it shares with the other members of its group."""

from __future__ import annotations

import time
from types import TracebackType

import torch

KEPT = 1000  # blocks on a GPU that are not added up yet


class Clock:
    """Adds up the time spent inside its `with` blocks; on a GPU that of the kernels, without waiting for them."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self._seconds, self._began = 0.0, 0.0
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def __enter__(self) -> None:
        if self.device.type == "cuda":
            if len(self._events) >= KEPT:
                self._add(KEPT // 2)  # steps of long ago, which are over
            self._events.append((self._event(), self._event()))
            self._events[-1][0].record(torch.cuda.current_stream(self.device))
        else:
            self._began = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.device.type == "cuda":
            self._events[-1][1].record(torch.cuda.current_stream(self.device))
        else:
            self._seconds += time.monotonic() - self._began

    @property
    def seconds(self) -> float:
        """The seconds so far. On a GPU, waits for the kernels."""
        if self._events:
            self._add(len(self._events))
        return self._seconds

    def _add(self, number: int) -> None:
        """Add up the oldest blocks."""
        done, self._events = self._events[:number], self._events[number:]
        done[-1][1].synchronize()
        self._seconds += sum(start.elapsed_time(end) for start, end in done) / 1000

    @staticmethod
    def _event() -> torch.cuda.Event:
        return torch.cuda.Event(enable_timing=True)
