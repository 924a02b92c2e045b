"""How much of the work on images the groups of a plan share: how often images are read and encoded by a frozen part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .planned import DataFacts, Group, Planned


class Encoded(NamedTuple):
    """Images that are read and encoded in training and prediction, each view of each epoch counted."""

    in_groups: int
    by_method: int  # with a group for each method
    alone: int  # with each cell on its own


def encoded(group: Group, data: DataFacts) -> Encoded:
    """The images of a group, with and without sharing. Trials of several rates and selections are not counted."""
    rows = [(_images(cells[0], data), len(cells)) for cells in group.rows]
    return Encoded(
        in_groups=max(images for images, _ in rows),
        by_method=sum(images for images, _ in rows),
        alone=sum(images * cells for images, cells in rows),
    )


def _images(planned: Planned, data: DataFacts) -> int:
    recipe = planned.recipe
    passes = 1 if recipe.cache else recipe.epochs
    trained = data.train * passes * len(recipe.views) if planned.cost else 0
    return trained + data.test


def in_words(groups: Iterable[Group], data: Mapping[str, DataFacts]) -> list[str]:
    """What the groups share: a line for each with several methods, and one for all of them."""
    lines, total = [], Encoded(0, 0, 0)
    for number, group in enumerate(groups, 1):
        found = encoded(group, data[group.cells[0].cell.dataset])
        total = Encoded(*(one + more for one, more in zip(total, found, strict=True)))
        if len(group.rows) > 1:
            labels = ", ".join(cells[0].label for cells in group.rows)
            lines.append(f"group {number}: {labels} train together on {group.cells[0].settings['tower']}")
    if total.in_groups < total.alone:
        lines.append(
            f"{total.in_groups:,} images are read and encoded; {total.by_method:,} with a group for each method, "
            f"{total.alone:,} with each cell on its own"
        )
    return lines
