"""Describes methods, data sets, regimes, masks and tracks, as plain data and as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, nearest
from . import recipes
from .recipes import short

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

    return [{"name": name, "rows": len(ablation(name).rows), "title": ablation(name).about} for name in names()]


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

    if name in DATASETS or name in ALIASES or is_file(name):
        return describe_dataset(name)
    known = [record["name"] for record in _methods()]
    if name in known or name.endswith(".py"):
        from pmll_methods import registry

        kind = registry.find(name)
        own = regime or ("partial" if "partial" in kind.card.regimes else kind.card.regimes[0])
        if datasets:
            recipes.check(datasets, kind, own, track)
        on = [recipes.resolved(kind, each, own, track) for each in datasets]
        return describe_method(kind) | {"resolved": on}
    hint = nearest(name, [*known, *DATASETS, *ALIASES], "see 'pmll-bench list methods' and 'pmll-bench list datasets'")
    raise ConfigError(f"unknown method or data set {name!r}", hint=hint)


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


def as_text(described: Mapping[str, Any]) -> str:
    """A description as text; only the resolved values if data sets were requested."""
    if described.get("resolved"):
        about = f"{described['name']} (revision {described['revision']}): {described['title']}"
        return "\n".join([about, *(line for each in described["resolved"] for line in recipes.as_lines(each))])
    lines = _dataset_lines(described) if described["kind"] == "data set" else _method_lines(described)
    return "\n".join(lines)


def _dataset_lines(about: Mapping[str, Any]) -> Iterator[str]:
    counts = about["counts"] or {}
    aliases = f" (also: {', '.join(about['aliases'])})" if about["aliases"] else ""
    yield f"{about['name']}{aliases}: {about['title']}"
    yield ""
    for split in ("train", "test"):
        yield f"  {split:8} {f'{counts[split]:,} images' if counts else 'depends on the files'}"
    if not about["verified"]:
        yield f"  {UNVERIFIED}: not checked against the official split files"
    yield f"  {'classes':8} {about['classes'] or 'depends on the files'}"
    yield f"  {'layout':8} {about['layout'] or 'embedded, no files needed'}"
    yield from _section("options (--set data.NAME=VALUE)")
    for name, option in about["options"].items():
        yield f"  {name} = {option['default']}    {option['meaning']}: {option['values']}"
        for regime, value in option["paper"].items():
            yield f"      {value}{'' if regime == '*' else f' in {regime}'} on the track paper"
    if not about["options"]:
        yield "  none"


def _method_lines(about: Mapping[str, Any]) -> Iterator[str]:
    yield f"{about['name']} (revision {about['revision']}): {about['title']}"
    yield ""
    yield f"  paper    {about['paper']}"
    yield f"  trains   {about['trains']}"
    yield f"  regimes  {', '.join(about['regimes'])}"
    yield f"  status   {about['status']}"
    for number, tower in enumerate(about["towers"]):
        seen = "; ".join(filter(None, [tower["data"], tower["warning"]]))
        yield f"  {'' if number else 'towers':8} {tower['name']}: pretrained on {seen}"
    if not about["grouped"]:
        yield "  groups   none: cells train one by one; after a kill a cell restarts unless the method saves its state"
    if about["deterministic"]:
        yield "  seeds    deterministic: trained once per mask, for all seeds"
    if not about["logits"]:
        yield "  scores   not logits of P(present): thresholded F1 is omitted"
    yield from _section("inferred (left open by the paper and its code)")
    yield from (f"  - {choice}" for choice in about["inferred"] or ["nothing stated"])
    if about["differs"]:
        yield from _section("differences from released code (in brackets: how to restore its behaviour)")
        yield from (f"  - {choice}" for choice in about["differs"])
    yield from _section(f"settings (--set {about['name']}.NAME=VALUE)")
    for setting in about["settings"]:
        source = f"  [{setting['source']}]" if setting["source"] else ""
        yield f"  {setting['name']} = {setting['default']}    ({setting['type']}) {setting['meaning']}{source}"
    if not about["settings"]:
        yield "  none"
    for name, track in about["tracks"].items():
        yield from _section(f"track {name} (--track {name}; --set recipe.NAME=VALUE)")
        yield from _recipe_lines(track)


def _recipe_lines(track: Mapping[str, Any]) -> Iterator[str]:
    from pmll_methods.recipe import Recipe

    usual = {field.name: field.default for field in dataclasses.fields(Recipe)}
    for title in ("recipe", "frozen"):
        if track[title] is not None:
            own = {k: v for k, v in track[title].items() if v and (tuple(v) if isinstance(v, list) else v) != usual[k]}
            yield f"  {title:8} " + ", ".join(f"{name} {short(value)}" for name, value in own.items())
    if track["settings"]:
        yield "  settings " + ", ".join(_overridden(track["settings"], track["defaults"]))
    if track["frozen_settings"]:
        yield "  on a frozen trunk " + ", ".join(f"{n} {short(value)}" for n, value in track["frozen_settings"].items())
    for values in track["values"]:
        where = ", ".join([*values["datasets"], *values["regimes"]]) or "everywhere"
        recipe = {name: value for part in ("recipe", "frozen") for name, value in values[part].items()}
        changes = [f"{name} {short(value)}" for name, value in recipe.items()]
        changes += _overridden(values["settings"], track["defaults"])
        yield f"  {where}: {', '.join(changes) or 'as above'}  [{values['source']}]"


def _overridden(settings: Mapping[str, Any], usual: Mapping[str, Any]) -> list[str]:
    return [f"{name} {short(value)} (default {short(usual[name])})" for name, value in settings.items()]


def _section(title: str) -> Iterator[str]:
    yield ""
    yield title
