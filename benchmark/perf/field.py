"""Measure `pmll-bench run` on the embedded data: CPU seconds per method, or the whole field with one command.

    python benchmark/perf/field.py --before ../pmll-bench-0.9 --rounds 1
    python benchmark/perf/field.py --whole --set recipe.channels_last=true

Each method runs its nine ratios in a process of its own on one thread; the start of Python is included. With `--whole`,
one command runs all methods with `--launcher local`; the seconds that the cells of each method took come from the
store, and methods that train in one group share their time. `--before` adds the code of another checkout, whose scores
must be equal to the bit, and `--set` this code with settings, whose mAPs are compared. Sides run in turn.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from in_turn import Scores, check_equal_scores, gains, in_turn, processor, spread
from store_scale import Taken, measured

from pmll_bench.plan.request import DEFAULT
from pmll_bench.store.result import Result
from pmll_bench.store.store import Store

PACKAGES = ("errors", "datasets", "methods", "benchmark")
HERE = Path(__file__).resolve().parents[2]
BEFORE, NOW, CHANGED = "before", "now", "now, with the settings"


@dataclass(frozen=True)
class Side:
    """The code of a checkout with settings."""

    checkout: Path
    settings: tuple[str, ...] = ()

    def run(self, options: Sequence[str]) -> Ran:
        """Run `pmll-bench run` with a store of its own."""
        os.environ["PYTHONPATH"] = os.pathsep.join(str(self.checkout / package) for package in PACKAGES)
        settings = chain.from_iterable(("--set", setting) for setting in self.settings)
        with tempfile.TemporaryDirectory() as folder:
            root, started = Path(folder) / "store", time.monotonic()
            command = ["-m", "pmll_bench", "run", "--root", str(root), *options, *settings]
            taken = measured(command, Path(folder), "run")
            minutes, store = (time.monotonic() - started) / 60, Store.open(root)
            results = tuple(store.results())
            return Ran(taken, minutes, results, {each.cell_id: store.scores(each.cell_id).scores for each in results})


@dataclass(frozen=True)
class Ran:
    """What a run took, and the results in its store."""

    taken: Taken
    minutes: float
    results: tuple[Result, ...]
    scores: Scores

    @property
    def mean_ap(self) -> dict[tuple[str, float], float]:
        """The mAP by method and ratio, in %."""
        return {(result.method, result.ratio): 100 * result.metrics["map"] for result in self.results}

    @property
    def spent(self) -> dict[str, float]:
        """The seconds that the cells of each method took, most first."""
        spent: defaultdict[str, float] = defaultdict(float)
        for result in self.results:
            seconds = result.seconds
            spent[result.method] += (seconds.train + seconds.predict) / seconds.shared_with
        return dict(sorted(spent.items(), key=lambda item: -item[1]))


def check(found: Mapping[str, Ran]) -> None:
    """Scores of another checkout are equal to the bit; how far mAPs differ with the settings is printed."""
    if BEFORE in found:
        check_equal_scores({name: found[name].scores for name in (BEFORE, NOW)})
    if CHANGED in found:
        plain, changed = found[NOW].mean_ap, found[CHANGED].mean_ap
        apart = [changed[cell] - plain[cell] for cell in plain]
        mean = sum(apart) / len(apart)
        print(f"mAP with the settings: {min(apart):+.2f} to {max(apart):+.2f} points, on average {mean:+.3f}")


def method(name: str, sides: Mapping[str, Side], options: Sequence[str], rounds: int) -> None:
    """Print the CPU seconds of one method on each side, and what each gains over the first."""

    def nine_ratios(side: Side, _: int) -> tuple[float, Ran]:
        ran = side.run(["--methods", name, *options, "--threads", "1"])
        return ran.taken.cpu, ran

    seconds = in_turn({each: partial(nine_ratios, side) for each, side in sides.items()}, rounds, check)
    first = next(iter(seconds.values()))
    for each, taken in seconds.items():
        gain = f", gain {spread(gains(taken, first))}" if taken is not first else ""
        print(f"{name}, {each}: {spread(taken)} CPU s{gain}", flush=True)


def whole(methods: Sequence[str], sides: Mapping[str, Side], options: Sequence[str], rounds: int) -> None:
    """Print what all methods take with one command on each side, and the seconds of the cells of each method."""

    def field(name: str, side: Side, _: int) -> tuple[float, Ran]:
        ran = side.run(["--methods", *methods, "--launcher", "local", *options])
        cpu, peak = ran.taken
        print(f"{name}: {ran.minutes:.1f} min, {cpu:.0f} CPU s, peak {peak:.0f} MiB in one process", flush=True)
        for label, total in ran.spent.items():
            print(f"{label:>14}: {total:.1f} s")
        return ran.minutes, ran

    minutes = in_turn({each: partial(field, each, side) for each, side in sides.items()}, rounds, check)
    first, *others = minutes
    for each in others:
        print(f"gain in time, {each}: {spread(gains(minutes[each], minutes[first]))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=None, help="by default those of `pmll-bench run`")
    parser.add_argument("--before", type=Path, default=None, help="a checkout of an earlier version")
    parser.add_argument("--set", action="append", default=[], help="a setting of `pmll-bench run`, for one more side")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="all methods with one command instead")
    parser.add_argument("--subset", type=int, default=None, help="images per split")
    asked = parser.parse_args()
    subset = [] if asked.subset is None else ["--subset", str(asked.subset)]
    sides = {BEFORE: Side(asked.before.resolve())} if asked.before else {}
    sides[NOW] = Side(HERE)
    if asked.set:
        sides[CHANGED] = Side(HERE, tuple(asked.set))
    print(processor())
    if asked.whole:
        whole(asked.methods or ["all"], sides, subset, asked.rounds)
    else:
        for name in asked.methods or DEFAULT:
            method(name, sides, subset, asked.rounds)


if __name__ == "__main__":
    main()
