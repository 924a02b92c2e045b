"""The card of each method: what `pmll-bench show` says, its recipes by data set, published numbers and ablations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pmll_bench.ablations import ablation
from pmll_bench.ablations import names as ablations
from pmll_bench.cli.describe import describe
from pmll_bench.cli.recipes import section, short
from pmll_bench.plan.request import Request
from pmll_bench.published import Published, published
from pmll_bench.published.references import bibtex
from pmll_bench.report.papers.names import method_named
from pmll_methods import registry
from pmll_methods.method import REGISTRY

from .markdown import bullets, code, page, plain, table

WHOSE = {"authors": "the authors", "others": "others", "repository": "the released code", "log": "a training log"}

AFTER = ("protocol", "epoch", "whose number")  # columns after the numbers


def files() -> Mapping[str, str]:
    """The page of each built-in method, and the table that lists them."""
    return {f"methods/{name}.md": card(name) for name in REGISTRY} | {"methods/_list.md": listed()}


def listed() -> str:
    """The table of all methods, with links to their cards."""
    heads = ("method", "family", "what it does", "regimes")
    return page(table(heads, (_line(name) for name in REGISTRY)))


def _line(name: str) -> tuple[str, ...]:
    entry = REGISTRY[name]
    return (f"[{name}](methods/{name}.md)", entry.family, plain(entry.title), ", ".join(regimes(name)))


def regimes(name: str) -> tuple[str, ...]:
    return registry.find(name).card.regimes


def card(name: str) -> str:
    """The card of one method."""
    about = describe(name)
    recipes = "\n".join(list(section(registry.find(name)))[4:]).rstrip()
    return page(
        f"# {name}",
        f"{method_named(name).display}: {plain(about['title'])}. {plain(about['paper'])}.",
        bullets(f"**{head}:** {text}" for head, text in _facts(name, about)),
        f"```sh\npmll-bench show {name}\npmll-bench run --methods {name} --datasets voc2007 --dry-run\n```",
        "## Inferred parts",
        "What the paper and its code leave open, and how it is decided here.",
        bullets(map(plain, about["inferred"])) or "Nothing.",
        *_departures(about),
        f"## Settings\n\nChange a setting with `--set {name}.NAME=VALUE`.",
        table(("setting", "default", "values", "meaning", "source"), map(_setting, about["settings"])) or "None.",
        "## Recipe by data set",
        "On the track `paper`. ‡: no source states a recipe for this data set and regime.",
        recipes,
        f"`pmll-bench show {name} --datasets voc2007` prints every value with its source.",
        *_other_tracks(about),
        "## Published numbers",
        "\n\n".join(numbers(name)) or "None are recorded.",
        *_ablations(name),
        *_reference(name),
    )


def _facts(name: str, about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "family", REGISTRY[name].family
    yield "trains", plain(about["trains"])
    yield "regimes", plain(", ".join(about["regimes"]))
    yield "status", plain(about["status"])
    yield "revision", str(about["revision"])
    for tower in about.get("towers", ()):
        warning = f" **{plain(tower['warning'])}**" if tower["warning"] else ""
        yield f"tower {code(tower['name'])}", f"{plain(tower['data'])}.{warning}"
    if not about["grouped"]:
        yield "groups", "none: cells train one by one"
    if about["deterministic"]:
        yield "seeds", "deterministic: trained once per mask, for all seeds"
    if not about["logits"]:
        yield "scores", "not logits of P(present): thresholded F1 is left out"


def _departures(about: Mapping[str, Any]) -> Iterator[str]:
    if about["differs"]:
        yield "## Differences from the released code"
        yield "In brackets: the setting that restores its behaviour."
        yield bullets(map(plain, about["differs"]))


def _setting(each: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        code(each["name"]),
        code(value(each["default"])),
        plain(each["type"]),
        plain(each["meaning"]),
        plain(each["source"]),
    )


def value(given: Any) -> str:
    """A value as `--set` takes it."""
    return str(given).lower() if given is None or isinstance(given, bool) else short(given)


def _other_tracks(about: Mapping[str, Any]) -> Iterator[str]:
    rows = []
    for name, track in about["tracks"].items():
        if name != "paper":
            recipe = {key: each for key, each in track["recipe"].items() if each not in (None, [], {}, "", False)}
            rows.append((code(name), _values(recipe), _values(track["settings"])))
    if rows:
        yield "## Other tracks"
        yield table(("track", "recipe", "settings"), rows)


def _values(given: Mapping[str, Any]) -> str:
    return plain(", ".join(f"{name} {value(each)}" for name, each in given.items()))


def numbers(name: str) -> Iterator[str]:
    """The published numbers of a method: a table over ratios for each data set and metric, and one of single values."""
    rows: dict[tuple[str, ...], list[Published]] = {}
    for each in published():
        if each.method == name and each.dataset != "average":
            place = (each.dataset, each.regime, each.metric)
            rows.setdefault((*place, each.source, each.table, each.variant, *each.protocol), []).append(each)
    single = [found for found in rows.values() if {each.ratio for each in found} == {None}]
    blocks: dict[tuple[str, ...], list[list[Published]]] = {}
    for key, found in rows.items():
        if found not in single:
            blocks.setdefault(key[:3], []).append(found)
    for head, inside in blocks.items():
        yield f"**{', '.join(head)}** (%)"
        yield _over_ratios(inside)
    variants = sum(bool(found[0].variant) for found in single)
    single = [found for found in single if not found[0].variant]
    if single:
        yield "**Single values, and means over ratios** (%)"
        heads = ("data set", "regime", "metric", "value", "source", "table", "variant", *AFTER)
        lines = ((each.dataset, each.regime, each.metric, _percent(each), *_about(each)) for (each, *_) in single)
        yield table(heads, lines, numbers=[3])
    if variants:
        yield f"{variants} more are of variants in ablations: `pmll-bench list published --methods {name}` lists them."


def _about(each: Published) -> tuple[str, ...]:
    protocol = ", ".join(each.protocol)
    return tuple(map(plain, (each.source, each.table, each.variant, protocol, each.selection, WHOSE[each.trust])))


def _percent(each: Published | None) -> str:
    if each is None:
        return ""
    return f"{each.value:.1f}" if each.sd is None else f"{each.value:.1f} ± {each.sd:.1f}"


def _over_ratios(rows: list[list[Published]]) -> str:
    ratios = sorted({each.ratio for row in rows for each in row}, key=lambda ratio: 2.0 if ratio is None else ratio)
    heads = ["mean" if ratio is None else f"{100 * ratio:g}%" for ratio in ratios]
    lines = []
    for row in rows:
        found = {each.ratio: each for each in row}
        about = _about(row[0])
        lines.append([*about[:3], *(_percent(found.get(ratio)) for ratio in ratios), *about[3:]])
    columns = ("source", "table", "variant", *heads, *AFTER)
    return table(columns, lines, numbers=range(3, 3 + len(heads)))


def _ablations(name: str) -> Iterator[str]:
    found = [each for each, grid in _grids().items() if name in {row.method for row in grid.rows}]
    if found:
        yield "## Ablations"
        yield bullets(f"`pmll-bench ablate {each}`: {plain(_grids()[each].about)}" for each in found)


@cache
def _grids() -> Mapping[str, Request]:
    """The grids of all ablations; they are read once, not for every card."""
    return {each: ablation(each) for each in ablations()}


def _reference(name: str) -> Iterator[str]:
    key = method_named(name).cite
    if key:
        yield "## Reference"
        yield f"```bibtex\n{bibtex([key]).strip()}\n```"
