"""The cell that one method on one data set is: its settings and recipe, planned as the cells of a grid are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pmll_datasets.dataset import Dataset
from pmll_datasets.registry import DATASETS
from pmll_errors import nearest
from pmll_methods import registry
from pmll_methods.method import MethodError

from ..errors import ConfigError
from ..plan.grid import expand
from ..plan.grid_files import as_sets
from ..plan.label_coverage import check_labels
from ..plan.mask import mask_facts
from ..plan.method_facts import facts_of, pretrained
from ..plan.planned import DataFacts, Planned
from ..plan.request import MethodRow, Request
from .data import MaskedDataset
from .values import as_plain

LAST = "last"


@dataclass(frozen=True)
class OneCell:
    """A planned cell with its method. `notes` are for the user."""

    planned: Planned
    kind: registry.Kind
    notes: tuple[str, ...]
    named: bool  # whether `pmll-bench run` would give the cell the same id


def plan_cell(
    method: str | os.PathLike[str] | type,
    masked: MaskedDataset,
    *,
    settings: Mapping[str, Any],
    recipe: Mapping[str, Any],
    track: str | None,
    seed: int,
) -> OneCell:
    """Plan one cell, as `plan.planning.plan` does for a grid.

    Raises `ConfigError`, `DataError` or `MethodError` as planning does, and `ConfigError` if the recipe selects an
    epoch: then the trained weights are not those of the result.
    """
    if isinstance(method, type):
        kind = registry.of_class(method)
        target = kind.card.name
    else:
        target = os.fspath(method)
        kind = registry.find(target)
    if masked.regime not in kind.card.regimes:
        hint = f"{nearest(masked.regime, kind.card.regimes)}; choose one with pb.mask_labels(data, regime=…)"
        raise MethodError(f"{kind.card.name} does not support the regime {masked.regime!r}", hint=hint)
    sets = (*as_sets(as_plain(settings, "settings")), *as_sets(as_plain(recipe, "recipe"), "recipe."))
    row = MethodRow(target, sets=sets)
    request = _request(row, masked, track, seed)
    facts = facts_of(row, kind, request, masked.data.name)
    facts = replace(facts, tower_digest=pretrained(facts.settings))
    if facts.recipe.selection != LAST:
        hint = f"set recipe.selection={LAST}, or use pb.run, whose results are the scores of the selected epoch"
        raise ConfigError("pb.fit keeps the weights of the last epoch", where=f"recipe of {facts.name}", hint=hint)
    (planned,) = expand(request, [_data_facts(masked.data)], {masked.data.name: [facts]}, mask_facts(request))
    notes = check_labels([planned], {facts.label: facts}, lambda _: masked.data)
    named = (masked.data.name in DATASETS or masked.data.user_file) and not isinstance(method, type)
    return OneCell(planned, kind, notes, named)


def _request(row: MethodRow, masked: MaskedDataset, track: str | None, seed: int) -> Request:
    request = Request(
        methods=(row,),
        datasets=(masked.data.name,),
        ratios=(masked.ratio,),
        seeds=(seed,),
        mask=masked.mask,
        noise=(masked.noise,),
        regime=masked.regime,
        track=track,
    )
    drawn = masked.noise or (masked.regime != "full" and mask_facts(request).seeded)
    return replace(request, mask_seeds=(masked.seed,)) if drawn else request


def _data_facts(data: Dataset) -> DataFacts:
    return DataFacts(
        name=data.name,
        options=data.options,
        fingerprint=data.fingerprint,
        train=len(data.train),
        test=len(data.test),
        classes=len(data.classes),
    )
