"""Repetitions behind the numbers of a block: masks, and training seeds per mask.

Runs on one mask share its known labels, so they are not independent. With several masks, the seeds of each mask are
averaged first and ± is the sd over masks. With one mask, ± is the sd over seeds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, mode
from typing import TypeAlias

import pandas as pd

from pmll_errors import counted

from .aggregate import Value

Key: TypeAlias = tuple[str, str, float]  # label, selection and ratio, which the repetitions of a number share


@dataclass(frozen=True)
class Repetitions:
    """How the numbers of a block are repeated.

    `summary` is the sentence for the caption, and ± is the spread over `unit`. `thin` are the numbers over fewer
    repetitions than `usual`. `trained_once` are the labels of deterministic methods if others have several seeds per
    mask.
    """

    summary: str
    unit: str
    usual: str
    thin: frozenset[Key]
    trained_once: tuple[str, ...]

    def values(self, part: pd.DataFrame, names: Mapping[tuple[str, str], str], metric: str) -> list[Value]:
        """The metric in percent, one value per mask, or per seed if there is only one mask."""
        found: dict[tuple[Key, int], list[float]] = defaultdict(list)
        units = part["mask_seed" if self.unit == "masks" else "seed"]
        for key, unit, value in zip(_keys(part), units, part[metric], strict=True):
            found[key, unit].append(value)
        return [
            Value(names[label, rule], ratio, unit, 100 * fmean(values))
            for ((label, rule, ratio), unit), values in found.items()
        ]


def repetitions(part: pd.DataFrame, least: int | None = None) -> Repetitions:
    """Count the masks and seeds of a block's numbers.

    A number over fewer than `least` masks or seeds is thin; the default of `least` is what most numbers of the block
    have. A deterministic method needs one seed per mask.
    """
    seeds: dict[Key, Counter[int]] = defaultdict(Counter)  # runs of each number by mask
    once: set[Key] = set()
    for key, mask, deterministic in zip(_keys(part), part["mask_seed"], part["deterministic"], strict=True):
        seeds[key][mask] += 1
        if deterministic:
            once.add(key)
    masks, runs = ({key: count(found) for key, found in seeds.items()} for count in (len, Counter.total))
    drawn = {key: count for key, count in runs.items() if key not in once} or runs
    several = part["mask_seed"].nunique() > 1
    few_masks, few_runs = least or mode(sorted(masks.values())), least or mode(sorted(drawn.values()))
    on_a_mask = [count for key in drawn for count in seeds[key].values()]
    each = f" × {counted(few_runs // few_masks, 'seed')}" if few_runs > few_masks else ""
    hidden = set(part["regime"]) != {"full"}
    return Repetitions(
        summary=_summary(_range(masks[key] for key in drawn), on_a_mask, several=several, hidden=hidden),
        unit="masks" if several else "seeds",
        usual=f"{counted(few_masks, 'mask')}{each}" if several else counted(few_runs, "seed"),
        thin=frozenset(
            key for key in runs if (several and masks[key] < few_masks) or (key in drawn and runs[key] < few_runs)
        ),
        trained_once=tuple(dict.fromkeys(label for label, _, _ in sorted(once))) if max(on_a_mask) > 1 else (),
    )


def _keys(part: pd.DataFrame) -> Iterator[Key]:
    """The number to which each line of a frame belongs."""
    return zip(part["label"], part["selection"], part["ratio"], strict=True)


def _summary(masks: str, seeds: Sequence[int], *, several: bool, hidden: bool) -> str:
    """The sentence for the caption: the number of repetitions and the meaning of ±."""
    one = max(seeds) == 1
    if several and one:
        return f"Mean ± sd (ddof 1) over {masks} masks, one seed each"
    if several:
        return (
            f"Mean over {masks} masks × {_range(seeds)} seeds; ± is the sd (ddof 1) over masks of the mean over seeds"
        )
    if one:
        return "One mask and one seed (no ±)" if hidden else "One seed (no ±)"
    return f"Mean ± sd (ddof 1) over {_range(seeds)} seeds" + (" on one mask" if hidden else "")


def _range(counts: Iterable[int]) -> str:
    """The counts as one number, or from the smallest to the largest."""
    ordered = sorted(counts)
    return f"{ordered[0]}" if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}"
