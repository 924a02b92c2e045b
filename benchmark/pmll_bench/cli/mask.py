"""`data mask`: writes the masks of a data set to a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import ConfigError
from ..files import write_whole
from ..plan.overrides import parse_sets


def export(
    name: str,
    root: Path | None,
    sets: Iterable[str],
    *,
    rule: str,
    regime: str,
    ratios: Sequence[float],
    seed: int,
    out: Path,
) -> dict[float, float]:
    """Write the masks of a data set's training labels to a file; returns the share of known entries per ratio.

    Options that are not in `sets` are those of the track `paper`. Without `ratios`, those of the regime are used.
    Raises `DataError` as `masks.known_entries` does.
    """
    from pmll_datasets import dataset, mask_files, masks
    from pmll_datasets.errors import unknown
    from pmll_datasets.registry import REGIMES, paper_options

    if regime not in REGIMES or regime == "full":
        raise unknown("regime with a mask", regime, [each for each in REGIMES if each != "full"])
    if out.suffix != ".npz":
        raise ConfigError(f"invalid name of a mask file: {out.name}", where="--out", hint="use the suffix .npz")
    given = {key: value for key, value in parse_sets(sets).data.items() if value is not None}
    data = dataset.load(name, root, paper_options(name, regime) | given)
    wanted = ratios if ratios and REGIMES[regime].has_ratio else REGIMES[regime].ratios
    known = {
        ratio: masks.known_entries(rule, data.train, data.classes, ratio, seed, regime) for ratio in sorted(set(wanted))
    }
    write_whole(out, mask_files.pack(regime, data.train.ids, data.classes, known))
    return {ratio: float(each.mean()) for ratio, each in known.items()}
