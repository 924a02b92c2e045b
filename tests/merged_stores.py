"""Small stores to merge, and what a merged store holds; run as a script, it kills merges before their system calls.

python merged_stores.py FOLDER

A process that merges is killed before every second call that touches the disk, one that withdraws a result before every
call. The same command is run again; prints as JSON what each store then holds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pmll_bench.merging.merge import merge
from pmll_bench.merging.withdrawing import withdraw
from pmll_bench.merging.writing import LOCK
from pmll_bench.store.merges import NAME, history
from pmll_bench.store.store import Store
from store_processes import die_at
from stored import CLASSES, IDS, SCORES, planned, result

Offer = tuple[int, int]  # the seed of a cell, and a number that decides its scores


def source(root: Path, *offers: Offer, method: str = "mine", **changes: Any) -> Path:
    """A store with these results, as after a run; `changes` are those of the cells."""
    store = Store.open(root)
    for seed, variant in offers:
        item = replace(planned(seed=seed, mask_seed=seed, method=method, **changes), label=method)
        attempt = store.folder(item.cell).begin(item, {"platform": "Linux"})
        scores = attempt.write_scores(SCORES + variant, IDS, CLASSES)
        attempt.commit(result(item, attempt.number, scores, metrics={"map": 0.5 + variant / 100}))
        attempt.end("done")
    return root


def cell_of(seed: int, method: str = "mine", **changes: Any) -> str:
    """The id of a cell of `source`."""
    return planned(seed=seed, mask_seed=seed, method=method, **changes).cell.id


def digest_of(variant: int, root: Path) -> str:
    """The digest of the scores of a variant; `root` is a folder for a store."""
    path = source(root / f"variant-{variant}", (99, variant))
    (found,) = Store(path).results()
    return found.scores.sha256


def files_of(root: Path) -> dict[str, str]:
    """The digests of all files of a store by name; of the history, what does not depend on the time."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and name not in ("store.json", "index.jsonl", LOCK):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    found[NAME] = "; ".join(_without_time(line.model_dump_json()) for line in history(Store(root)))
    return found


def _without_time(line: str) -> str:
    content = json.loads(line)
    return json.dumps({name: value for name, value in content.items() if name not in ("created", "previous")})


def killed_before_calls(
    folder: Path, prepare: Callable[[Path], Any], work: Callable[[Path], Any], every: int
) -> list[Any]:
    """What a store holds after `work` was killed before a call and done again, for every n-th call; last, unbroken."""
    seen: list[Any] = []
    while True:
        root = folder / "store"
        shutil.rmtree(root, ignore_errors=True)
        prepare(root)
        child = os.fork()
        if child == 0:
            die_at(every * len(seen) + 1)
            work(root)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        work(root)
        seen.append(files_of(root))
        if not os.WIFSIGNALED(status):
            return seen


def main(folder: Path) -> dict[str, list[Any]]:
    """A merge with new, disputed and corrected results and evidence, and a withdrawal that settles a dispute."""
    first = source(folder / "first", (0, 0), (1, 0))
    second = source(folder / "second", (0, 1), (1, 1), (2, 0))
    code = second / "evidence" / ("e" * 64) / "methods" / "mine.py"
    code.parent.mkdir(parents=True)
    code.write_bytes(b"class Mine: ...")

    def with_a_withdrawal(root: Path) -> None:
        merge(root, [first])
        withdraw(root, [cell_of(1)], "a wrong rate")

    def with_a_dispute(root: Path) -> None:
        merge(root, [first, second])

    return {
        "merge": killed_before_calls(folder, with_a_withdrawal, lambda root: merge(root, [second]), every=2),
        "withdraw": killed_before_calls(
            folder,
            with_a_dispute,
            lambda root: withdraw(root, [cell_of(0)], "a wrong rate", scores=_first(first)),
            every=1,
        ),
    }


def _first(root: Path) -> str:
    """The digest of the scores of the first result of a store."""
    return next(Store(root).results()).scores.sha256


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
