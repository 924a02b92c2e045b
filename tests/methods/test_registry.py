"""The registry: what its lines say is what the methods say, and how strangers' methods are found."""

from __future__ import annotations

from dataclasses import fields
from inspect import isclass
from pathlib import Path
from typing import Any, get_args

import pytest
from typing_extensions import get_original_bases

from pmll_methods import registry
from pmll_methods.method import NOTHING_INFERRED, REGISTRY, MethodError
from pmll_methods.ranges import in_words
from pmll_methods.settings import Settings, as_plain, resolve, updated


@pytest.mark.parametrize("name", REGISTRY)
def test_a_line_of_the_registry_says_what_the_card_says(name: str) -> None:
    kind = registry.find(name)
    assert (kind.card.name, kind.card.revision) == (name, REGISTRY[name].revision)
    assert bool(kind.card.inferred) == (name not in NOTHING_INFERRED)


@pytest.mark.parametrize("name", REGISTRY)
def test_the_settings_that_a_class_states_as_its_type_are_those_that_it_is_given(name: str) -> None:
    kind = registry.find(name)
    for cls in kind.cls.__mro__:
        arguments = [each for base in get_original_bases(cls) for each in get_args(base)]
        stated = [each for each in arguments if isclass(each) and issubclass(each, Settings)]
        assert all(issubclass(kind.settings_class, each) for each in stated)


@pytest.mark.parametrize("name", REGISTRY)
@pytest.mark.parametrize("track", ["paper", "smoke"])
def test_settings_and_recipe_of_every_track_survive_plain_data(name: str, track: str) -> None:
    kind = registry.find(name)
    settings, recipe, *_ = resolve(kind.card, kind.settings_class(), track, {}, {})
    assert updated(kind.settings_class(), as_plain(settings), where="here") == settings
    assert updated(recipe, as_plain(recipe), where="here") == recipe


def test_texts_become_what_their_fields_hold() -> None:
    kind = registry.find("bce")
    _, recipe, *_ = resolve(
        kind.card, kind.settings_class(), "paper", {}, {"lr": "1e-4", "views": "squash,hcp", "cache": "no"}
    )
    assert (recipe.lr, recipe.views, recipe.cache) == (1e-4, ("squash", "hcp"), False)


def test_none_is_none_where_a_setting_can_be_without_a_value_and_a_word_elsewhere() -> None:
    settings: Any
    kind = registry.find("dualcoop")
    settings, recipe, *_ = resolve(kind.card, kind.settings_class(), "smoke", {"start": "none"}, {"warmup_lr": "none"})
    assert (settings.start, recipe.warmup_lr) == (None, None)
    kind = registry.find("bce")
    settings, _, *_ = resolve(kind.card, kind.settings_class(), "smoke", {"train_from": "none", "weights": "none"}, {})
    assert (settings.train_from, settings.weights) == ("none", None)


def test_a_frozen_trunk_brings_its_own_recipe() -> None:
    kind = registry.find("bce")
    _, trained, *_ = resolve(kind.card, kind.settings_class(), "paper", {}, {})
    _, frozen, *_ = resolve(kind.card, kind.settings_class(), "paper", {"tower": "mobilenet_v2"}, {})
    assert (trained.cache, frozen.cache) == (False, True)


@pytest.mark.parametrize(
    ("changes", "what", "hint"),
    [
        ({"towr": "x"}, "unknown setting 'towr'", "did you mean 'tower'?"),
        ({"pooling": "max"}, "pooling = 'max'", None),
    ],
)
def test_a_setting_that_does_not_fit_is_named(changes: dict[str, str], what: str, hint: str | None) -> None:
    kind = registry.find("bce")
    with pytest.raises(MethodError, match=what) as caught:
        resolve(kind.card, kind.settings_class(), "paper", changes, {})
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"resolution": "0"}, "resolution = '0'"),
        ({"batch": 0}, "batch = 0"),
        ({"epochs": -1}, "epochs = -1"),
        ({"lr": -1e-3}, "lr = -0.001"),
        ({"momentum": 1.5}, "momentum = 1.5"),
        ({"rates": "1e-3,0"}, "rates.1 = '0'"),
        ({"validation": 2}, "validation = 2"),
    ],
)
def test_a_recipe_that_nothing_can_train_by_is_refused_before_it_runs(change: dict[str, Any], what: str) -> None:
    kind = registry.find("bce")
    with pytest.raises(MethodError, match=what):
        resolve(kind.card, kind.settings_class(), "paper", {}, change)


OPEN = {"offset", "margin", "margin_floor", "theta"}  # shifts and bounds of scores: any number will do


@pytest.mark.parametrize("name", REGISTRY)
def test_every_number_among_the_settings_has_a_range_that_refuses_what_lies_outside(name: str) -> None:
    kind = registry.find(name)
    for field in fields(kind.settings_class):
        types = str(field.type).split(" | ")
        assert not {"int", "float"} & set(types) or field.name in OPEN, f"{name}.{field.name}"
        if in_words(types[0]) != types[0]:
            with pytest.raises(MethodError, match=f"{field.name} = -7"):
                updated(kind.settings_class(), {field.name: -7}, where="here")


def test_an_unknown_method_suggests_the_nearest() -> None:
    with pytest.raises(MethodError, match="unknown method 'dualcop'") as caught:
        registry.find("dualcop")
    assert "did you mean 'dualcoop'?" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import not_a_module_of_this_world", "cannot be imported: ModuleNotFoundError"),
        ("def fit(:", "cannot be imported: SyntaxError"),
        ("x = 1", "expected one class with fit and predict, found none"),
        ("METHOD = 3", "is not a method"),
    ],
)
def test_a_file_without_a_method_says_what_is_wrong(text: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(MethodError, match=what):
        registry.find(str(path))
