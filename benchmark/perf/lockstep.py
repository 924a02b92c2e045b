"""Compare the CPU time of nine ratios in one group with that of nine separate runs.

python benchmark/perf/lockstep.py --method dualcoop --rounds 3 --threads 1
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from in_turn import compare_scores

from pmll_bench.plan.planned import Group
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.store.store import Store


def timed(groups: Sequence[Group], threads: int) -> tuple[float, dict[str, np.ndarray]]:
    """CPU seconds of the groups, and the scores of each cell.

    Each group runs in its own process: a frozen tower keeps the features of images, which the next group would reuse.
    """
    seconds, scores = 0.0, {}
    for group in groups:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            taken, made = process.submit(carried_out, group, threads).result()
        seconds += taken
        scores.update(made)
    return seconds, scores


def carried_out(group: Group, threads: int) -> tuple[float, dict[str, np.ndarray]]:
    """CPU seconds of one group in this process, and the scores of its cells."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "store")
        started = time.process_time()
        run_groups([group], store, Execution(threads=threads), Silent(), threading.Event())
        seconds = time.process_time() - started
        return seconds, {result.cell_id: store.scores(result.cell_id).scores for result in store.results()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--method", default="dualcoop")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--subset", type=int, default=None, help="images per split")
    asked = parser.parse_args()
    together = plan(Request(methods=(asked.method,), subset=asked.subset)).groups
    alone = [Group((cell,)) for group in together for cell in group.cells]
    timed(together, asked.threads)  # warm-up: the first run generates the images
    sides = {
        "one group": lambda _: timed(together, asked.threads),
        "separate runs": lambda _: timed(alone, asked.threads),
    }
    compare_scores(sides, asked.rounds)


if __name__ == "__main__":
    main()
