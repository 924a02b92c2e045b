"""Measure what commands take before they work: CPU seconds with an empty cache and with a filled one.

python benchmark/perf/start.py --runs 5
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from store_scale import measured

COMMANDS = {
    "--help": ["--help"],
    "list methods": ["list", "methods"],
    "show dualcoop": ["show", "dualcoop"],
    "show dualcoop --datasets voc2007": ["show", "dualcoop", "--datasets", "voc2007"],
    "run --dry-run": ["run", "--dry-run", "--root", "none"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    for name, words in COMMANDS.items():
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_CACHE_HOME"] = folder
            command = ["-m", "pmll_bench", *words]
            first, *later = (measured(command, Path(folder), "start").cpu for _ in range(asked.runs + 1))
        spread = f"{min(later):.2f} to {max(later):.2f}"
        print(f"{name}: first {first:.2f} CPU s, then median {statistics.median(later):.2f}, {spread}", flush=True)


if __name__ == "__main__":
    main()
