"""Measure `pmll-bench run` on the embedded data: CPU seconds per method, or the whole field with one command.

    python benchmark/perf/field.py --before ../pmll-bench-0.9 --rounds 1
    python benchmark/perf/field.py --whole

Each method runs its nine ratios in a process of its own on one thread; the start of Python is included. With
`--before`, the code of another checkout runs in turn, and the scores of both must be equal to the bit. `--whole` runs
all methods with `--launcher local`, and prints its time and, from the store, the seconds that the cells of each method
took; methods that train in one group share their time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from in_turn import check_equal_scores, gains, in_turn, processor, spread
from store_scale import Taken, measured

from pmll_bench.plan.request import DEFAULT
from pmll_bench.store.store import Store

PACKAGES = ("errors", "datasets", "methods", "benchmark")
HERE = Path(__file__).resolve().parents[2]


def ran(checkout: Path, root: Path, options: Sequence[str]) -> Taken:
    """What `pmll-bench run` of a checkout takes with a store in `root`."""
    os.environ["PYTHONPATH"] = os.pathsep.join(str(checkout / package) for package in PACKAGES)
    root.mkdir(parents=True)
    return measured(["-m", "pmll_bench", "run", "--root", str(root / "store"), *options], root, "run")


def scores(root: Path) -> dict[str, np.ndarray]:
    """The scores of each cell in the store in `root`."""
    store = Store.open(root / "store")
    return {result.cell_id: store.scores(result.cell_id).scores for result in store.results()}


def method(name: str, checkouts: Sequence[Path], options: Sequence[str], rounds: int) -> None:
    """Print the CPU seconds of one method with the code of each checkout, in turn."""

    def nine_ratios(checkout: Path, _: int) -> tuple[float, dict[str, np.ndarray]]:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "run"
            return ran(checkout, root, ["--methods", name, *options]).cpu, scores(root)

    sides = {side: partial(nine_ratios, checkout) for side, checkout in enumerate(checkouts)}
    seconds = list(in_turn(sides, rounds, check_equal_scores).values())
    shown = [f"{spread(each)} CPU s" for each in seconds]
    if len(checkouts) > 1:
        shown.append(f"gain {spread(gains(seconds[1], seconds[0]))}")
    print(f"{name}: {', '.join(shown)}", flush=True)


def whole(methods: Sequence[str], options: Sequence[str]) -> None:
    """Print what all methods take with one command, and the seconds of the cells of each method."""
    with tempfile.TemporaryDirectory() as folder:
        root, started = Path(folder) / "whole", time.monotonic()
        taken = ran(HERE, root, ["--methods", *methods, "--launcher", "local", *options])
        minutes = (time.monotonic() - started) / 60
        spent: defaultdict[str, float] = defaultdict(float)
        for result in Store.open(root / "store").results():
            seconds = result.seconds
            spent[result.method] += (seconds.train + seconds.predict) / seconds.shared_with
    print(f"{' '.join(methods)}: {minutes:.1f} min, {taken.cpu:.0f} CPU s, peak {taken.peak:.0f} MiB in one process")
    for name, total in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"{name:>14}: {total:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=None, help="by default those of `pmll-bench run`")
    parser.add_argument("--before", type=Path, default=None, help="a checkout of an earlier version")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="all methods with one command instead")
    parser.add_argument("--subset", type=int, default=None, help="images per split")
    asked = parser.parse_args()
    subset = [] if asked.subset is None else ["--subset", str(asked.subset)]
    print(processor())
    if asked.whole:
        whole(asked.methods or ["all"], subset)
    else:
        checkouts = [HERE] if asked.before is None else [asked.before.resolve(), HERE]
        for name in asked.methods or DEFAULT:
            method(name, checkouts, [*subset, "--threads", "1"], asked.rounds)


if __name__ == "__main__":
    main()
