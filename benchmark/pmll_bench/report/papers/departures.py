"""How a result was made, compared with its method's paper: its tower, and what departs from the paper's recipe."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ...store.result import Result

# Compared with what a published number itself states, or the path of a file
IGNORED = ("tower", "weights", "recipe.resolution", "recipe.selection")
DEPTHS = {"50": "RN50", "101": "RN101"}


class Made(NamedTuple):
    """What a comparison with a paper needs of a result."""

    tower: str  # as published numbers name it, such as RN101; else as the setting does; empty if the method has none
    departures: tuple[str, ...]  # "our recipe.batch 16 for 32"


def made(result: Result) -> Made:
    """How a result was made. Departures are those from the track `paper`; on another track, the track is the only one.

    Imports the method.
    """
    settings = dict(result.settings)
    if result.track != "paper":
        return Made(tower(settings), (f"ours on the track {result.track}",))
    return Made(tower(settings), tuple(_departures(result, settings)))


def tower(settings: Mapping[str, Any]) -> str:
    """The image tower in the words of papers: ResNet-101 is RN101, with CLIP's weights or others.

    >>> tower({"tower": "RN101:openai"}), tower({"tower": "resnet50"}), tower({"tower": "clip:ViT-B-16:openai"})
    ('RN101', 'RN50', 'ViT-B-16')
    """
    name = str(settings.get("tower", "")).removeprefix("clip:").removeprefix("timm:").partition(":")[0]
    depth = re.fullmatch(r"(?:RN|resnet)(\d+)(?:-quickgelu)?", name)
    return DEPTHS.get(depth[1], name) if depth else name


def _departures(result: Result, settings: Mapping[str, Any]) -> Iterator[str]:
    from pmll_methods import registry
    from pmll_methods.settings import as_plain, resolve

    kind = registry.find(result.method)
    dataset = result.dataset
    paper = resolve(kind.card, kind.settings_class(), "paper", {}, {}, dataset=dataset, regime=result.regime)
    if not paper.stated:
        yield "recipe not stated by a source"
    wanted = as_plain(paper.settings) | _of_recipe(as_plain(paper.recipe))
    used = {**settings, **_of_recipe(as_plain(result.recipe))}
    for name, value in used.items():
        if name in wanted and name not in IGNORED and _listed(value) != _listed(wanted[name]):
            yield f"our {name} {_short(value)} for {_short(wanted[name])}"


def _of_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {f"recipe.{name}": value for name, value in recipe.items()}


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
