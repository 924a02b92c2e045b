"""What planning needs to know of methods: settings and recipes on each data set, checked, as plain data."""

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
from .facts_cache import Facts, keep, kept
from .overrides import Overrides
from .planned import MethodFacts, Planned
from .problems import Problems
from .request import MethodRow, Request

if TYPE_CHECKING:
    from pmll_methods.registry import Kind


def check_method(row: MethodRow) -> None:
    """See whether there is a row's method. Raises `MethodError` as `registry.find` does."""
    if row.method not in REGISTRY:
        from pmll_methods import registry

        registry.find(row.method)


def method_facts(request: Request, data: Sequence[str], problems: Problems) -> Facts:
    """The facts of each row on each of the data sets; what is wrong with them is noted in `problems`.

    torch is imported only where an earlier plan hasn't left the facts behind.
    """
    found = kept(request, data)
    if found is None:
        found = _found(request, data, problems)
        if not problems.found:
            keep(request, found)
    facts: Facts = {name: [] for name in data}
    for name, rows in found.items():
        for row in rows:
            with problems:
                facts[name].append(dataclasses.replace(row, tower_digest=pretrained(row.settings)))
    return facts


def comes_whole(planned: Planned) -> bool:
    """Whether nothing that a cell's method needs has to be looked for: it has no tower, or the embedded one."""
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
            facts[name].append(_facts(row, kind, request, name))
    return facts


def _facts(row: MethodRow, kind: Kind, request: Request, data_name: str) -> MethodFacts:
    """A row's settings and recipe on a data set, with the user's overrides; its tower isn't looked at."""
    name, defaults = kind.card.name, kind.settings_class()
    changes = request.overrides_of(row, name)
    own = _meant_for(changes.settings, defaults, request, name)
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
        uses_labels=kind.card.uses_labels,
        deterministic=draws_nothing(kind.card, recipe),
        stated=stated,
    )


def draws_nothing(card: Card, recipe: Recipe) -> bool:
    """Whether a training seed is of no effect: neither the method nor a view draws with it."""
    return card.deterministic and all(views.parse_view(view).fixed for view in recipe.views)


def changed_settings(chosen: settings.Settings, defaults: settings.Settings) -> dict[str, Any]:
    """What identities hold of settings; what is pretrained stands there by its content (`pretrained`)."""
    changed = settings.differing(chosen, defaults)
    return {key: value for key, value in changed.items() if key not in ("tower", "weights", "words")}


def pretrained(full: Mapping[str, Any]) -> str:
    """What stands for a method's pretrained parts in an identity: its tower and its word vectors, each named once."""
    names = [tower_identity(full["tower"], full.get("weights"))] if "tower" in full else []
    names += [words_identity(full["words"])] if full.get("words") else []
    return "+".join(dict.fromkeys(names))


def _meant_for(
    changes: Mapping[str, Any], defaults: settings.Settings, request: Request, method: str
) -> dict[str, Any]:
    """A bare `NAME=V` reaches the methods that have NAME; `METHOD.NAME=V` must fit its method."""
    fields = {field.name for field in dataclasses.fields(defaults)}
    sets = request.overrides
    bare = sets.settings.keys() - sets.per_method.get(method, Overrides()).settings.keys()
    return {name: value for name, value in changes.items() if name in fields or name not in bare}


def _check_recipe(recipe: Recipe, method: str) -> None:
    """Views that exist, and a cache only where they never change."""
    parsed = [views.parse_view(name) for name in (*recipe.views, recipe.test_view)]
    if recipe.cache and not all(view.fixed for view in parsed):
        raise ConfigError(
            f"recipe.cache keeps features of views that never change; {', '.join(recipe.views)} changes every epoch",
            where=f"recipe of {method}",
            hint="set recipe.views=squash, or recipe.cache=false",
        )
    if recipe.rates and not 0 < recipe.validation < 1:
        raise ConfigError(
            "recipe.rates are chosen on held-out training images, but recipe.validation holds none out",
            where=f"recipe of {method}",
            hint="set recipe.validation=0.2",
        )
    if not parsed[-1].fixed:
        raise ConfigError(f"the test view {recipe.test_view!r} is random", where=f"recipe of {method}")


def _check_names(request: Request, kinds: Sequence[Kind]) -> None:
    """Every bare `--set NAME=V` must mean something to at least one method."""
    known = {field.name for kind in kinds for field in dataclasses.fields(kind.settings_class)}
    for name in request.overrides.settings:
        if name not in known:
            raise ConfigError(f"no method of the grid has a setting {name!r}", where="--set", hint=nearest(name, known))
