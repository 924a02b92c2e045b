"""Settings and recipes as plain data: what is stored reads back as it was, and nothing is guessed."""

from __future__ import annotations

import pytest

from pmll_methods.method import MethodError
from pmll_methods.recipe import Recipe
from pmll_methods.settings import as_plain, from_plain

RECIPE = Recipe(resolution=448, batch=8, epochs=20, lr=1e-5, views=("hcp", "squash"), lr_scale={"graph": 5.0})


def test_a_recipe_survives_plain_data() -> None:
    assert from_plain(Recipe, as_plain(RECIPE), where="recipe") == RECIPE


def test_a_missing_value_is_named() -> None:
    values = {name: value for name, value in as_plain(RECIPE).items() if name != "lr"}
    with pytest.raises(MethodError, match="missing setting 'lr'"):
        from_plain(Recipe, values, where="recipe")


def test_an_unknown_value_is_named_with_the_nearest() -> None:
    with pytest.raises(MethodError, match="unknown setting 'epoch'") as caught:
        from_plain(Recipe, as_plain(RECIPE) | {"epoch": 3}, where="recipe")
    assert caught.value.hint == "did you mean 'epochs'?"
