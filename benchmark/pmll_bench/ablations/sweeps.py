"""The numeric settings that the rows of a grid vary: what a plot draws as lines instead of separate rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..plan.request import MethodRow, Request

LEAST = 3  # values of a setting; two points make no line
NOISE = "noise"


@dataclass(frozen=True)
class Sweep:
    """The rows of a grid that differ in one numeric setting alone: its values in rising order with the rows' labels.

    `fixed` names the other settings that vary in the grid, with their values in these rows.
    """

    setting: str
    fixed: str
    points: tuple[tuple[float, str], ...]


def sweeps(request: Request) -> tuple[Sweep, ...]:
    """The sweeps of a grid, if each of its rows belongs to one; else none.

    A sweep has at least three values. A row may belong to two sweeps, which then cross in it.
    """
    rows = [row if isinstance(row, MethodRow) else MethodRow(row) for row in request.methods]
    settings = {row.label or row.method: {"method": row.method, **row.overrides.settings} for row in rows}
    names = {name for own in settings.values() for name in own}
    varied = [name for name in sorted(names) if len({own.get(name) for own in settings.values()}) > 1]
    found = [sweep for name in varied for sweep in _sweeps(name, varied, settings)]
    covered = {label for sweep in found for _, label in sweep.points}
    return tuple(found) if covered == set(settings) else ()


def sweeps_noise(request: Request) -> bool:
    """Whether a grid varies the label noise over enough values for lines."""
    return len(request.noise) >= LEAST


def _sweeps(name: str, varied: Iterable[str], settings: Mapping[str, Mapping[str, str | None]]) -> list[Sweep]:
    groups: dict[tuple[tuple[str, str | None], ...], dict[float, str]] = defaultdict(dict)
    for label, own in settings.items():
        others = tuple((other, own.get(other)) for other in varied if other != name)
        if (value := _number(own.get(name))) is not None:
            groups[others][value] = label
    return [
        Sweep(name, ", ".join(f"{other} = {value}" for other, value in others), tuple(sorted(points.items())))
        for others, points in groups.items()
        if len(points) >= LEAST
    ]


def _number(text: str | None) -> float | None:
    """The number that a setting is set to; None if it is not set or is no number."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
