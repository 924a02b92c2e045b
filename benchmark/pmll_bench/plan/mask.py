"""The mask of a request, checked against the regime and the data set, and the mask of a planned cell."""

from __future__ import annotations

from pathlib import Path

from pmll_datasets import dataset, mask_files, masks
from pmll_datasets.errors import DataError
from pmll_datasets.registry import REGIMES

from ..errors import ConfigError, nearest
from .planned import MaskFacts, Planned
from .request import Request


def mask_facts(request: Request) -> MaskFacts:
    """The facts about the mask of a request.

    Raises `ConfigError` for an unknown rule or one that does not fit the regime, `DataError` for a missing file.
    """
    if any(request.noise) and request.regime == "single-positive":
        raise ConfigError(
            "the regime single-positive does not support label noise: a flipped label is no longer positive"
        )
    if mask_files.is_file(request.mask):
        path = Path(request.mask).expanduser().resolve()
        return MaskFacts(f"list/{mask_files.digest(path)}", seeded=False, file=str(path))
    if request.mask not in masks.RULES:
        raise ConfigError(f"unknown mask {request.mask!r}", where="--mask", hint=nearest(request.mask, masks.RULES))
    draws = masks.RULES[request.mask].draws
    if request.regime in REGIMES.keys() - {"full"} and request.regime not in draws:
        fit = ", ".join(name for name, rule in masks.RULES.items() if request.regime in rule.draws)
        what = f"the mask {request.mask} is for the regime {' or '.join(draws)}, not {request.regime}"
        raise ConfigError(what, where="--mask", hint=f"use {fit}")
    return MaskFacts(request.mask, masks.RULES[request.mask].seeded)


def check_mask_fits(request: Request, mask: MaskFacts, data: dataset.Dataset) -> None:
    """Check that a mask file or a published draw fits the data set. Raises `DataError`."""
    if mask.seeded or request.regime not in REGIMES.keys() - {"full"}:
        return
    for ratio in request.ratios_of_regime if mask.file else request.ratios_of_regime[:1]:
        masks.known_entries(mask.file or mask.name, data.train, data.classes, ratio, 0, request.regime)


def open_mask(planned: Planned) -> str:
    """The mask of a planned cell: a rule's name, or the path of a file. Raises `DataError` if it has changed."""
    name, file = planned.cell.mask, planned.where.mask
    if file is not None and name != f"list/{mask_files.digest(Path(file))}":
        raise DataError(
            "the mask file has changed since the cell was planned", where=file, hint="plan again: pmll-bench run"
        )
    return file or name
