"""Carries out groups in slots: processes of this machine, each at one group at a time, all handed out from here."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TextIO, cast

from ..machine import choose_device, cores, gpus
from ..plan.planned import Group, Planned, group_name
from ..run.execution import Execution
from ..run.groups import ask_all
from ..run.listeners import Listener, retell
from ..run.outcome import Outcome
from ..run.stopping import Stop
from ..store.store import Store
from .slot import ERROR, OUTCOME, as_error

COMMAND = (sys.executable, "-P", "-u", "-m", "pmll_bench.launch.slot")
MOST = 8  # slots, unless more are asked for: each holds towers and images of its own in memory
LOOK = 0.2  # seconds between two looks at the stop flag


def slots_here(slots: int | None, device: str | None, threads: int | None) -> tuple[Execution, ...]:
    """How each slot carries out its groups: its device, and its share of the cores.

    Unless a number is given: one slot a GPU, else as many as there are cores for their threads. "cuda" is any GPU, so
    the slots take turns; "cuda:1" is this one alone. Raises `ConfigError` for a device that isn't here.
    """
    chosen = choose_device(device)
    devices = [f"cuda:{number}" for number in range(gpus())] if chosen == "cuda" else [chosen]
    if slots is None:
        slots = max(1, min(MOST, cores() // (threads or 1))) if chosen == "cpu" else len(devices)
    each = Execution(threads=threads or max(1, cores() // slots))
    return tuple(replace(each, device=devices[number % len(devices)]) for number in range(slots))


def run_in_slots(
    groups: Sequence[Group], store: Store, slots: Sequence[Execution], listener: Listener, stop: Stop
) -> Outcome:
    """Do what is missing, as `run.run_groups` does, but as many groups at once as there are slots.

    A slot that dies costs its own group: cells without a result are `lost`, and another slot takes its place for the
    groups that are left. Raises what ends a whole run, such as a full disk, after all slots have saved and ended.
    """
    ask_all(groups, store)
    waiting = deque(group for group in groups if any(_is_missing(planned, store) for planned in group.cells))
    cells = {planned.cell.id: planned for group in waiting for planned in group.cells}
    slots = slots[: len(waiting)]
    if slots:
        listener.note(f"slots: {len(slots)}, threads of each: {slots[0].threads}")
    return _Work(store, cells, waiting, listener, stop).run(slots)


def _is_missing(planned: Planned, store: Store) -> bool:
    return store.folder(planned.cell).result() is None


class _Slot:
    """A process that does group after group, and the group that it is at."""

    def __init__(self, number: int, execution: Execution, store: Store) -> None:
        self.number, self.execution = number, execution
        self.group: Group | None = None
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            process_group=0,  # a terminal's Ctrl-C is for the parent, which says what to do
        )
        self.orders, self.answers, self.warnings = (
            cast(TextIO, stream) for stream in (self.process.stdin, self.process.stdout, self.process.stderr)
        )
        self._send({"path": sys.path, "argv": sys.argv, "store": str(store.root), "execution": asdict(execution)})

    def give(self, group: Group) -> None:
        """Hand it the next group."""
        self.group = group
        self._send([planned.cell.id for planned in group.cells])

    def dismiss(self) -> None:
        """Let it end: at once where it waits for a group, else after its step, saved."""
        with suppress(BrokenPipeError):
            self.orders.close()

    def _send(self, order: object) -> None:
        with suppress(BrokenPipeError):  # it is dead, which will be heard
            print(json.dumps(order), file=self.orders, flush=True)

    @property
    def death(self) -> str:
        """What ended the process, as a reader calls it."""
        code = self.process.returncode
        if code >= 0:
            return f"ended with exit code {code}"
        reason = signal.strsignal(-code) or f"signal {-code}"
        return f"died ({reason}; out of memory?)" if -code == signal.SIGKILL else f"died ({reason})"


@dataclass
class _Work:
    """The groups that wait, the slots at work, and what has come of it."""

    store: Store
    cells: Mapping[str, Planned]
    waiting: deque[Group]
    listener: Listener
    stop: Stop
    outcome: Outcome = field(default_factory=Outcome)
    slots: list[_Slot] = field(default_factory=list)
    error: Exception | None = None
    heard: SimpleQueue[Callable[[], None]] = field(default_factory=SimpleQueue)  # for this thread to act on, in order

    def run(self, slots: Sequence[Execution]) -> Outcome:
        self.stop.kill = self._kill
        try:
            for number, execution in enumerate(slots, start=1):
                self._start(number, execution)
            while self.slots:
                if self._ends:
                    self._dismiss()
                with suppress(Empty):
                    self.heard.get(timeout=LOOK)()
        finally:
            self._dismiss()
            self.stop.kill = None
        if self.error is not None:
            raise self.error
        return self.outcome

    @property
    def _ends(self) -> bool:
        return self.stop.is_set() or self.error is not None

    def _dismiss(self) -> None:
        for slot in self.slots:
            slot.dismiss()

    def _kill(self) -> None:
        for slot in self.slots:
            slot.process.kill()

    def _start(self, number: int, execution: Execution) -> None:
        slot = _Slot(number, execution, self.store)
        self.slots.append(slot)
        threading.Thread(target=self._hear, args=(slot,), daemon=True).start()
        self._go_on(slot)

    def _go_on(self, slot: _Slot) -> None:
        """Hand a free slot the next group, or let it end."""
        if self.waiting and not self._ends:
            slot.give(self.waiting.popleft())
        else:
            slot.dismiss()

    def _hear(self, slot: _Slot) -> None:
        """Queue what a slot says, line by line, and its end; runs in a thread of its own."""
        warnings = threading.Thread(target=self._pass_on, args=(slot.warnings,), daemon=True)
        warnings.start()
        with slot.answers:
            for line in slot.answers:
                self.heard.put(partial(self._answered, slot, line))
        slot.process.wait()
        warnings.join(timeout=1)  # a process that the slot left behind may hold the pipe open
        self.heard.put(partial(self._ended, slot))

    def _pass_on(self, warnings: TextIO) -> None:
        with warnings:
            for line in warnings:
                self.heard.put(partial(self.listener.note, line.rstrip("\n")))

    def _answered(self, slot: _Slot, line: str) -> None:
        told: dict[str, Any] = {}
        with suppress(ValueError):  # a line that a kill cut in half
            told = json.loads(line)
        match told:
            case {"schema": schema} if schema == OUTCOME:
                self.outcome.held += told["held"]
                slot.group = None
                self._go_on(slot)
            case {"schema": schema} if schema == ERROR:
                self.error = self.error or as_error(told)
                slot.group = None
            case {"event": event}:
                if event == "cell_finished":
                    self.outcome.add(self.cells[told["cell"]], told["state"])
                retell(told, self.cells, self.listener)

    def _ended(self, slot: _Slot) -> None:
        """Note what a slot that died leaves undone, and put another one in its place if it is needed."""
        self.slots.remove(slot)
        slot.dismiss()
        told_to = self._ends and slot.process.returncode == 0  # it may not have begun
        if slot.group is not None and not told_to:
            self.listener.note(f"slot {slot.number} {slot.death} in the middle of {group_name(slot.group)}")
            self._lose(slot.group)
        if self.waiting and not self._ends:
            self._start(slot.number, slot.execution)

    def _lose(self, group: Group) -> None:
        """Note the cells of a group that came to no end."""
        told = {cell for cells in vars(self.outcome).values() for cell in cells}
        for planned in group.cells:
            if planned.cell.id not in told and _is_missing(planned, self.store):
                self.outcome.add(planned, "lost")
                self.listener.cell_finished(planned, "lost", 0.0)
