"""Measure the commands that read a store on a large one: CPU seconds and peak memory, process start included.

python benchmark/perf/store_scale.py --folder /somewhere/empty --cells 10000 --runs 5

`made_up_store.py` writes the stores. Each command runs in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

FAILED = 20  # of the second store, one cell in this many has failed
MAKER = Path(__file__).with_name("made_up_store.py")


class Taken(NamedTuple):
    """What a process took: CPU seconds, user and system, and its peak memory in MiB."""

    cpu: float
    peak: float


def measured(command: Sequence[str], folder: Path, name: str) -> Taken:
    """What a command takes. What it prints is kept in the folder, to compare it with that of another version."""
    output, messages = (folder / f"{name}.{stream}.txt" for stream in ("stdout", "stderr"))
    with output.open("wb") as out, messages.open("wb") as err:
        process = subprocess.Popen([sys.executable, *command], stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # `wait4` has reaped the process
    if process.returncode:
        sys.exit(messages.read_text())
    return Taken(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def made(folder: Path, cells: int, failed: int = 0) -> None:
    """Make a store unless it is there."""
    if not folder.exists():
        command = [sys.executable, str(MAKER), "--folder", str(folder), "--cells", str(cells), "--failed", str(failed)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def grid(cells: int) -> list[str]:
    """The options of `run` for a grid of this many cells."""
    command = [sys.executable, str(MAKER), "--cells", str(cells)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where the stores are, or are made")
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--plan", type=int, default=100_000, help="cells of the grid that is only planned")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="*", metavar="NAME", help="the names of some measurements")
    asked = parser.parse_args()
    done, broken = asked.folder / "done", asked.folder / "failed"
    made(done, asked.cells)
    made(broken, asked.cells, FAILED)
    commands = {
        "status": ["status", "--root", str(done)],
        "status-failed": ["status", "--root", str(broken)],
        "table": ["table", "--root", str(done)],
        "run": ["run", "--root", str(done), *grid(asked.cells)],
        "dry-run": ["run", "--dry-run", "--root", str(asked.folder / "none"), *grid(asked.plan)],
    }
    for name in asked.only or commands:
        command = ["-m", "pmll_bench", *commands[name]]
        taken = [measured(command, asked.folder, name) for _ in range(asked.runs)]
        cpu, peak = [each.cpu for each in taken], max(each.peak for each in taken)
        spread = f"{min(cpu):.2f} to {max(cpu):.2f}"
        print(f"{name}: median {statistics.median(cpu):.2f} CPU s, {spread}; peak {peak:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
