"""What a comparison says in words: the verdict on a difference, and what its interval holds."""

from __future__ import annotations

from collections.abc import Iterable

from pmll_errors import counted

from ...plan.cell import percent
from .records import BlockComparison, Comparison, Delta, Pair


def points(value: float, decimals: int) -> str:
    """A value in 0-1 as points of a percentage; a small one that is not 0 keeps a digit."""
    text = f"{100 * value:.{decimals}f}"
    shown = text if float(text) or not value else f"{100 * value:.1g}"
    return shown.removeprefix("-") if float(shown) == 0 else shown


def bounds(delta: Delta, decimals: int) -> str:
    """The interval of a difference in points: "10.3 to 13.9"."""
    return f"{points(delta.low, decimals)} to {points(delta.high, decimals)}"


def p_text(p: float) -> str:
    """A p-value with three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def verdict(pair: Pair, block: BlockComparison, decimals: int) -> str:
    """The conclusion about two rows, from the mean over the ratios, in one line."""
    delta, ratios = pair.mean, _ratios(pair, block)
    if not delta.significant:
        return (
            f"the difference of {_sized(delta, decimals)}{ratios} is within the noise of this design: "
            f"differences under {points(delta.noise, decimals)} are noise here"
        )
    better, worse = (pair.first, pair.second) if delta.estimate > 0 else (pair.second, pair.first)
    size = _sized(delta if delta.estimate > 0 else delta.reversed, decimals)
    few = counted(delta.repetitions, block.unit)
    only = "" if delta.holds == "masks and images" else f", as far as {few} can tell"
    return f"{better} is better than {worse} by {size}{ratios}{only}"


def _sized(delta: Delta, decimals: int) -> str:
    return f"{points(delta.estimate, decimals)} ({bounds(delta, decimals)})"


def _ratios(pair: Pair, block: BlockComparison) -> str:
    """The ratios that a mean is over: " over the 9 ratios", " at 10%"; empty in a regime without ratios."""
    if len(pair.over) > 1:
        return f" over the {len(pair.over)} ratios"
    return f" at {percent(pair.over[0])}" if block.identity["regime"] in ("partial", "semi") else ""


def design_text(repetitions: Iterable[int], seeds: Iterable[int], unit: str) -> str:
    """The repetitions behind some numbers: "3 masks × 1 seed", "1 to 3 masks × 1 seed", "5 seeds on one mask"."""
    units = _span(repetitions)
    if unit == "seed":
        return f"{_counted(units, 'seed')} on one mask"
    return f"{_counted(units, 'mask')} × {_counted(_span(seeds), 'seed')}"


def _span(counts: Iterable[int]) -> str:
    ordered = sorted(counts)
    return f"{ordered[0]}" if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}"


def _counted(count: str, noun: str) -> str:
    return f"{count} {noun}" if count == "1" else f"{count} {noun}s"


_PROCEDURES = {
    "two-level bootstrap": "two-level bootstrap, masks outer and images inner",
    "t over masks and image bootstrap": "t over the masks, and the part of the images by bootstrap",
    "image bootstrap": "bootstrap of the images",
}


def holds(sources: str, procedure: str, repetitions: int, unit: str, resamples: int) -> str:
    """What a 95 % interval holds and how it is made, to follow "95% intervals hold" or "a 95% interval for"."""
    how = f"({_PROCEDURES[procedure].replace('masks', f'{unit}s')}, {resamples:,} resamples)"
    if sources == "masks and images":
        others = "other masks, with their training seeds," if unit == "mask" else "other training seeds on this mask"
        return f"{others} and other test images {how}"
    few = counted(repetitions, unit)
    return f"other test images only {how}: {few} cannot show what another {unit} changes, three can"


def correction_text(comparison: Comparison, block: BlockComparison) -> str:
    """How p-values are adjusted, without a full stop; empty for a single pair."""
    count = counted(len(block.pairs), "comparison")
    return {
        "none": "",
        "holm": f"p is adjusted for {count} with {comparison.against} (Holm)",
        "max-t": f"p is adjusted for {counted(len(block.pairs), 'pair')} (max-T step-down); intervals are not",
    }[block.correction]
