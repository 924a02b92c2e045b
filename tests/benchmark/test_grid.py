"""Planning: a request becomes the expected cells, all problems are reported at once, and groups share exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmll_bench.errors import ConfigError
from pmll_bench.plan.cell import digest
from pmll_bench.plan.grid import expand, groups, longest_first, recipe_digest, skipped
from pmll_bench.plan.overrides import parse_sets
from pmll_bench.plan.planned import DataFacts, Group, MaskFacts, MethodFacts, Planned
from pmll_bench.plan.request import MethodRow, Request
from pmll_methods.recipe import Recipe

VOC = DataFacts(
    name="voc2007", options={"difficult": "ignored"}, fingerprint="a" * 64, root="data", train=5011, test=4952
)
RECIPE = Recipe(resolution=448, batch=8, epochs=20, lr=1e-5)
COCO = DataFacts(name="coco2014", options={}, fingerprint="b" * 64, root="data", train=82081, test=40137)


def facts(name: str = "sst", **changes: Any) -> MethodFacts:
    """What planning knows of a method; what isn't given is always the same."""
    fields: dict[str, Any] = {
        "name": name,
        "label": name,
        "revision": 1,
        "regimes": ("full", "partial"),
        "target": f"pmll_methods.{name}",
        "settings": {"lr": 1e-5},
        "changed": {},
        "recipe": RECIPE,
        "grouped": True,
    }
    return MethodFacts(**{**fields, **changes})


def plan(*methods: MethodFacts, data: Sequence[DataFacts] = (VOC,), **request: Any) -> tuple[Planned, ...]:
    return expand(Request(**request), data, {of_data.name: methods or (facts(),) for of_data in data})


def problems(*methods: MethodFacts, data: Sequence[DataFacts] = (VOC,), **request: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        plan(*methods, data=data, **request)
    return [problem.what for problem in caught.value.problems]


# Cells


def test_a_plain_request_is_the_nine_ratios_of_the_papers() -> None:
    cells = [item.cell for item in plan()]
    assert [cell.ratio for cell in cells] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    assert {(cell.regime, cell.mask, cell.mask_seed, cell.seed) for cell in cells} == {("partial", "counter/1", 0, 0)}


def test_a_grid_is_the_product_of_its_axes() -> None:
    cells = plan(facts("sst"), facts("hst"), data=(VOC, COCO), ratios=(0.1, 1.0), seeds=(0, 1, 2))
    assert len({item.cell.id for item in cells}) == len(cells) == 2 * 2 * 2 * 3


def test_seeds_set_training_and_mask_unless_mask_seeds_cross_them() -> None:
    def pairs(**request: Any) -> list[tuple[int, int]]:
        return [(item.cell.mask_seed, item.cell.seed) for item in plan(ratios=(0.1,), **request)]

    assert pairs(seeds=(0, 1)) == [(0, 0), (1, 1)]
    assert pairs(seeds=(0, 1), mask_seeds=(5, 6)) == [(5, 0), (5, 1), (6, 0), (6, 1)]


def test_a_deterministic_method_is_planned_once_per_mask() -> None:
    def pairs(**request: Any) -> list[tuple[int, int]]:
        cells = plan(facts("linear-probe", deterministic=True), ratios=(0.1,), **request)
        return [(item.cell.mask_seed, item.cell.seed) for item in cells]

    assert pairs(seeds=(0, 1, 2), mask_seeds=(5, 6)) == [(5, 0), (6, 0)]
    assert pairs(seeds=(3, 4)) == [(3, 0), (4, 0)]
    assert pairs(seeds=(0, 1), regime="full") == [(0, 0)]
    both = plan(facts("sst"), facts("linear-probe", deterministic=True), ratios=(0.1,), seeds=(0, 1), mask_seeds=(5,))
    assert [(item.label, item.cell.seed) for item in both] == [("sst", 0), ("sst", 1), ("linear-probe", 0)]


def test_a_deterministic_method_keeps_its_ids_with_the_first_seed() -> None:
    chosen: tuple[dict[str, Any], ...] = ({}, {"mask_seeds": (0,)})
    for seeds in chosen:
        ids = [[item.cell.id for item in plan(facts(deterministic=one), **seeds)] for one in (False, True)]
        assert ids[0] == ids[1]


EVERY = facts("an", regimes=("full", "partial", "single-positive", "semi"))


def test_single_positive_labels_have_one_cell_a_seed() -> None:
    cells = [item.cell for item in plan(EVERY, regime="single-positive", seeds=(0, 3))]
    assert [(cell.ratio, cell.mask, cell.mask_seed, cell.seed) for cell in cells] == [
        (1.0, "counter/1", 0, 0),
        (1.0, "counter/1", 3, 3),
    ]


def test_semi_has_the_ratios_of_its_papers_unless_others_are_asked_for() -> None:
    assert [item.cell.ratio for item in plan(EVERY, regime="semi")] == [0.05, 0.1, 0.15, 0.2]
    assert [item.cell.ratio for item in plan(EVERY, regime="semi", ratios=(0.5,))] == [0.5]


def test_the_regimes_of_one_method_are_cells_of_their_own() -> None:
    ids = {plan(EVERY, regime=regime, ratios=(1.0,))[0].cell.id for regime in EVERY.regimes}
    assert len(ids) == 4


def test_a_mask_with_one_draw_has_one_mask_seed() -> None:
    fixed = MaskFacts("list/0123456789abcdef", seeded=False, file="/masks/mask.npz")
    request = Request(ratios=(0.1,), seeds=(0, 1))
    cells = expand(request, (VOC,), {VOC.name: (facts("sst"),)}, fixed)
    assert [(item.cell.mask, item.cell.mask_seed, item.cell.seed) for item in cells] == [
        ("list/0123456789abcdef", 0, 0),
        ("list/0123456789abcdef", 0, 1),
    ]
    assert {item.where.mask for item in cells} == {"/masks/mask.npz"}


def test_label_noise_is_drawn_with_the_mask_seed_even_where_nothing_is_hidden() -> None:
    cells = [item.cell for item in plan(regime="full", noise=(0.1,), seeds=(0, 1))]
    assert [(cell.noise, cell.mask_seed) for cell in cells] == [(0.1, 0), (0.1, 1)]


def test_shares_of_label_noise_train_together_and_without_noise_nothing_is_drawn() -> None:
    (group,) = groups(plan(regime="full", noise=(0.0, 0.1, 0.2), seeds=(3,)))
    assert [(item.cell.noise, item.cell.mask_seed) for item in group.cells] == [(0.0, 0), (0.1, 3), (0.2, 3)]
    assert problems(regime="full", noise=(0.0, 0.1), mask_seeds=(1, 2)) == [
        "the regime 'full' hides no label, so it has no mask seeds"
    ]
    assert problems(noise=(0.1, 0.1)) == ["noise 0.1 is given 2 times"]
    assert problems(noise=()) == ["the grid is empty"]


@pytest.mark.parametrize(
    ("axis", "value", "expected"),
    [
        ("noise", 1.5, "invalid noise 1.5 (expected a number <= 0.9999)"),
        ("noise", -0.1, "invalid noise -0.1 (expected a number >= 0)"),
        ("seeds", 3.5, "invalid seed 3.5 (expected a whole number >= 0)"),
        ("seeds", -1, "invalid seed -1 (expected a whole number >= 0)"),
        ("mask_seeds", 2**63, f"invalid mask seed {2**63} (expected a whole number <= {2**63 - 1})"),
    ],
)
def test_a_value_outside_the_range_of_its_axis_is_refused(axis: str, value: float, expected: str) -> None:
    request: dict[str, Any] = {axis: (0, value)}
    assert problems(**request) == [expected]


def test_with_full_labels_there_is_one_cell_a_seed_and_no_mask() -> None:
    cells = [item.cell for item in plan(regime="full", seeds=(0, 3))]
    assert [(cell.ratio, cell.mask, cell.mask_seed, cell.seed) for cell in cells] == [
        (1.0, "none", 0, 0),
        (1.0, "none", 0, 3),
    ]


@given(st.permutations([0.1, 0.2, 0.5, 0.9]), st.integers(1, 4))
def test_a_cell_keeps_its_id_in_a_larger_or_reordered_grid(ratios: list[float], size: int) -> None:
    small = {item.cell.id for item in plan(ratios=tuple(ratios[:size]))}
    large = {item.cell.id for item in plan(facts("hst"), facts("sst"), ratios=tuple(reversed(ratios)), seeds=(1, 0))}
    assert small <= large


def test_neither_paths_nor_names_of_rows_change_an_id() -> None:
    here, there = (
        plan(facts(label=label, target=target), data=(DataFacts(**{**vars(VOC), "root": root}),))[0]
        for label, target, root in (("sst", "x.py", "data"), ("ours", "y.py", "/elsewhere"))
    )
    assert here.cell == there.cell
    assert (there.label, there.where.root, there.where.target) == ("ours", "/elsewhere", "y.py")


@pytest.mark.parametrize(
    "change",
    [
        {"revision": 2},
        {"changed": {"lr": 1.0}},
        {"file_digest": "c" * 64},
        {"tower_digest": "d" * 64},
        {"recipe": RECIPE.at(epochs=21)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_defines_a_method_changes_the_ids(change: dict[str, Any]) -> None:
    assert plan(facts(**change))[0].cell.id != plan()[0].cell.id


@pytest.mark.parametrize("view", ["scpnet-strong", "flip+dualcoop", "flip+bilinear+randaugment"])
def test_a_view_that_has_changed_under_its_name_counts_for_any_method(
    view: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RECIPE.at(views=("squash", view))
    ids = {plan(facts(recipe=recipe))[0].cell.id}
    monkeypatch.setattr("pmll_datasets.view_rules.RULES", {})
    ids |= {plan(facts(recipe=recipe))[0].cell.id}
    assert len(ids) == 2


def test_views_that_never_changed_leave_identities_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = RECIPE.at(views=("hcp", "squash+flip"), test_view="centre-bilinear")
    now = plan(facts(recipe=recipe))[0].cell.id
    monkeypatch.setattr("pmll_datasets.view_rules.RULES", {})
    assert plan(facts(recipe=recipe))[0].cell.id == now


def test_a_new_revision_of_a_user_file_counts_as_well_as_its_content() -> None:
    revisions = {plan(facts(file_digest="c" * 64, revision=revision))[0].cell.revision for revision in (1, 2)}
    assert len(revisions) == 2


def test_the_embedded_data_set_is_run_on_the_smoke_track() -> None:
    assert Request().track_on("shapes") == "smoke"
    assert Request().track_on("voc2007") == "paper"
    assert Request().track_on("my-images") == "smoke"
    assert Request(track="controlled").track_on("shapes") == "controlled"
    assert plan()[0].track == "paper"


def test_methods_without_the_regime_are_left_out_and_named() -> None:
    methods = (facts("sst", regimes=("partial",)), facts("bce"))
    assert {item.label for item in plan(*methods, regime="full")} == {"bce"}
    assert skipped(Request(regime="full"), {"voc2007": methods, "coco2014": methods}) == ("sst",)


def test_a_limit_plans_the_first_cells() -> None:
    assert plan(limit=2) == plan()[:2]


# Problems


def test_all_problems_are_told_at_once() -> None:
    found = problems(
        ratios=(0.1, 0.1, 10), seeds=(0, 0, -1), mask_seeds=(), limit=0, sets=("hst.lr=1",), data=(VOC, VOC)
    )
    assert found == [
        "the ratio 10 is outside (0, 1]",
        "ratio 0.1 is given 2 times",
        "invalid seed -1 (expected a whole number >= 0)",
        "seed 0 is given 2 times",
        "the grid is empty",
        "invalid limit 0 (expected a whole number >= 1)",
        "'hst' is not a method of the grid",
        "data set 'voc2007' is given 2 times",
    ]


def test_ratios_that_are_the_same_after_rounding_are_refused() -> None:
    assert problems(ratios=(0.3, 0.30000000000000004)) == ["ratio 0.3 is given 2 times"]


def test_rows_that_are_the_same_cells_are_refused_once() -> None:
    found = problems(facts(), facts(label="sst-again"), facts("hst"), seeds=(0, 1))
    assert found == ["'sst' and 'sst-again' are the same cells on voc2007: their settings are equal"]


def test_an_unknown_regime_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no method of the grid supports") as caught:
        plan(regime="partail")
    assert caught.value.hint == "did you mean 'partial'?"


def test_mask_seeds_mean_nothing_with_full_labels() -> None:
    assert problems(regime="full", mask_seeds=(1,)) == ["the regime 'full' hides no label, so it has no mask seeds"]


def test_a_name_that_is_not_a_folder_name_is_refused_before_anything_runs() -> None:
    assert problems(facts("../MyMethod")) == ["invalid name of a data set or method: '../MyMethod'"]


# --set


def test_a_recipe_keeps_the_identity_it_had_before_fields_were_added() -> None:
    before = {name: value for name, value in asdict(RECIPE).items() if name not in RECIPE.LATER}
    assert recipe_digest(RECIPE, "") == digest({"recipe": before, "towers": ""})
    assert recipe_digest(RECIPE.at(horizon=30), "") != recipe_digest(RECIPE, "")


def test_sets_reach_settings_recipe_data_and_single_methods() -> None:
    found = parse_sets(
        ["lr=1e-4", "recipe.epochs=3", "data.difficult=negative", "sst.lr=2", "a-b.recipe.clip=null", "x=a=b"]
    )
    assert found.settings == {"lr": "1e-4", "x": "a=b"}
    assert found.recipe == {"epochs": "3"}
    assert found.data == {"difficult": "negative"}
    assert found.per_method["sst"].settings == {"lr": "2"}
    assert found.per_method["a-b"].recipe == {"clip": None}


@pytest.mark.parametrize("wrong", ["lr", "=1", "a.b.c.d=1", ".lr=1", "recipe.a.b=1", "sst..lr=1", "data.recipe.x=1"])
def test_an_invalid_set_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="invalid setting") as caught:
        parse_sets(["good=1", wrong, wrong])
    assert len(caught.value.problems) == 2


def test_the_more_special_set_holds() -> None:
    request = Request(
        methods=(MethodRow("sst"), MethodRow("sst", label="plain", sets=("d=row",))),
        sets=("a=all", "b=all", "c=all", "d=all", "sst.b=method", "sst.c=method", "plain.c=label", "hst.a=other"),
    )
    one, other = (request.overrides_of(row, "sst").settings for row in request.rows)
    assert one == {"a": "all", "b": "method", "c": "method", "d": "all"}
    assert other == {"a": "all", "b": "method", "c": "label", "d": "row"}


# Groups


def test_the_nine_ratios_of_a_method_are_one_group() -> None:
    [group] = groups(plan())
    assert [item.cell.ratio for item in group.cells] == list(Request().ratios_of_regime)


def test_only_methods_that_can_share_are_grouped() -> None:
    assert [len(group.cells) for group in groups(plan(facts(grouped=False)))] == [1] * 9


def test_a_group_differs_in_ratio_and_mask_only() -> None:
    rows = (facts("sst"), facts("sst", label="b", changed={"lr": 1}), facts("hst"))
    planned = plan(*rows, data=(VOC, COCO), seeds=(0, 1), mask_seeds=(0, 1, 2))
    found = groups(planned)
    assert [len(group.cells) for group in found] == [27] * 12
    assert sorted(item.cell.id for group in found for item in group.cells) == sorted(item.cell.id for item in planned)
    for group in found:
        assert len({(item.cell.dataset, item.label, item.cell.seed) for item in group.cells}) == 1


def test_methods_take_turns_and_cheap_groups_come_first() -> None:
    costly = facts("hst", recipe=RECIPE.at(epochs=80))
    free = facts("clip-zeroshot", uses_labels=False)
    order = [
        (group.cells[0].label, group.cells[0].cell.dataset)
        for group in groups(plan(costly, facts("sst"), free, data=(COCO, VOC)))
    ]
    assert order == [
        ("clip-zeroshot", "coco2014"),
        ("sst", "voc2007"),
        ("hst", "voc2007"),
        ("clip-zeroshot", "voc2007"),
        ("sst", "coco2014"),
        ("hst", "coco2014"),
    ]


def test_cells_that_do_not_train_in_lockstep_are_no_group() -> None:
    one, other = plan(facts(), seeds=(0, 1), ratios=(0.1,))
    with pytest.raises(ValueError, match="differ in images, order, views, tower or seed"):
        Group((one, other))


def test_several_processes_try_every_row_and_then_take_the_longest_groups() -> None:
    long = facts("hst", recipe=RECIPE.at(epochs=80), grouped=False)
    order = [
        (group.cells[0].label, group.cells[0].cell.dataset)
        for group in longest_first(groups(plan(long, facts("sst", grouped=False), data=(COCO, VOC), ratios=(0.1, 0.5))))
    ]
    every_row = [("sst", "voc2007"), ("hst", "voc2007"), ("sst", "coco2014"), ("hst", "coco2014")]
    assert sorted(order[:4]) == sorted(every_row)
    assert order[4:] == [("hst", "coco2014"), ("sst", "coco2014"), ("hst", "voc2007"), ("sst", "voc2007")]
