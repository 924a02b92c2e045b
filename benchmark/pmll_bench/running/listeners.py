"""Listeners, which receive the progress events of a run, and the transfer of events between processes as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from ..plan.planned import Group, Planned
from ..streams import print_line


class Listener(Protocol):
    """Receives progress events."""

    def group_started(self, group: Group) -> None: ...
    def cell_progress(self, planned: Planned, epoch: int, epochs: int, losses: Mapping[str, float]) -> None: ...
    def cell_finished(self, planned: Planned, state: str, seconds: float) -> None: ...
    def note(self, text: str) -> None: ...


class Silent:
    """Receives progress events and ignores them."""

    def group_started(self, group: Group) -> None: ...
    def cell_progress(self, planned: Planned, epoch: int, epochs: int, losses: Mapping[str, float]) -> None: ...
    def cell_finished(self, planned: Planned, state: str, seconds: float) -> None: ...
    def note(self, text: str) -> None: ...


class Both:
    """Passes progress events on to two listeners."""

    def __init__(self, one: Listener, other: Listener) -> None:
        self.listeners = one, other

    def group_started(self, group: Group) -> None:
        for listener in self.listeners:
            listener.group_started(group)

    def cell_progress(self, planned: Planned, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        for listener in self.listeners:
            listener.cell_progress(planned, epoch, epochs, losses)

    def cell_finished(self, planned: Planned, state: str, seconds: float) -> None:
        for listener in self.listeners:
            listener.cell_finished(planned, state, seconds)

    def note(self, text: str) -> None:
        for listener in self.listeners:
            listener.note(text)


class JsonListener:
    """Writes each event as one JSON line, for programs."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def group_started(self, group: Group) -> None:
        self._write("group_started", cells=[planned.cell.id for planned in group.cells])

    def cell_progress(self, planned: Planned, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        self._write("cell_progress", cell=planned.cell.id, epoch=epoch, epochs=epochs, losses=dict(losses))

    def cell_finished(self, planned: Planned, state: str, seconds: float) -> None:
        self._write("cell_finished", cell=planned.cell.id, state=state, seconds=round(seconds, 3))

    def note(self, text: str) -> None:
        self._write("note", text=text)

    def _write(self, event: str, **content: Any) -> None:
        line = json.dumps({"schema": "pmll.event/1", "event": event, **content})
        print_line(line, self.stream)


def replay(event: Mapping[str, Any], cells: Mapping[str, Planned], listener: Listener) -> None:
    """Pass an event of a `JsonListener` on to another listener. `cells` are by id."""
    match event["event"]:
        case "group_started":
            listener.group_started(Group(tuple(cells[cell] for cell in event["cells"])))
        case "cell_progress":
            listener.cell_progress(cells[event["cell"]], event["epoch"], event["epochs"], event["losses"])
        case "cell_finished":
            listener.cell_finished(cells[event["cell"]], event["state"], event["seconds"])
        case "note":
            listener.note(event["text"])
