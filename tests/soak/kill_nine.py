"""Kills a run at random moments, again and again, lets it finish, and compares it with an unbroken one.

    python tests/soak/kill_nine.py --kills 20 --seed 0 --folder /somewhere/empty -- --ratios 0.1 0.5 0.9

What follows `--` goes to `pmll-bench run`. It ends with 0 when every cell has exactly one result, with the scores
of the unbroken run, byte for byte, and its history of losses.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pmll_bench.store.store import Store


def command(root: Path, rest: Sequence[str]) -> list[str]:
    """The command line of a run into a store."""
    return [sys.executable, "-m", "pmll_bench", "run", "--root", str(root), *rest]


def killed_after(seconds: float, root: Path, rest: Sequence[str], begun: Callable[[], bool] = lambda: True) -> bool:
    """Start a run and kill it, and all it started, with SIGKILL a while after it has `begun`.

    False where it had ended by then.
    """
    process = subprocess.Popen(
        command(root, rest), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while not begun() and process.poll() is None:
        time.sleep(0.05)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def differences(broken: Store, unbroken: Store) -> list[str]:
    """Cells without a result, and scores, metrics, histories or pseudo-labels that differ between two stores."""
    found = {result.cell_id: result for result in broken.results()}
    expected = {result.cell_id: result for result in unbroken.results()}
    problems = [f"{cell}: no result" for cell in expected.keys() - found.keys()]
    problems += [f"{cell}: nobody asked for it" for cell in found.keys() - expected.keys()]
    for cell in expected.keys() & found.keys():
        if found[cell].scores.sha256 != expected[cell].scores.sha256:
            problems.append(f"{cell} ({found[cell].label}, {found[cell].ratio}): other scores")
        if found[cell].metrics != expected[cell].metrics:
            problems.append(f"{cell}: other metrics")
        if found[cell].history != expected[cell].history:
            problems.append(f"{cell}: another history of its losses")
        if found[cell].pseudo_labels != expected[cell].pseudo_labels:
            problems.append(f"{cell}: other pseudo-labels")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shortest", type=float, default=1.0, help="seconds before a kill, at least")
    parser.add_argument("--longest", type=float, default=30.0, help="seconds before a kill, at most")
    parser.add_argument("--folder", type=Path, required=True, help="where the two stores go")
    parser.add_argument("rest", nargs="*", help="for `pmll-bench run`")
    asked = parser.parse_args()
    moments = random.Random(asked.seed)
    unbroken, broken = asked.folder / "unbroken", asked.folder / "broken"

    started = time.monotonic()
    subprocess.run(command(unbroken, asked.rest), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(f"unbroken run: {time.monotonic() - started:.0f} s", flush=True)
    kills = 0
    for _ in range(asked.kills):
        seconds = moments.uniform(asked.shortest, asked.longest)
        if not killed_after(seconds, broken, asked.rest):
            break
        kills += 1
        done = len(list(Store.open(broken).results())) if broken.exists() else 0
        print(f"kill {kills} after {seconds:.1f} s: {done} cells done", flush=True)
    subprocess.run(command(broken, asked.rest), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    store = Store.open(broken, create=False)
    attempts = [len(folder.attempts()) for folder in store.folders()]
    problems = differences(store, Store.open(unbroken, create=False))
    print(f"{kills} kills, {len(attempts)} cells, {sum(attempts)} attempts, {len(problems)} differences")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
