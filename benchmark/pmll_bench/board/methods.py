"""The pages of methods: their cards, and the settings, environments and AP by label of their rows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from statistics import fmean
from typing import Any, TypeAlias

from pmll_methods import registry
from pmll_methods.method import REGISTRY
from pmll_methods.settings import as_plain

from ..plan import facts_cache
from ..plan.cell import canonical
from ..published.references import bibtex
from ..report.papers.names import method_named
from ..report.papers.status import OWN, REPRODUCED, levels
from ..store.environment import Environment
from ..store.result import Result
from .material import Material
from .records import MethodPage, OfClass, Row, Trust
from .rescoring import BlockCells
from .rows import page_of
from .tables import Made

Key: TypeAlias = tuple[str, str]  # the slugs of a table and of a row
RECORDED = (
    *("pmll-bench", "commit", "python", "torch", "torchvision", "timm", "open_clip_torch", "numpy"),
    *("device", "gpu", "cpu", "threads", "cuda", "cudnn", "tf32_matmul", "tf32_convolutions"),
)
"""What a page shows of an environment: nothing that names a host, a folder or a person."""


def method_pages(material: Material, tables: Sequence[Made]) -> tuple[MethodPage, ...]:
    """A page per method, by name."""
    rows: dict[str, list[tuple[Made, Row]]] = defaultdict(list)
    for made in tables:
        for row in (*made.table.ranked, *made.table.unranked):
            rows[row.method].append((made, row))
    cards = _cards()
    return tuple(_page(material, method, rows[method], cards.get(method)) for method in sorted(rows))


def _page(
    material: Material, method: str, rows: Sequence[tuple[Made, Row]], card: Mapping[str, Any] | None
) -> MethodPage:
    settings: dict[Key, Mapping[str, str]] = {}
    environments: dict[Key, tuple[str, ...]] = {}
    classes: dict[Key, tuple[OfClass, ...]] = {}
    for made, row in rows:
        key = made.table.slug, row.slug
        environments[key] = _environments(material.results[cell].environment for cell in row.cells)
        if (first := material.result(material.first(row.cells))) is not None:
            settings[key] = _settings(first)
            classes[key] = _classes(material, row, made.cells, first)
    named = method_named(method)
    reproduced = any(row.trust == Trust.reproduced for _, row in rows)
    return MethodPage(
        slug=page_of(method),
        name=named.display,
        title=REGISTRY[method].title if method in REGISTRY else "a method of the authors of its package",
        paper=card["paper"] if card else _paper(rows),
        bibtex=bibtex([named.cite]),
        status=(*levels(method), *(() if reproduced else (REPRODUCED,))) if method in REGISTRY else (OWN,),
        differs=tuple(card["differs"]) if card else (),
        built_in=card is not None,
        rows=tuple((made.table.slug, row) for made, row in rows),
        settings=settings,
        environments=environments,
        classes=classes,
    )


def _cards() -> Mapping[str, Any]:
    """What the pages show of the cards of built-in methods; cached, because cards are in files that import torch."""
    cards: Mapping[str, Any] = facts_cache.kept("cards of a board", _read_cards)
    return cards


def _read_cards() -> Mapping[str, Any]:
    cards = {method: registry.find(method).card for method in REGISTRY}
    return {method: {"paper": card.paper, "differs": card.differs} for method, card in cards.items()}


def _paper(rows: Sequence[tuple[Made, Row]]) -> str:
    """The paper that the packages of a method's rows name."""
    return next((row.paper for _, row in rows if row.paper), "")


def _settings(result: Result) -> Mapping[str, str]:
    """The settings and the recipe of a result, as texts; those without a value are left out."""
    recipe = {f"recipe.{name}": value for name, value in as_plain(result.recipe).items()}
    return {name: _text(value) for name, value in {**result.settings, **recipe}.items() if not _empty(value)}


def _empty(value: Any) -> bool:
    return value is None or value in ([], {}, "")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return PurePath(value).name if "/" in value else value  # no folders of whoever made it
    return f"{value:g}" if isinstance(value, float) else canonical(value)


def _environments(environments: Iterable[Environment]) -> tuple[str, ...]:
    """Each distinct environment in one line, sorted."""
    texts = {
        ", ".join(f"{name} {each[name]}" for name in RECORDED if each.get(name) is not None) for each in environments
    }
    return tuple(sorted(texts - {""}))


def _classes(material: Material, row: Row, cells: BlockCells, first: Result) -> tuple[OfClass, ...]:
    """The AP of each label, averaged over the cells of a row: ours where all were re-scored, else as claimed."""
    if set(row.cells) <= cells.rescored.keys():
        ap = [cells.rescored[cell].ap.tolist() for cell in row.cells]
    else:
        found = (material.result(cell) for cell in row.cells)
        ap = [[math.nan if value is None else value for value in each.ap] for each in found if each is not None]
    means = [fmean(values) for values in zip(*ap, strict=True)]
    support = zip(first.classes, means, first.support.known, first.support.test, strict=True)
    return tuple(OfClass(name, None if math.isnan(mean) else 100 * mean, *counts) for name, mean, *counts in support)
