"""Cards: where a default departs from released code, the setting that restores it is there and changes something."""

from __future__ import annotations

import re
from dataclasses import asdict

import pytest

from pmll_datasets.registry import DATASETS
from pmll_methods import registry
from pmll_methods.method import REGISTRY
from pmll_methods.recipe import Recipe
from pmll_methods.settings import as_plain, resolve

GIVEN = re.compile(r"\b([\w.]+)=([\w.\-]+)")
LINES = [(name, line) for name in REGISTRY for line in registry.find(name).card.differs]


@pytest.mark.parametrize(("name", "line"), LINES)
def test_what_restores_released_code_exists_and_is_not_the_default(name: str, line: str) -> None:
    kind = registry.find(name)
    named = [(key, value.rstrip(".")) for key, value in GIVEN.findall(line)]
    assert named or "(no setting)" in line or "--" in line, "say what restores it, or that nothing does"
    for key, value in named:
        place, _, field = key.rpartition(".")
        if place == "data":
            offered = [entry.options[field] for entry in DATASETS.values() if field in entry.options]
            assert any(value in (option.allowed or ()) for option in offered)
            continue
        settings, recipe = ({}, {field: value}) if place == "recipe" else ({field: value}, {})
        before = resolve(kind.card, kind.settings_class(), "paper", {}, {}, dataset="voc2012")
        after = resolve(kind.card, kind.settings_class(), "paper", settings, recipe, dataset="voc2012")
        assert asdict(before.recipe) != asdict(after.recipe) or as_plain(before.settings) != as_plain(after.settings)


CNN = {  # methods with released code, and how many departures their cards state at least
    **{"asl": 3, "ssgrl": 3, "gcn-ml": 3, "add-gcn": 3, "sst": 3, "hst": 7, "sarb": 4, "dsrb": 5, "cap": 4},
    **{"an": 4, "an-ls": 4, "wan": 4, "epr": 4, "role": 4, "ll-r": 4, "ll-ct": 4, "ll-cp": 5, "hill": 2, "splc": 2},
}


@pytest.mark.parametrize("name", CNN)
def test_the_cards_of_methods_with_released_code_state_where_they_depart_from_it(name: str) -> None:
    assert len(registry.find(name).card.differs) >= CNN[name]


def test_all_fields_of_a_recipe_can_be_restored_by_name() -> None:
    fields = set(Recipe.__dataclass_fields__)
    recipes = {key.removeprefix("recipe.") for _, line in LINES for key, _ in GIVEN.findall(line) if "recipe." in key}
    assert recipes <= fields
