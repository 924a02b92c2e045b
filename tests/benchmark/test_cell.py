"""The id of a cell: equal for equal work in any spelling, different for every change that can matter."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmll_bench.errors import ConfigError, Exit
from pmll_bench.plan.cell import Cell, canonical, digest, parse_ratio
from pmll_methods.settings import Settings, differing, updated
from stored import cell

PINNED = json.loads((Path(__file__).parents[1] / "data" / "cells.json").read_text(encoding="utf-8"))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdefgh", max_size=5), inner, max_size=3),
    max_leaves=10,
)
settings = st.dictionaries(st.sampled_from(["lr", "blend", "thresholds", "größe"]), values)


def test_the_worked_example_has_its_published_digest() -> None:
    example: dict[str, Any] = {
        "schema": 1,
        "protocol": "0" * 64,
        "method": "sst",
        "rev": 1,
        "params": {"lr": 1e-5, "thresholds": (0.5, 0.95), "name": unicodedata.normalize("NFD", "größe")},
        "ratio": 10,
        "mask": "f" * 64,
        "mask_seed": 0,
        "seed": 2,
        "precision": "fp32",
    }
    assert digest(example) == "4a48ba609e190e4b1d2032134a9a22063717c1812924991be6c2bc84f830654f"


@pytest.mark.parametrize("pinned", PINNED, ids=lambda pinned: pinned["id"])
def test_the_ids_of_published_cells_never_change(pinned: dict[str, Any]) -> None:
    assert Cell(**pinned["cell"]).id == pinned["id"]


def test_label_noise_is_part_of_the_identity_and_none_leaves_it_as_it_was() -> None:
    assert len({cell(noise=share).id for share in (0.0, 0.1, 0.2)}) == 3
    assert cell(noise=0.0).id == cell(noise=0).id == cell().id
    assert "noise" not in cell().as_plain()


def test_the_pinned_cells_are_many_and_differ() -> None:
    assert len({pinned["id"] for pinned in PINNED}) == len(PINNED) == 20


def reordered(value: Any) -> Any:
    """The same value with every mapping's keys the other way round and tuples for lists."""
    if isinstance(value, Mapping):
        return {name: reordered(item) for name, item in reversed(list(value.items()))}
    return tuple(map(reordered, value)) if isinstance(value, list) else value


@given(settings)
def test_order_and_kind_of_sequence_do_not_matter(given_settings: dict[str, Any]) -> None:
    assert cell(settings=given_settings) == cell(settings=reordered(given_settings))
    assert cell(settings=given_settings).id == cell(settings=reordered(given_settings)).id


@given(settings)
def test_a_cell_survives_json(given_settings: dict[str, Any]) -> None:
    before = cell(settings=given_settings)
    after = Cell(**json.loads(json.dumps(before.as_plain())))
    assert (after, after.id, hash(after)) == (before, before.id, hash(before))


@given(texts)
def test_the_unicode_form_does_not_matter(text: str) -> None:
    forms = {cell(settings={"name": unicodedata.normalize(form, text)}).id for form in ("NFC", "NFD")}
    assert len(forms) == 1


@given(values)
def test_canonical_text_is_its_own_canonical_text(value: Any) -> None:
    assert canonical(json.loads(canonical(value))) == canonical(value)


def test_negative_zero_is_zero_and_an_int_is_no_float() -> None:
    assert canonical([-0.0, 0.0, 1, 1.0, True]) == "[0.0,0.0,1,1.0,true]"


@dataclass(frozen=True, kw_only=True)
class Example(Settings):
    lr: float = 1e-4
    steps: tuple[int, ...] = (5, 10)
    blend: bool = True


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"lr": 1}, {"lr": 1.0}),
        ({"lr": "1e-3"}, {"lr": 0.001}),
        ({"steps": "3,4"}, {"steps": [3, 4]}),
        ({"blend": "false"}, {"blend": False}),
        ({"lr": 1e-4, "blend": "true"}, {}),
    ],
)
def test_the_spelling_of_a_setting_does_not_matter(one: dict[str, Any], other: dict[str, Any]) -> None:
    ids = {cell(settings=differing(updated(Example(), given, where="test"), Example())).id for given in (one, other)}
    assert len(ids) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "coco2014"},
        {"options": {"difficult": "negative"}},
        {"fingerprint": "0" * 64},
        {"regime": "full"},
        {"ratio": 0.2},
        {"mask": "hcp"},
        {"mask_seed": 1},
        {"seed": 1},
        {"method": "hst"},
        {"revision": 2},
        {"revision": "1"},
        {"settings": {"lr": 1e-4}},
        {"recipe": "0" * 64},
        {"schema": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_may_change_a_number_changes_the_id(change: dict[str, Any]) -> None:
    assert cell(**change).id != cell().id


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"lr": float("nan")}, "settings.lr"),
        ({"steps": [1, float("inf")]}, "settings.steps[1]"),
        ({"path": Path("x")}, "settings.path"),
        ({"name": "\ud800"}, "settings.name"),
        ({1: "x"}, "settings"),
        ({"é": 1, "e\u0301": 2}, "settings"),
    ],
)
def test_what_has_no_canonical_form_is_refused_with_its_place(settings: dict[Any, Any], place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cell(settings=settings)
    assert caught.value.code == Exit.INVALID
    assert caught.value.where == place


@pytest.mark.parametrize(
    ("given_ratio", "expected"),
    [
        ("0.1", 0.1),
        ("10%", 0.1),
        (" 10 % ", 0.1),
        (0.30000000000000004, 0.3),
        ("0.33%", 0.0033),
        (1, 1.0),
        ("100%", 1.0),
    ],
)
def test_a_ratio_is_a_fraction_with_four_decimals(given_ratio: str | float, expected: float) -> None:
    assert parse_ratio(given_ratio) == expected
    assert cell(ratio=given_ratio).id == cell(ratio=expected).id


@given(st.integers(1, 10_000))
def test_percent_and_fraction_are_the_same_ratio(part: int) -> None:
    assert parse_ratio(f"{part / 100}%") == parse_ratio(part / 10_000) == part / 10_000


@pytest.mark.parametrize("bare", ["10", 10, 10.0, "90"])
def test_a_bare_percentage_is_refused_with_both_readings(bare: str | float) -> None:
    with pytest.raises(ConfigError, match="outside") as caught:
        parse_ratio(bare)
    assert caught.value.hint == f"did you mean {bare}% or {float(bare) / 100}?"


@pytest.mark.parametrize("wrong", ["", "ten", "0", "-0.1", "0.00001", "101%", "500", "nan", "inf", True, "%", "10%%"])
def test_what_is_no_share_is_refused(wrong: str | float) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_ratio(wrong)
    assert caught.value.hint is not None
    assert "did you mean" not in caught.value.hint
