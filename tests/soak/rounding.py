"""Runs the same cells of `shapes` with the instructions of several kinds of CPU and says how far their mAP moves.

    python tests/soak/rounding.py                           # the default methods at 30 and 70 %, some minutes
    python tests/soak/rounding.py sst sarb --ratios 0.3 --kinds avx2

It starts `pmll-bench run` once as it is and once for each kind, and prints one row of a Markdown table a method: mAP as
it is, and the largest change at any ratio. It ends with 1 when some number moves by a point or more: then rounding, and
no method, decides it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import TypeAlias

LIMIT = 1.0
"""mAP points."""
KINDS: Mapping[str, Mapping[str, str]] = {
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"},
    "sse": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
    "threads": {},
}
"""The environment that makes torch and its libraries use a kind's instructions; `threads` takes two in place of one."""
Table: TypeAlias = dict[tuple[str, float | None], float]  # by method and ratio, mAP in percent


def measured(grid: Sequence[str], kind: str = "") -> Table:
    """The numbers of one run of a grid, in a store of its own. Raises `CalledProcessError` when it fails."""
    bench = (sys.executable, "-m", "pmll_bench")
    with TemporaryDirectory() as root:
        how = ("--track", "smoke", "--threads", "2" if kind == "threads" else "1", "--root", root)
        environment = {**os.environ, **KINDS.get(kind, {})}
        subprocess.run([*bench, "run", *how, *grid], env=environment, stdout=subprocess.DEVNULL, check=True)
        told = subprocess.run([*bench, "table", "--root", root, "--json"], capture_output=True, check=True, text=True)
    return numbers(json.loads(told.stdout))


def numbers(table: Mapping[str, object]) -> Table:
    """What `pmll-bench table --json` holds, by method and ratio."""
    rows = [row for block in table["blocks"] for row in block["rows"]]  # type: ignore[attr-defined]
    return {(row["method"], cell["ratio"]): cell["mean"] for row in rows for cell in row["cells"]}


def moved(usual: Table, others: Sequence[Table]) -> dict[str, float]:
    """By method, the largest change of a number in any of the other tables."""
    most: dict[str, float] = {}
    for cell, value in usual.items():
        changes = [abs(other[cell] - value) for other in others]
        most[cell[0]] = max([most.get(cell[0], 0.0), *changes])
    return most


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("methods", nargs="*", metavar="METHOD", help="names or files; without any: the default ones")
    parser.add_argument("--ratios", nargs="+", default=["0.3", "0.7"], metavar="R")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS, help="without: all")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=V", help="as for `pmll-bench run`")
    parser.add_argument("--subset", metavar="N", help="as for `pmll-bench run`")
    asked = parser.parse_args(argv)
    grid = ["--ratios", *asked.ratios, *(part for each in asked.set for part in ("--set", each))]
    grid += ["--methods", *asked.methods] if asked.methods else []
    grid += ["--subset", asked.subset] if asked.subset else []
    usual, *others = (measured(grid, kind) for kind in ("", *asked.kinds))
    found = moved(usual, others)
    print(f"| method | {' | '.join(asked.ratios)} | largest change |\n|---|{'---:|' * len(asked.ratios)}---:|")
    for method, most in found.items():
        values = " | ".join(f"{value:.2f}" for (name, _), value in usual.items() if name == method)
        print(f"| `{method}` | {values} | {most:.2f} |")
    return 1 if max(found.values()) >= LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
