"""Describes methods, data sets, regimes, masks and tracks, as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, nearest
from . import recipes

if TYPE_CHECKING:
    from pmll_methods.registry import Kind

UNVERIFIED = "counts unverified"

TRACKS = {
    "paper": "each method's own recipe; default on the data sets that papers report",
    "controlled": "one trunk, resolution, augmentation and budget for all, so that only the method differs",
    "smoke": "seconds per cell, with the embedded tower; default on shapes and on your own images",
}


def catalogue(kind: str) -> list[dict[str, Any]]:
    """All names of a kind (methods, datasets, regimes, masks, tracks, ablations, published, metrics) as records."""
    match kind:
        case "methods":
            return _methods()
        case "datasets":
            return _datasets()
        case "regimes":
            from pmll_datasets.registry import REGIMES

            return [{"name": name, "title": regime.title} for name, regime in REGIMES.items()]
        case "masks":
            from pmll_datasets.masks import RULES

            return [
                {"name": name, "regimes": ", ".join(rule.draws), "title": rule.title} for name, rule in RULES.items()
            ]
        case "ablations":
            return _ablations()
        case "published":
            return published_records()
        case "metrics":
            from ..report.metric_names import EXPLAINED

            return [{"name": name, "title": title} for name, title in EXPLAINED.items()]
        case _:
            return [{"name": name, "title": title} for name, title in TRACKS.items()]


def _methods() -> list[dict[str, Any]]:
    from pmll_methods.method import ENTRY_POINTS, REGISTRY

    from ..report.papers.status import levels

    built_in = [(name, entry.family, entry.title) for name, entry in REGISTRY.items()]
    installed = [(point.name, "installed", point.value) for point in entry_points(group=ENTRY_POINTS)]
    return [
        {"name": name, "family": family, "status": list(levels(name)), "title": title}
        for name, family, title in (*built_in, *installed)
    ]


def _datasets() -> list[dict[str, Any]]:
    from pmll_datasets.registry import DATASETS, names_of

    return [
        {
            "name": name,
            "alias": ", ".join(names_of(name)[1:]),
            "train": (entry.counts or {}).get("train"),
            "test": (entry.counts or {}).get("test"),
            "classes": entry.classes,
            "title": entry.title + ("" if entry.verified else f" ({UNVERIFIED})"),
        }
        for name, entry in DATASETS.items()
    ]


def _ablations() -> list[dict[str, Any]]:
    from ..ablations import ablation, names

    grids = {name: ablation(name) for name in names()}
    return [{"name": name, "rows": len(grid.rows), "title": grid.about} for name, grid in grids.items()]


def published_records(
    methods: Sequence[str] = (), datasets: Sequence[str] = (), regime: str = "", metric: str = ""
) -> list[dict[str, Any]]:
    """Published numbers as records; filters as in `published.matching`."""
    from ..published import matching

    numbers = (dataclasses.asdict(number) for number in matching(methods, datasets, regime, metric))
    return [{**number, "protocol": ", ".join(number["protocol"])} for number in numbers]


def describe(name: str, datasets: Sequence[str] = (), regime: str = "", track: str = "paper") -> dict[str, Any]:
    """Describe one method (name or file) or data set (name, alias or label file).

    With `datasets`, the description of a method has its settings and recipe on each of them (`recipes.resolved`), by
    default in the regime `partial`, or the method's first. Raises `ConfigError` for an unknown name, with the nearest
    name as a hint, and `MethodError` for a file without a method.
    """
    from pmll_datasets.registry import ALIASES, DATASETS, is_file
    from pmll_methods.method import REGISTRY

    from ..plan import facts_cache

    if name in DATASETS or name in ALIASES or is_file(name):
        return describe_dataset(name)
    if name in REGISTRY:
        if not datasets:
            described: dict[str, Any] = facts_cache.kept("descriptions", _describe_all)[name]
            return described
        asked = [name, *datasets], regime, track
        on_datasets: dict[str, Any] = facts_cache.kept(asked, lambda: _describe(name, datasets, regime, track))
        return on_datasets
    known = [record["name"] for record in _methods()]
    if name in known or name.endswith(".py"):
        return _describe(name, datasets, regime, track)
    hint = nearest(name, [*known, *DATASETS, *ALIASES], "see 'pmll-bench list methods' and 'pmll-bench list datasets'")
    raise ConfigError(f"unknown method or data set {name!r}", hint=hint)


def _describe_all() -> dict[str, dict[str, Any]]:
    """All built-in methods: they share most of the time that importing one of them takes."""
    from pmll_methods import registry
    from pmll_methods.method import REGISTRY

    return {name: describe_method(registry.find(name)) for name in REGISTRY}


def _describe(name: str, datasets: Sequence[str], regime: str, track: str) -> dict[str, Any]:
    """A method, with its settings and recipe on some data sets."""
    from pmll_methods import registry

    kind = registry.find(name)
    own = regime or ("partial" if "partial" in kind.card.regimes else kind.card.regimes[0])
    if datasets:
        recipes.check(datasets, kind, own, track)
    return describe_method(kind) | {"resolved": [recipes.resolved(kind, each, own, track) for each in datasets]}


def describe_dataset(name: str) -> dict[str, Any]:
    """Counts, layout and options of a data set, without opening its files."""
    from pmll_datasets.registry import ALIASES, find, names_of

    official, entry = ALIASES.get(name, name), find(name)
    return {
        "kind": "data set",
        "name": official,
        "aliases": names_of(official)[1:],
        "title": entry.title,
        "counts": None if entry.counts is None else dict(entry.counts),
        "verified": entry.verified,
        "classes": entry.classes,
        "layout": entry.layout,
        "options": {
            option: {
                **{"default": each.default, "allowed": each.allowed and list(each.allowed), "meaning": each.title},
                "values": each.values,
                "paper": dict(each.paper),
            }
            for option, each in entry.options.items()
        },
    }


def describe_method(kind: Kind) -> dict[str, Any]:
    """A method's card, settings and recipes."""
    from ..report.papers.status import REPRODUCED
    from ..report.pretraining import pretraining

    card = kind.card
    stated = {field.name: getattr(card, field.name) for field in dataclasses.fields(card) if field.name != "tracks"}
    return {
        "kind": "method",
        **{key: list(value) if isinstance(value, tuple) else value for key, value in stated.items()},
        "grouped": kind.grouped,
        "status": ", ".join([*card.shown, REPRODUCED]),
        "towers": [{"name": name, **pretraining(name)._asdict()} for name in _towers(kind)],
        "settings": list(_settings(kind)),
        "tracks": {name: _track(track, kind) for name, track in card.tracks.items()},
    }


def _towers(kind: Kind) -> list[str]:
    """The towers of a method's default settings and of its tracks."""
    usual = [{field.name: field.default for field in dataclasses.fields(kind.settings_class)}]
    tracks = [
        part
        for track in kind.card.tracks.values()
        for part in (track.settings, track.frozen_settings, *(values.settings for values in track.values))
    ]
    found = (part["tower"] for part in [*usual, *tracks] if "tower" in part)
    return list(dict.fromkeys(str(name) for name in found))


def _settings(kind: Kind) -> Iterator[dict[str, Any]]:
    from pmll_methods.ranges import in_words

    for field in dataclasses.fields(kind.settings_class):
        stated = {key: field.metadata.get(key, "") for key in ("meaning", "source")}
        yield {"name": field.name, "type": in_words(str(field.type)), "default": field.default, **stated}


def _track(track: Any, kind: Kind) -> dict[str, Any]:
    """A track's recipes and settings; `defaults` are the defaults of the settings that it overrides."""
    from pmll_methods.settings import as_plain

    usual = {field.name: field.default for field in dataclasses.fields(kind.settings_class)}
    return {
        "recipe": as_plain(track.recipe),
        "frozen": None if track.frozen is None else as_plain(track.frozen),
        "frozen_settings": dict(track.frozen_settings),
        "settings": dict(track.settings),
        "defaults": {name: usual[name] for part in (track, *track.values) for name in part.settings},
        "source": track.source,
        "values": [dataclasses.asdict(values) for values in track.values],
    }
