"""Measure the sides of a comparison in turn: CPU seconds of this process, their medians and ranges, and gains."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of a call, and its result."""
    started = time.process_time()
    result = call()
    return time.process_time() - started, result


def in_turn(
    sides: Mapping[K, Callable[[int], tuple[float, T]]], rounds: int, check: Callable[[Mapping[K, T]], None]
) -> dict[K, list[float]]:
    """The seconds of each side in every round.

    A side receives the number of the round, and returns its seconds and its result. `check` raises `AssertionError`
    unless the results of a round agree. Every second round has the reverse order, so that no side always follows the
    same other one.
    """
    seconds: dict[K, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        results: dict[K, T] = {}
        for name in list(sides)[:: 1 if number % 2 == 0 else -1]:
            taken, results[name] = sides[name](number)
            seconds[name].append(taken)
        check(results)
    return seconds


def gains(ours: Sequence[float], others: Sequence[float], times: int = 1) -> list[float]:
    """In each round, the seconds of `times` runs of the others by ours."""
    return [times * other / own for own, other in zip(ours, others, strict=True)]


def spread(values: Sequence[float]) -> str:
    """The median and the range."""
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


Scores: TypeAlias = Mapping[str, np.ndarray]
"""The scores of each cell."""


def compare_scores(sides: Mapping[str, Callable[[int], tuple[float, Scores]]], rounds: int) -> None:
    """Run two sides in turn, check that their scores are equal, and print what the first gains over the second."""
    seconds = in_turn(sides, rounds, check_equal_scores)
    for name, taken in seconds.items():
        print(f"{name}: {spread(taken)} CPU s")
    ours, others = seconds.values()
    print(f"gain: {spread(gains(ours, others))}; scores bit-equal")


def check_equal_scores(sides: Mapping[K, Scores]) -> None:
    """Raise `AssertionError` unless all sides have the same cells with the same scores, to the bit."""
    first, *others = sides.values()
    for other in others:
        assert first.keys() == other.keys()
        assert all(np.array_equal(first[cell], other[cell]) for cell in first), "scores differ"


def processor() -> str:
    """The name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()
