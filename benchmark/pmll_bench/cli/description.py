"""The description of a method or data set as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from . import recipes
from .describe import UNVERIFIED
from .recipes import short


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
        usual = setting["default"]
        value = short(usual) if isinstance(usual, list | tuple) else usual
        yield f"  {setting['name']} = {value}    ({setting['type']}) {setting['meaning']}{source}"
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
