"""The local launcher: processes on this machine, called slots, each running one group at a time."""

from __future__ import annotations

import json
import os
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

from ...errors import ConfigError, PassingError
from ...plan.grid import longest_first, spread
from ...plan.planned import Group, Planned, group_name
from ...running.breaker import Breaker
from ...running.execution import Execution
from ...running.listeners import Listener, replay
from ...running.outcome import Outcome
from ...running.recording import record_cells
from ...running.stopping import Stop
from ...store.records import KINDS
from ...store.source_code import SourceCode, check_unchanged
from ...store.store import Store
from ..retries import judge, tries_of
from .gpus import variables
from .slot import ERROR, OUTCOME, as_error
from .slot_death import cause_of, in_words, oom_kills, record_death

COMMAND = (sys.executable, "-P", "-u", "-m", "pmll_bench.launch.local.slot")
SAID = 50  # lines of a slot's stderr that are kept with the cells if it dies
POLL = 0.2  # seconds between two readings of the stop flag


def run_in_slots(
    groups: Sequence[Group], store: Store, slots: Sequence[Execution], listener: Listener, stop: Stop
) -> Outcome:
    """Run the missing cells as `run_groups` does, one group per slot at a time.

    If a slot dies, a new one takes over the remaining groups. The cells of its group are tried again within the limits
    of `retries`. An error that ends the whole run, such as a full disk, is raised after all slots have saved and ended.
    """
    outcome = Outcome()
    recorded = record_cells(groups, store, listener, outcome)
    models = any(slot.keep_model for slot in slots)
    missing = [group for group in recorded if any(_is_missing(planned, store, models) for planned in group.cells)]
    waiting = deque(longest_first(spread(missing, len(slots))) if len(slots) > 1 else missing)
    cells = {planned.cell.id: planned for group in waiting for planned in group.cells}
    slots = slots[: len(waiting)]
    if slots:
        listener.note(f"{counted(len(slots), 'slot')} with {counted(slots[0].threads, 'thread')} each")
    since = {cell: store.folder(planned.cell).newest for cell, planned in cells.items()}
    breaker = Breaker(recorded, store, listener, outcome)
    return _Launch(store, cells, waiting, since, listener, stop, breaker).run(slots)


def _is_missing(planned: Planned, store: Store, with_model: bool) -> bool:
    try:
        return store.is_missing(planned, with_model=with_model)
    except PassingError:
        return True  # its slot tries again


class _Slot:
    """A process that runs one group after another, and its current group."""

    def __init__(self, number: int, execution: Execution, store: Store) -> None:
        self.number, self.execution, self.store = number, execution, store
        self.group: Group | None = None
        self.said: deque[str] = deque(maxlen=SAID)
        self.oom_kills = oom_kills()
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **variables(execution.gpu)} if execution.gpu else None,
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

    def stop(self, number: int | None) -> None:
        """Dismiss it because a signal stops the run."""
        if number is not None and not self.orders.closed:
            self._send(number)
        self.dismiss()

    def _send(self, order: object) -> None:
        with suppress(BrokenPipeError):  # it has died: `_ended` follows
            print(json.dumps(order), file=self.orders, flush=True)


@dataclass
class _Launch:
    """The waiting groups, the running slots and the outcome so far."""

    store: Store
    cells: Mapping[str, Planned]
    waiting: deque[Group]
    since: Mapping[str, int]  # the newest attempt at each cell when the run began
    listener: Listener
    stop: Stop
    breaker: Breaker
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
    def outcome(self) -> Outcome:
        """How the cells have ended so far."""
        return self.breaker.outcome

    @property
    def _ends(self) -> bool:
        return self.stop.is_set() or self.error is not None

    def _dismiss(self) -> None:
        for slot in self.slots:
            slot.stop(self.stop.signal)

    def _kill(self) -> None:
        for slot in self.slots:
            slot.process.kill()

    def _start(self, number: int, execution: Execution) -> None:
        slot = _Slot(number, execution, self.store)
        self.slots.append(slot)
        threading.Thread(target=self._read, args=(slot,), daemon=True).start()
        self._go_on(slot)

    def _go_on(self, slot: _Slot) -> None:
        """Send a free slot the next group of a row that is not held, or ask it to end."""
        while self.waiting and not self._ends:
            if (group := self.breaker.rest(self.waiting.popleft())).cells:
                slot.give(group)
                return
        slot.dismiss()

    def _read(self, slot: _Slot) -> None:
        """Queue the lines that a slot prints, and its end; runs in its own thread."""
        warnings = threading.Thread(target=self._pass_on, args=(slot,), daemon=True)
        warnings.start()
        with slot.answers:
            for line in slot.answers:
                self.events.put(partial(self._answered, slot, line))
        slot.process.wait()
        warnings.join(timeout=1)  # a process that the slot left behind may hold the pipe open
        self.events.put(partial(self._ended, slot))

    def _pass_on(self, slot: _Slot) -> None:
        with slot.warnings:
            for line in slot.warnings:
                slot.said.append(line.rstrip("\n"))
                self.events.put(partial(self.listener.note, line.rstrip("\n")))

    def _answered(self, slot: _Slot, line: str) -> None:
        message: dict[str, Any] = {}
        with suppress(ValueError):  # a line truncated by a kill
            message = json.loads(line)
        match message:
            case {"schema": schema} if schema == OUTCOME:
                self.outcome.held += message["held"]
                slot.group = None
                self._try_broken_off_again(message["lost"])
                self.breaker.watch()
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
        code = slot.process.returncode
        asked_to_end = self._ends and code == 0  # it may have ended before it began the group
        if slot.group is not None and not asked_to_end:
            self._died(slot, slot.group)
        if self.waiting and not self._ends:
            self._start_again(slot)

    def _died(self, slot: _Slot, group: Group) -> None:
        """Record the end of a group's open cells; those that may be tried again wait for another slot."""
        code = slot.process.returncode
        ended = {cell for cells in vars(self.outcome).values() for cell in cells}
        open_ones = (each for each in group.cells if each.cell.id not in ended)
        left = [each for each in open_ones if _is_missing(each, self.store, slot.execution.keep_model)]
        cause = cause_of(code, killed_for_memory=oom_kills() > slot.oom_kills)
        again: list[Planned] = []
        try:
            record_death([self.store.folder(each.cell) for each in left], slot.process, slot.said, cause)
            again = [] if self._ends else [each for each in left if self._may_go_on(each)]
        except PassingError as error:
            self.listener.note(f"the end of {group_name(group)} could not be recorded: {error}")
        further = "; it is tried again" if again else ""
        self.listener.note(f"slot {slot.number} {in_words(code)} while it ran {group_name(group)}{further}")
        if again:
            self.waiting.append(replace(group, cells=tuple(again)))
        for planned in left:
            if planned not in again:
                self.outcome.add(planned, KINDS[cause])
                self.listener.cell_finished(planned, KINDS[cause], 0.0)
        self.breaker.watch()

    def _try_broken_off_again(self, lost: Sequence[str]) -> None:
        """Let cells that a fault of the machine or its file system has ended wait again, as far as the limits allow."""
        try:
            again = [] if self._ends else [self.cells[cell] for cell in lost if self._may_go_on(self.cells[cell])]
        except PassingError:
            return  # the file system still does not answer
        if again:
            self.outcome.lost[:] = [cell for cell in self.outcome.lost if cell not in {each.cell.id for each in again}]
            group = Group(tuple(again))
            self.listener.note(f"{group_name(group)}: tried again")
            self.waiting.append(group)

    def _may_go_on(self, planned: Planned) -> bool:
        """Whether the limits of automatic retries allow another attempt at a cell in this run."""
        return judge(tries_of(self.store.folder(planned.cell), self.since[planned.cell.id])).again

    def _start_again(self, dead: _Slot) -> None:
        """Start a slot in place of one that died, unless it would import other code than those that run."""
        try:
            check_unchanged(self.code.digest, self.code.name)
        except ConfigError as error:
            self.listener.note(f"slot {dead.number} is not started again: {error}")
            self.error = None if self.slots else error  # the other slots run the waiting groups
        else:
            self._start(dead.number, dead.execution)
