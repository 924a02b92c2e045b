"""Machines that share a store: processes in namespaces of their own, with their own host names, process ids and clocks.

Run as a script, it is one such machine: python machines.py STORE HOST SECONDS. It waits for a line, carries out the
grid until no cell is left to other machines, and prints the outcome as JSON. SECONDS is how far its clock is ahead.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from pmll_bench.plan.planning import Plan, plan
from pmll_bench.plan.request import Request
from pmll_bench.store import lease

UNSHARE = ("unshare", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child")
DURATION, HEARTBEAT = 2.0, 0.2  # of the leases
PATIENCE = 120.0  # seconds
HERE = Path(__file__).resolve()


def grid() -> Plan:
    """Three groups of two cells, with 48 quick steps each."""
    quick = ("recipe.epochs=8", "recipe.batch=8")
    return plan(Request(methods=("coop",), ratios=(0.3, 0.8), seeds=(0, 1, 2), subset=48, sets=quick))


def can_unshare() -> bool:
    """Whether this machine, and this user, can make namespaces."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


def until(condition: Callable[[], Any]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Machine:
    """A machine that carries out the grid from `start` on; it is switched off at the end of a `with` block."""

    def __init__(self, store: Path, host: str, ahead: float = 0.0) -> None:
        path = os.pathsep.join([str(HERE.parent), *sys.path])
        command = [*UNSHARE, sys.executable, str(HERE), str(store), host, str(ahead)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout

    def __enter__(self) -> Machine:
        assert self.stdout.readline() == "ready\n"
        return self

    def start(self) -> None:
        self.stdin.write("start\n")
        self.stdin.flush()

    def send(self, number: int) -> None:
        """Send a signal to the first process of the machine. SIGKILL ends them all, as a power cut would."""
        parent = self.process.pid
        child = int(Path(f"/proc/{parent}/task/{parent}/children").read_text())
        os.kill(child, number)

    def outcome(self) -> dict[str, list[str]]:
        """Wait until it has carried out the grid; cell ids by state."""
        outcome: dict[str, list[str]] = json.loads(self.stdout.readline())
        assert self.process.wait(PATIENCE) == 0
        return outcome

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError, ValueError):
            self.send(signal.SIGKILL)
        self.process.wait()
        self.stdout.close()
        with suppress(BrokenPipeError):
            self.stdin.close()


def _be_a_machine(root: Path, host: str, ahead: float) -> None:
    from pmll_bench.running import cell_run
    from pmll_bench.running.execution import Execution
    from pmll_bench.running.groups import run_groups
    from pmll_bench.running.listeners import Silent
    from pmll_bench.running.outcome import Outcome
    from pmll_bench.store.store import Store

    true = time.time
    time.time = lambda: true() + ahead
    socket.sethostname(host)
    lease.DURATION, lease.HEARTBEAT = DURATION, HEARTBEAT
    cell_run.SAVE_RARELY = 0
    groups, store, total = grid().groups, Store.open(root), Outcome()
    print("ready", flush=True)
    sys.stdin.readline()
    while True:
        outcome = run_groups(groups, store, Execution(threads=1, save_every=0.0), Silent(), threading.Event())
        for state, cells in vars(outcome).items():
            getattr(total, state).extend(cells)
        if not outcome.held and not outcome.interrupted:
            break
        time.sleep(0.05)
    print(json.dumps(vars(total)), flush=True)


if __name__ == "__main__":
    _be_a_machine(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
