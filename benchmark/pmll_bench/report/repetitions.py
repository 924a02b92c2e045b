"""What the numbers of a block are repeated over: masks, and training seeds on each of them.

Trainings on one mask share its draw of known labels, so they are no independent repetitions. Where there are several
masks, the seeds of each are averaged first and ± is the sd over masks; with one mask, ± is the sd over seeds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, mode
from typing import TypeAlias

import pandas as pd

from ..wording import counted
from .aggregate import Value

Key: TypeAlias = tuple[str, str, float]  # label, selection and ratio: what the repetitions of a number share


@dataclass(frozen=True)
class Repetitions:
    """How the numbers of a block are repeated.

    `said` is the caption's sentence, `unit` what ± is the spread over. `thin` are the numbers over less than `usual`,
    and `trained_once` the labels of deterministic methods, where others have several seeds on a mask.
    """

    said: str
    unit: str
    usual: str
    thin: frozenset[Key]
    trained_once: tuple[str, ...]

    def values(self, part: pd.DataFrame, names: Mapping[tuple[str, str], str], metric: str) -> list[Value]:
        """The metric in percent, one value for each mask or, where there is one mask, for each seed."""
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

    A number over fewer masks or seeds than `least`, by default than most numbers of the block have, is thin. A
    deterministic method needs no more than one seed on a mask.
    """
    seeds: dict[Key, Counter[int]] = defaultdict(Counter)  # of each number, how many on each mask
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
        said=_said(_range(masks[key] for key in drawn), on_a_mask, several=several, hidden=hidden),
        unit="masks" if several else "seeds",
        usual=f"{counted(few_masks, 'mask')}{each}" if several else counted(few_runs, "seed"),
        thin=frozenset(
            key for key in runs if (several and masks[key] < few_masks) or (key in drawn and runs[key] < few_runs)
        ),
        trained_once=tuple(dict.fromkeys(label for label, _, _ in sorted(once))) if max(on_a_mask) > 1 else (),
    )


def _keys(part: pd.DataFrame) -> Iterator[Key]:
    """The number that each line of a frame belongs to."""
    return zip(part["label"], part["selection"], part["ratio"], strict=True)


def _said(masks: str, seeds: Sequence[int], *, several: bool, hidden: bool) -> str:
    """The caption's sentence on how many repetitions there are and what ± means."""
    one = max(seeds) == 1
    if several and one:
        return f"Mean ± sd (ddof 1) over {masks} masks, one seed each"
    if several:
        return (
            f"Mean over {masks} masks × {_range(seeds)} seeds; ± is the sd (ddof 1) over masks of the mean over seeds"
        )
    if one:
        return "One mask and one seed, so no ±" if hidden else "One seed, so no ±"
    return f"Mean ± sd (ddof 1) over {_range(seeds)} seeds" + (" on one mask" if hidden else "")


def _range(counts: Iterable[int]) -> str:
    """How many there are: one number, or from the least to the most."""
    ordered = sorted(counts)
    return f"{ordered[0]}" if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}"
