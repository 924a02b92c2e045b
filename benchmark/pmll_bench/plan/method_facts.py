"""The facts about methods: checked settings and recipes on each data set, as plain data."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmll_datasets import views
from pmll_methods import settings
from pmll_methods.method import REGISTRY, Card
from pmll_methods.recipe import Recipe
from pmll_methods.towers.weights import ONE_HOT, tower_identity, words_identity

from ..errors import ConfigError, nearest
from . import facts_cache
from .facts_cache import Facts
from .overrides import Overrides
from .planned import MethodFacts, Planned, Trains
from .problems import Problems
from .request import MethodRow, Request

if TYPE_CHECKING:
    from pmll_methods.registry import Kind


def check_method(row: MethodRow) -> None:
    """Check that the method of a row exists. Raises `MethodError` as `registry.find` does."""
    if row.method not in REGISTRY:
        from pmll_methods import registry

        registry.find(row.method)


def method_facts(request: Request, data: Sequence[str], problems: Problems) -> Facts:
    """The facts about each row on each data set; errors are collected in `problems`.

    Imports torch only if the facts are not in the cache.
    """
    found = facts_cache.load(request, data)
    if found is None:
        found = _found(request, data, problems)
        if not problems.found:
            facts_cache.save(request, found)
    facts: Facts = {name: [] for name in data}
    for name, rows in found.items():
        for row in rows:
            with problems:
                facts[name].append(dataclasses.replace(row, tower_digest=pretrained(row.settings)))
    return facts


def needs_no_download(planned: Planned) -> bool:
    """Whether a cell's method needs no pretrained weights or word vectors beyond the embedded ones."""
    settings = planned.settings
    embedded = planned.where.target in REGISTRY and settings.get("tower", "tiny") == "tiny"
    return (embedded or not planned.grouped) and settings.get("words") in (None, "tiny", ONE_HOT)


def _found(request: Request, data: Sequence[str], problems: Problems) -> Facts:
    from pmll_methods import registry

    kinds = [(row, registry.find(row.method)) for row in request.rows]
    with problems:
        _check_names(request, [kind for _, kind in kinds])
    facts: Facts = {name: [] for name in data}
    for name, (row, kind) in itertools.product(data, kinds):
        with problems:
            facts[name].append(facts_of(row, kind, request, name))
    return facts


def facts_of(row: MethodRow, kind: Kind, request: Request, data_name: str) -> MethodFacts:
    """A row's settings and recipe on a data set, with the user's overrides; the tower is not opened.

    Raises `MethodError` or `ConfigError` for invalid settings.
    """
    name, defaults = kind.card.name, kind.settings_class()
    changes = request.overrides_of(row, name)
    own = _settings_for(changes.settings, defaults, request, name)
    track, on = request.track_on(data_name), {"dataset": data_name, "regime": request.regime}
    resolved, recipe, _, stated = settings.resolve(kind.card, defaults, track, own, changes.recipe, **on)
    _check_recipe(recipe, name)
    full = settings.as_plain(resolved)
    return MethodFacts(
        name=name,
        label=row.label or name,
        revision=kind.card.revision,
        regimes=kind.card.regimes,
        target=str(Path(row.method).resolve()) if row.method.endswith(".py") else row.method,
        settings=full,
        changed=changed_settings(resolved, defaults),
        recipe=recipe,
        file_digest=kind.source,
        grouped=kind.grouped,
        trains=_trains(resolved, kind.grouped),
        uses_labels=kind.card.uses_labels,
        deterministic=is_deterministic(kind.card, recipe),
        stated=stated,
        growth=kind.growth(resolved, recipe),
    )


def _trains(chosen: settings.Settings, is_learner: bool) -> Trains:
    """What is trained under some settings; nothing is known of a user's plain class."""
    if "train_from" in {field.name for field in dataclasses.fields(chosen)}:
        return "frozen" if chosen.frozen else "trunk"
    return "frozen" if is_learner else ""


def is_deterministic(card: Card, recipe: Recipe) -> bool:
    """Whether the training seed has no effect: neither the method nor a view is random."""
    return card.deterministic and all(views.parse_view(view).fixed for view in recipe.views)


def changed_settings(chosen: settings.Settings, defaults: settings.Settings) -> dict[str, Any]:
    """The settings in an identity: those that differ from the defaults, without pretrained parts (see `pretrained`)."""
    changed = settings.differing(chosen, defaults)
    return {key: value for key, value in changed.items() if key not in ("tower", "weights", "words")}


def pretrained(full: Mapping[str, Any]) -> str:
    """The pretrained parts in an identity: the digests of the tower and the word vectors, each once."""
    names = [tower_identity(full["tower"], full.get("weights"))] if "tower" in full else []
    names += [words_identity(full["words"])] if full.get("words") else []
    return "+".join(dict.fromkeys(names))


def _settings_for(
    changes: Mapping[str, Any], defaults: settings.Settings, request: Request, method: str
) -> dict[str, Any]:
    """`NAME=V` applies to all methods that have the setting NAME; `METHOD.NAME=V` requires that METHOD has it."""
    fields = {field.name for field in dataclasses.fields(defaults)}
    sets = request.overrides
    bare = sets.settings.keys() - sets.per_method.get(method, Overrides()).settings.keys()
    return {name: value for name, value in changes.items() if name in fields or name not in bare}


def _check_recipe(recipe: Recipe, method: str) -> None:
    """Check that the views exist, and that features are cached only if the views are fixed."""
    parsed = [views.parse_view(name) for name in (*recipe.views, recipe.test_view)]
    if recipe.cache and not all(view.fixed for view in parsed):
        raise ConfigError(
            f"recipe.cache needs fixed views, but {', '.join(recipe.views)} changes every epoch",
            where=f"recipe of {method}",
            hint="set recipe.views=squash, or recipe.cache=false",
        )
    if recipe.rates and not 0 < recipe.validation < 1:
        raise ConfigError(
            "recipe.rates needs held-out training images, but recipe.validation is 0",
            where=f"recipe of {method}",
            hint="set recipe.validation=0.2",
        )
    if not parsed[-1].fixed:
        raise ConfigError(f"the test view {recipe.test_view!r} is random", where=f"recipe of {method}")


def _check_names(request: Request, kinds: Sequence[Kind]) -> None:
    """At least one method must have the NAME of each `--set NAME=V`."""
    known = {field.name for kind in kinds for field in dataclasses.fields(kind.settings_class)}
    for name in request.overrides.settings:
        if name not in known:
            raise ConfigError(f"no method of the grid has a setting {name!r}", where="--set", hint=nearest(name, known))
