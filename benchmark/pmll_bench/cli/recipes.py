"""The settings and recipe of a method on a data set in a regime, with the source of each value; for `show` and docs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pmll_datasets.registry import ALIASES, DATASETS, REGIMES

from ..errors import ConfigError, nearest

if TYPE_CHECKING:
    from pmll_methods.registry import Kind

UNSTATED = "no source states a recipe here: this one is for another data set, another regime or a trained tower"
COLUMNS = ("resolution", "batch", "epochs", "optimizer", "lr", "lr_scale", "weight_decay", "schedule", "ema")
PAGE = """# Recipes of the track `paper`

Generated from the methods' cards by `python -m pmll_bench.cli.recipes > docs/recipes.md`. A row applies to the data
sets and regimes that it names. If the source of a recipe states none for a data set or a regime, the row is marked ‡,
as is the method's row in a table. `source` names the source of values that differ from the method's own recipe.
`pmll-bench show METHOD --datasets NAME` prints every value with its source.
"""


def resolved(kind: Kind, dataset: str, regime: str, track: str = "paper") -> dict[str, Any]:
    """The settings and the recipe of a method on a data set in a regime, each value with its source."""
    from pmll_methods.settings import as_plain, resolve

    name = ALIASES.get(dataset, dataset)
    found = resolve(kind.card, kind.settings_class(), track, {}, {}, dataset=name, regime=regime)
    settings, recipe = as_plain(found.settings), as_plain(found.recipe)
    return {
        "dataset": name,
        "regime": regime,
        "track": track,
        "stated": found.stated,
        "settings": [_value(key, value, found.sources[key]) for key, value in settings.items()],
        "recipe": [_value(key, value, found.sources[f"recipe.{key}"]) for key, value in recipe.items()],
    }


def _value(name: str, value: Any, source: str) -> dict[str, Any]:
    return {"name": name, "value": value, "source": source}


def check(datasets: Sequence[str], kind: Kind, regime: str, track: str) -> None:
    """Reject a data set that is not built in, or a regime or track that the method does not support."""
    for what, name, known in (
        *(("data set", name, [*DATASETS, *ALIASES]) for name in datasets),
        ("regime", regime, kind.card.regimes),
        ("track", track, kind.card.tracks),
    ):
        if name not in known:
            raise ConfigError(f"{kind.card.name}: unknown {what} {name!r}", hint=nearest(name, list(known)))


def as_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """The result of `resolved` as text: the recipe, then the settings, with values and sources in columns."""
    yield ""
    yield f"on {record['dataset']}, regime {record['regime']}, track {record['track']}"
    if not record["stated"]:
        yield f"  ‡ {UNSTATED}"
    rows = [
        (prefix + each["name"], short(each["value"]), each["source"])
        for part, prefix in (("recipe", "recipe."), ("settings", ""))
        for each in record[part]
    ]
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    for name, value, source in rows:
        yield f"  {name:{first}}  {value:{min(second, 30)}}  {source}".rstrip()


def short(value: Any) -> str:
    """A value of a setting or a recipe as short text.

    >>> short(("a", "b")), short({"graph": 5.0}), short(0.82 ** (1 / 45))
    ('a,b', 'graph 5', '0.9956')
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {short(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ",".join(short(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def page() -> str:
    """The documentation page with the recipes of all built-in methods on the track `paper`."""
    from pmll_methods import registry
    from pmll_methods.method import REGISTRY

    return "\n".join([PAGE, *("\n".join(section(registry.find(name))) for name in REGISTRY)])


def section(kind: Kind) -> Iterator[str]:
    """The table of a method: data sets and regimes with equal values share a row."""
    rows: dict[tuple[str, ...], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for dataset in (name for name in DATASETS if not name.endswith("-subset") and name != "shapes"):
        for regime in (regime for regime in REGIMES if regime in kind.card.regimes):
            rows[_row(kind, dataset, regime)][regime].append(dataset)
    yield f"## {kind.card.name}"
    yield ""
    yield f"{kind.card.paper}. {_from(kind)}"
    yield ""
    yield f"| data sets | regimes | {' | '.join(COLUMNS)} | settings | source |"
    yield "|" + " --- |" * (len(COLUMNS) + 4)
    for values, regimes in rows.items():
        merged: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for regime, datasets in regimes.items():
            merged[tuple(datasets)].append(regime)
        for names, own in merged.items():
            mark, *cells = values
            yield f"| {', '.join(names)}{mark} | {', '.join(own)} | {' | '.join(cells)} |"
    yield ""


def _from(kind: Kind) -> str:
    source = kind.card.tracks["paper"].source
    return f"Recipe: {source}." if source else "Source of the recipe: not stated."


def _row(kind: Kind, dataset: str, regime: str) -> tuple[str, ...]:
    from pmll_methods.settings import as_plain

    record = resolved(kind, dataset, regime)
    recipe = {each["name"]: each["value"] for each in record["recipe"]}
    if recipe["horizon"]:
        recipe["epochs"] = f"{recipe['epochs']} of {recipe['horizon']}"
    usual = as_plain(kind.settings_class())
    own = [each for each in record["settings"] if each["value"] != usual[each["name"]]]
    values = [v for v in kind.card.tracks["paper"].values if v.hold(dataset, regime) and (v.recipe or v.settings)]
    sources = "; ".join(dict.fromkeys(each.source for each in values if each.source))
    settings = ", ".join(f"{each['name']} {short(each['value'])}" for each in own)
    cells = [short(recipe[name]) if recipe[name] not in (None, {}) else "" for name in COLUMNS]
    return ("" if record["stated"] else " ‡", *cells, settings, sources)


if __name__ == "__main__":
    print(page(), end="")
