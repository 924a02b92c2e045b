"""Turns Ctrl-C and SIGTERM into requests to stop: the first saves and stops, the second stops at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal, NamedTuple

MESSAGE = "stopping after this step; press Ctrl-C again to stop at once"
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop(threading.Event):
    """A stop flag with the signal that set it. On a second signal, `kill` ends other processes, if it is set."""

    signal: int | None = None
    kill: Callable[[], None] | None = None

    @property
    def exit_code(self) -> int:
        """128 + the signal's number: 130 after Ctrl-C, 143 after SIGTERM; 0 without a signal."""
        return 128 + self.signal if self.signal is not None else 0


class Interruption(NamedTuple):
    """Why a run stops, and the class of it."""

    what: str
    cause: Literal["stopped", "preempted", "timeout"]


def interruption(number: int | None, job: str = "") -> Interruption:
    """What the signal that asked to stop means, in the cluster job `job` or outside any.

    A job is warned before its time limit and before preemption; SIGTERM alone means preemption. Slurm, if it answers,
    says more (`launch.own_end`).
    """
    if number == signal.SIGINT:
        return Interruption("stopped by Ctrl-C", "stopped")
    if number == signal.SIGTERM:
        return Interruption("stopped by SIGTERM", "preempted" if job else "stopped")
    if number == signal.SIGUSR2 and job:
        return Interruption("the job was asked to save before its time limit or preemption (SIGUSR2)", "timeout")
    return Interruption("the run was asked to stop", "stopped")


@contextmanager
def stop_on_signals(say: Callable[[str], None]) -> Iterator[Stop]:
    """In this block, the first signal sets the flag and the second ends the process; no file is left half-written.

    `say` is called in a separate thread, because the signal may have interrupted the printing of a line.
    """
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            if stop.kill is not None:
                stop.kill()
            os.write(2, b"\x1b[?25h" if os.isatty(2) else b"")  # the live display hides the cursor
            os._exit(128 + number)
        stop.signal = number
        stop.set()
        threading.Thread(target=say, args=(MESSAGE,), daemon=True).start()

    with handling(SIGNALS, handle):
        yield stop


@contextmanager
def stop_on_interrupt() -> Iterator[Stop]:
    """In this block, the first Ctrl-C sets the flag and the second raises `KeyboardInterrupt`.

    It is for a run inside another program, which goes on. Threads other than the main one receive no signals.
    """
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            if stop.kill is not None:
                stop.kill()
            raise KeyboardInterrupt
        stop.signal = number
        stop.set()

    main = threading.current_thread() is threading.main_thread()
    with handling([signal.SIGINT] if main else [], handle):
        yield stop


@contextmanager
def handling(signals: Iterable[int], handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """In this block, `handle` receives these signals; after it, the previous handlers do."""
    before = {number: signal.signal(number, handle) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
