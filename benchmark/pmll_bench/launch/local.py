"""The local launcher: processes on this machine, called slots, each running one group at a time."""

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

from pmll_errors import counted

from ..errors import ConfigError
from ..machine import choose_device, cores, gpus
from ..plan.planned import Group, Planned, group_name
from ..run.execution import Execution
from ..run.groups import record_cells
from ..run.listeners import Listener, replay
from ..run.outcome import Outcome
from ..run.stopping import Stop
from ..store.source_code import SourceCode, check_unchanged
from ..store.store import Store
from .slot import ERROR, OUTCOME, as_error

COMMAND = (sys.executable, "-P", "-u", "-m", "pmll_bench.launch.slot")
MOST = 8  # slots at most by default: each has its own towers and images in memory
POLL = 0.2  # seconds between two readings of the stop flag


def slots_here(slots: int | None, device: str | None, threads: int | None) -> tuple[Execution, ...]:
    """The device of each slot and its share of the cores.

    By default there is one slot per GPU, or as many slots as the cores allow. "cuda" means every GPU, assigned in
    turn; "cuda:1" means that GPU alone. Raises `ConfigError` for a device that is not available.
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
    """Run the missing cells as `run_groups` does, one group per slot at a time.

    If a slot dies, the cells of its group that have no result are `lost`, and a new slot takes over the remaining
    groups. An error that ends the whole run, such as a full disk, is raised after all slots have saved and ended.
    """
    record_cells(groups, store)
    waiting = deque(group for group in groups if any(_is_missing(planned, store) for planned in group.cells))
    cells = {planned.cell.id: planned for group in waiting for planned in group.cells}
    slots = slots[: len(waiting)]
    if slots:
        listener.note(f"{counted(len(slots), 'slot')} with {counted(slots[0].threads, 'thread')} each")
    return _Launch(store, cells, waiting, listener, stop).run(slots)


def _is_missing(planned: Planned, store: Store) -> bool:
    return store.folder(planned.cell).result() is None


class _Slot:
    """A process that runs one group after another, and its current group."""

    def __init__(self, number: int, execution: Execution, store: Store) -> None:
        self.number, self.execution, self.store = number, execution, store
        self.group: Group | None = None
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            process_group=0,  # Ctrl-C in the terminal reaches only the parent, which stops the slots
        )
        self.orders, self.answers, self.warnings = (
            cast(TextIO, stream) for stream in (self.process.stdin, self.process.stdout, self.process.stderr)
        )
        self._send({"path": sys.path, "argv": sys.argv, "store": str(store.root), "execution": asdict(execution)})

    def give(self, group: Group) -> None:
        """Send it the next group."""
        self.group = group
        self._send([self.store.folder(planned.cell).name for planned in group.cells])

    def dismiss(self) -> None:
        """Ask it to end: at once if it is idle, else after it has finished its step and saved."""
        with suppress(BrokenPipeError):
            self.orders.close()

    def _send(self, order: object) -> None:
        with suppress(BrokenPipeError):  # it has died: `_ended` follows
            print(json.dumps(order), file=self.orders, flush=True)

    @property
    def death(self) -> str:
        """How the process ended, in words."""
        code = self.process.returncode
        if code >= 0:
            return f"ended with exit code {code}"
        reason = signal.strsignal(-code) or f"signal {-code}"
        return f"died ({reason}; out of memory?)" if -code == signal.SIGKILL else f"died ({reason})"


@dataclass
class _Launch:
    """The waiting groups, the running slots and the outcome so far."""

    store: Store
    cells: Mapping[str, Planned]
    waiting: deque[Group]
    listener: Listener
    stop: Stop
    outcome: Outcome = field(default_factory=Outcome)
    slots: list[_Slot] = field(default_factory=list)
    error: Exception | None = None
    code: SourceCode = field(default_factory=SourceCode.here)
    events: SimpleQueue[Callable[[], None]] = field(default_factory=SimpleQueue)  # handled in order, by one thread

    def run(self, slots: Sequence[Execution]) -> Outcome:
        self.stop.kill = self._kill
        try:
            for number, execution in enumerate(slots, start=1):
                self._start(number, execution)
            while self.slots:
                if self._ends:
                    self._dismiss()
                with suppress(Empty):
                    self.events.get(timeout=POLL)()
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
        threading.Thread(target=self._read, args=(slot,), daemon=True).start()
        self._go_on(slot)

    def _go_on(self, slot: _Slot) -> None:
        """Send a free slot the next group, or ask it to end."""
        if self.waiting and not self._ends:
            slot.give(self.waiting.popleft())
        else:
            slot.dismiss()

    def _read(self, slot: _Slot) -> None:
        """Queue the lines that a slot prints, and its end; runs in its own thread."""
        warnings = threading.Thread(target=self._pass_on, args=(slot.warnings,), daemon=True)
        warnings.start()
        with slot.answers:
            for line in slot.answers:
                self.events.put(partial(self._answered, slot, line))
        slot.process.wait()
        warnings.join(timeout=1)  # a process that the slot left behind may hold the pipe open
        self.events.put(partial(self._ended, slot))

    def _pass_on(self, warnings: TextIO) -> None:
        with warnings:
            for line in warnings:
                self.events.put(partial(self.listener.note, line.rstrip("\n")))

    def _answered(self, slot: _Slot, line: str) -> None:
        message: dict[str, Any] = {}
        with suppress(ValueError):  # a line truncated by a kill
            message = json.loads(line)
        match message:
            case {"schema": schema} if schema == OUTCOME:
                self.outcome.held += message["held"]
                slot.group = None
                self._go_on(slot)
            case {"schema": schema} if schema == ERROR:
                self.error = self.error or as_error(message)
                slot.group = None
            case {"event": event}:
                if event == "cell_finished":
                    self.outcome.add(self.cells[message["cell"]], message["state"])
                replay(message, self.cells, self.listener)

    def _ended(self, slot: _Slot) -> None:
        """Record the unfinished cells of a slot that died, and start another slot if groups are waiting."""
        self.slots.remove(slot)
        slot.dismiss()
        asked_to_end = self._ends and slot.process.returncode == 0  # it may have ended before it began the group
        if slot.group is not None and not asked_to_end:
            self.listener.note(f"slot {slot.number} {slot.death} while it ran {group_name(slot.group)}")
            self._lose(slot.group)
        if self.waiting and not self._ends:
            self._start_again(slot)

    def _start_again(self, dead: _Slot) -> None:
        """Start a slot in place of one that died, unless it would import other code than those that run."""
        try:
            check_unchanged(self.code.digest, self.code.name)
        except ConfigError as error:
            self.listener.note(f"slot {dead.number} is not started again: {error}")
            self.error = None if self.slots else error  # the other slots run the waiting groups
        else:
            self._start(dead.number, dead.execution)

    def _lose(self, group: Group) -> None:
        """Record the cells of a group that did not end."""
        ended = {cell for cells in vars(self.outcome).values() for cell in cells}
        for planned in group.cells:
            if planned.cell.id not in ended and _is_missing(planned, self.store):
                self.outcome.add(planned, "lost")
                self.listener.cell_finished(planned, "lost", 0.0)
