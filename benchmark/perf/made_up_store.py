"""Write a store of finished cells with made-up results, to measure the commands that read a large store.

python benchmark/perf/made_up_store.py --folder /somewhere/new --cells 10000

The cells are those of a plan on `shapes`. Their results have the size of results on COCO: 80 classes and a history of
60 epochs. It prints the options of `run` for the same grid.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
from collections.abc import Sequence
from pathlib import Path

from pmll_bench.plan.planned import Planned
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_bench.store.attempt import Attempt
from pmll_bench.store.environment import environment
from pmll_bench.store.records import AttemptRecord, CellRecord, EndRecord, StoreRecord
from pmll_bench.store.result import Cost, Counts, Result, ScoresFile, Seconds, Support
from pmll_bench.store.store import Store

METHODS = ("bce", "asl", "ssgrl", "gcn-ml", "kggr", "sst", "sarb", "dualcoop", "coop", "sarl")
RATIOS = tuple(round(0.1 * tenth, 1) for tenth in range(1, 11))
CLASSES = tuple(f"class {number:02d}" for number in range(80))
EPOCHS = 60
TERMS = ("ranking", "instance", "prototype")
METRICS = tuple(
    rule + name
    for rule in ("", "top3_", "top3_threshold_")
    for name in ("OP", "OR", "OF1", "CP", "CR", "CF1", "CF1_macro")
)


def grid_of(cells: int) -> dict[str, list[str]]:
    """The options of `run` for a grid of about this many cells."""
    side = max(1, round((cells / len(METHODS) / len(RATIOS)) ** 0.5))
    seeds = [str(seed) for seed in range(max(1, round(cells / len(METHODS) / len(RATIOS) / side)))]
    masks = [str(seed) for seed in range(side)]
    ratios = [str(ratio) for ratio in RATIOS]
    return {"--methods": [*METHODS], "--ratios": ratios, "--seeds": seeds, "--mask-seeds": masks}


def planned_cells(options: dict[str, list[str]]) -> tuple[Planned, ...]:
    """The cells of the grid with these options."""
    seeds, masks = (tuple(map(int, options[name])) for name in ("--seeds", "--mask-seeds"))
    return plan(Request(methods=METHODS, ratios=RATIOS, seeds=seeds, mask_seeds=masks)).cells


def make_store(root: Path, cells: Sequence[Planned], failed: int = 0) -> None:
    """Write a store with a result for each cell; one in `failed` cells has failed instead (0: none).

    The files are those that a run leaves, but for the scores, which no command here reads.
    """
    store, chance = Store(root), random.Random(0)
    root.mkdir(parents=True)
    (root / "store.json").write_bytes(StoreRecord().as_bytes())
    for number, planned in enumerate(cells):
        folder = store.folder(planned.cell)
        attempt = Attempt(folder.path, 1)
        attempt.path.mkdir(parents=True)
        (folder.path / "cell.json").write_bytes(CellRecord.of(planned).as_bytes())
        here = environment(threads=1, device="cpu")
        began = AttemptRecord(attempt=1, host="node", pid=1, command=("pmll-bench", "run"), environment=here)
        (attempt.path / "attempt.json").write_bytes(began.as_bytes())
        (attempt.path / "events.jsonl").write_bytes(b'{"event": "epoch"}\n' * EPOCHS)
        if failed and number % failed == 0:
            message = f"ValueError: reason {number // failed % 5}"
            attempt.trace.write_text("Traceback (most recent call last):\n" * 20)
            end = EndRecord(kind="failed", cause="error", message=message, traceback="line\n" * 20)
        else:
            (attempt.path / "scores.npz").write_bytes(b"")
            (attempt.path / "result.json").write_bytes(made_up(planned, chance).as_bytes())
            os.link(attempt.path / "result.json", folder.path / "result.json")
            end = EndRecord(kind="done")
        (attempt.path / "end.json").write_bytes(end.as_bytes())


def made_up(planned: Planned, chance: random.Random) -> Result:
    """The result of a cell, with made-up numbers."""
    cell, classes = planned.cell, len(CLASSES)
    copied = {name: getattr(planned, name) for name in ("settings", "recipe", "track", "stated", "label")}
    repeated = ("method", "revision", "dataset", "regime", "ratio", "mask", "mask_seed", "seed")
    losses = ({"epoch": epoch, **{name: chance.random() for name in TERMS}} for epoch in range(1, EPOCHS + 1))
    counts, positives = Counts(train=82081, test=40137, classes=classes, known=82081 * classes), (1000,) * classes
    return Result(
        cell_id=cell.id,
        cell=cell,
        **copied,
        **{name: getattr(cell, name) for name in repeated},
        attempt=1,
        counts=counts,
        mask_digest="0" * 64,
        selection="last",
        epochs_run=EPOCHS,
        metrics={"map": chance.random(), "map_hcp": chance.random(), **{name: chance.random() for name in METRICS}},
        ap=tuple(chance.random() for _ in CLASSES),
        support=Support(known=positives, train=positives, test=positives),
        classes=CLASSES,
        history=tuple(losses),
        scores=ScoresFile(file="attempts/0001/scores.npz", sha256="0" * 64, n=counts.test, c=classes),
        seconds=Seconds(train=3600.0, predict=60.0, shared_with=len(RATIOS)),
        environment=environment(threads=1, device="cpu"),
        cost=Cost(trained_parameters=10**6, parameters=10**8, peak_memory=10**10, images_per_second=100.0),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, help="the new store; none: only print the options")
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--failed", type=int, default=0, metavar="N", help="one cell in N has failed; 0: none")
    asked = parser.parse_args()
    options = grid_of(asked.cells)
    if asked.folder is not None:
        make_store(asked.folder, planned_cells(options), asked.failed)
    print(shlex.join(word for name, values in options.items() for word in (name, *values)))


if __name__ == "__main__":
    main()
