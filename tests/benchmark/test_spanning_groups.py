"""Groups of several methods: which cells share one, how launchers split them, and that no number depends on it."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from command_line import Command
from pmll_bench.plan.grid import by_method, expand, groups, longest_first, spread
from pmll_bench.plan.planned import DataFacts, Group, MethodFacts, Planned, group_name
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.running.progress import PlainListener
from pmll_bench.store.store import Store
from pmll_methods.recipe import Recipe
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.dense import ResNetImages

VOC = DataFacts(name="voc2007", options={}, fingerprint="a" * 64, root="data", train=5011, test=4952)
RECIPE = Recipe(resolution=448, batch=8, epochs=20, lr=1e-5)
TOWER = {"tower": "RN101:openai", "weights": None}


def facts(name: str = "coop", **changes: Any) -> MethodFacts:
    fields: dict[str, Any] = {
        "name": name,
        "label": name,
        "revision": 1,
        "regimes": ("full", "partial"),
        "target": name,
        "settings": TOWER,
        "changed": {},
        "recipe": RECIPE,
        "grouped": True,
        "trains": "frozen",
    }
    return MethodFacts(**{**fields, **changes})


def planned(*methods: MethodFacts, **request: Any) -> tuple[Planned, ...]:
    return expand(Request(**request), (VOC,), {VOC.name: methods})


def labels(group: Group) -> list[str]:
    return list(dict.fromkeys(each.label for each in group.cells))


def test_methods_on_one_frozen_tower_are_one_group() -> None:
    [group] = groups(planned(facts("coop"), facts("dualcoop"), facts("sarl")))
    assert labels(group) == ["coop", "dualcoop", "sarl"]
    assert len(group.cells) == 27
    assert group_name(group) == "coop voc2007 10% seed 0 and 26 more of coop, dualcoop, sarl in lockstep"


@pytest.mark.parametrize(
    "own",
    [
        {"lr": 1.0},
        {"optimizer": "sgd", "momentum": 0.5},
        {"weight_decay": 0.1, "clip": 1.0, "ema": 0.9},
        {"schedule": "cosine", "horizon": 30},
        {"batch_norm": "train"},
    ],
)
def test_how_a_method_trains_its_own_part_may_differ(own: Mapping[str, Any]) -> None:
    assert len(groups(planned(facts("coop"), facts("dualcoop", recipe=RECIPE.at(**own))))) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": RECIPE.at(batch=16)},
        {"recipe": RECIPE.at(resolution=224)},
        {"recipe": RECIPE.at(views=("hcp",))},
        {"recipe": RECIPE.at(test_view="centre")},
        {"recipe": RECIPE.at(epochs=5)},
        {"recipe": RECIPE.at(precision="bf16")},
        {"recipe": RECIPE.at(drop_last=True)},
        {"recipe": RECIPE.at(cache=True)},
        {"recipe": RECIPE.at(validation=0.2, selection="best-val")},
        {"recipe": RECIPE.at(validation=0.2, rates=(0.1, 1.0))},
        {"settings": {**TOWER, "tower": "RN50:openai"}},
        {"settings": {**TOWER, "weights": "random"}},
        {"settings": {**TOWER, "train_from": "layer4"}, "trains": "trunk"},
        {"settings": {}},
        {"grouped": False},
        {"file_digest": "0123"},
    ],
)
def test_a_method_that_shares_less_has_a_group_of_its_own(changes: Mapping[str, Any]) -> None:
    cells = planned(facts("coop"), facts("dualcoop", **changes), ratios=(0.5,))
    assert [labels(group) for group in groups(cells)] in ([["coop"], ["dualcoop"]], [["dualcoop"], ["coop"]])
    with pytest.raises(ValueError, match="differ in images, order, views, tower or seed"):
        Group(cells)


def test_methods_with_several_rates_share_a_group_whatever_their_rates() -> None:
    rows = (facts(name, recipe=RECIPE.at(validation=0.2, rates=rates)) for name, rates in RATES.items())
    assert len(groups(planned(*rows))) == 1


RATES = {"coop": (0.1, 1.0), "dualcoop": (0.2, 2.0, 20.0)}


def test_another_seed_is_another_group() -> None:
    found = groups(planned(facts("coop"), facts("dualcoop"), seeds=(0, 1)))
    assert [{each.cell.seed for each in group.cells} for group in found] == [{0}, {1}]


def test_jobs_have_the_cells_of_one_method_each() -> None:
    found = by_method(groups(planned(facts("coop"), facts("dualcoop"), ratios=(0.2, 0.5))))
    assert [labels(group) for group in found] == [["coop"], ["dualcoop"]]
    assert [len(group.cells) for group in found] == [2, 2]


@pytest.mark.parametrize(
    ("processes", "expected"), [(1, [4]), (2, [2, 2]), (3, [1, 1, 2]), (4, [1, 1, 1, 1]), (9, [1, 1, 1, 1])]
)
def test_groups_are_split_by_method_until_every_process_has_work(processes: int, expected: list[int]) -> None:
    whole = groups(planned(*(facts(name) for name in ("coop", "coop-csp", "dualcoop", "sarl"))))
    split = spread(whole, processes)
    assert sorted(len(group.rows) for group in split) == expected
    assert {each.cell.id for group in split for each in group.cells} == {each.cell.id for each in whole[0].cells}


def test_a_group_that_is_longer_than_the_share_of_a_process_is_split() -> None:
    small = [facts(f"s{number}", settings={}, recipe=RECIPE.at(epochs=1)) for number in range(3)]
    large = [facts(name) for name in ("coop", "coop-csp", "dualcoop", "sarl")]
    assert sorted(len(group.rows) for group in spread(groups(planned(*small, *large)), 2)) == [1, 1, 1, 2, 2]


CACHED = RECIPE.at(cache=True)


@pytest.mark.parametrize(
    ("processes", "expected"),
    [(1, [18]), (2, [5, 4, 3, 2, 1, 1, 1, 1]), (4, [3, 2, 2, 2, 2, *[1] * 7]), (9, [1] * 18)],
)
def test_methods_with_cached_features_are_split_into_ever_shorter_groups(processes: int, expected: list[int]) -> None:
    whole = groups(planned(*(facts(f"m{number}", target="coop", recipe=CACHED) for number in range(18))))
    split = spread(whole, processes)
    assert sorted((len(group.rows) for group in split), reverse=True) == expected
    assert {each.cell.id for group in split for each in group.cells} == {each.cell.id for each in whole[0].cells}


def test_a_process_never_waits_long_for_a_group_that_costs_more_than_it_seemed() -> None:
    methods = [facts(f"m{number}", target="coop", recipe=CACHED) for number in range(18)]
    dear = {"m3": 3.0, "m11": 2.0, "m17": 3.0}  # what they cost in fact, beside 1 for the others
    busy = [0.0, 0.0]
    for group in longest_first(spread(groups(planned(*methods)), 2)):
        busy[busy.index(min(busy))] += sum(dear.get(label, 1.0) for label in labels(group))
    assert max(busy) <= 1.15 * sum(busy) / 2


def test_names_of_many_methods_are_counted() -> None:
    [group] = groups(planned(*(facts(f"m{number}", target="coop") for number in range(7)), ratios=(0.5,)))
    assert group_name(group) == "m0 voc2007 50% seed 0 and 6 more of m0, m1, m2, m3, m4 and 2 more in lockstep"


def test_a_dry_run_says_what_is_shared(command: Command) -> None:
    run = ["run", "--methods", "coop", "dualcoop", "linear-probe", "--subset", "20", "--ratios", "0.3", "0.7"]
    whole = command(*run, "--dry-run").err
    assert "6 cells in 2 groups, 0 done" in whole
    assert "group 2: coop, dualcoop train together on tiny" in whole
    # 20 images are encoded once in training and 20 in prediction, in each group
    assert "80 images are read and encoded; 120 with a group for each method, 240 with each cell on its own" in whole
    for launcher in (["--launcher", "local", "--slots", "3"], ["--launcher", "slurm"]):
        split = command(*run, "--dry-run", *launcher).err
        assert "6 cells in 3 groups" in split
        assert "train together" not in split


def test_a_dry_run_estimates_the_time_from_finished_cells(command: Command) -> None:
    run = ["run", "--methods", "linear-probe", "--subset", "20", "--ratios", "0.3"]
    assert "in one process" not in command(*run, "--dry-run").err
    assert command(*run).code == 0
    assert "in one process on a CPU, as finished cells took" in command(*run, "0.7", "--dry-run").err
    assert "in one process" not in command(*run, "--dry-run").err  # nothing is left to do


# With real methods


def carried_out(found: Iterable[Group], root: Path, stop: threading.Event | None = None) -> Store:
    store = Store.open(root)
    load_clip("tiny", None).memory.clear()
    run_groups(tuple(found), store, Execution(threads=1), Silent(), stop or threading.Event())
    return store


def numbers(store: Store) -> dict[str, tuple[np.ndarray, object]]:
    """The scores and the losses of each cell."""
    return {
        result.cell_id: (store.scores(result.cell_id).scores, [dict(each) for each in result.history])
        for result in store.results()
    }


def assert_same(one: Store, other: Store, cells: int) -> None:
    found, expected = numbers(one), numbers(other)
    assert found.keys() == expected.keys()
    assert len(found) == cells
    for cell, (scores, history) in found.items():
        np.testing.assert_array_equal(scores, expected[cell][0])
        assert history == expected[cell][1]


PROMPTS = ("coop", "coop-csp", "dualcoop", "sarl")
SAME = ("recipe.epochs=2", "recipe.batch=16")
RANDOM = (*SAME, "recipe.cache=false", "recipe.views=hcp", "recipe.drop_last=true", "recipe.ema=0.9")
REAL = [
    pytest.param(PROMPTS, SAME, id="prompts, smoke"),
    pytest.param(PROMPTS, RANDOM, id="prompts, random views"),
    pytest.param(("bce", "ssgrl", "sst", "an-ls"), (), id="trunks, smoke"),
    pytest.param(("bce", "asl"), ("recipe.rates=0.001,0.01", "recipe.validation=0.3", *SAME), id="rates"),
    pytest.param(("coop", "scpnet-frozen"), ("recipe.selection=best-val", "recipe.validation=0.3", *SAME), id="best"),
]


@pytest.mark.parametrize(("methods", "sets"), REAL)
def test_every_number_is_that_of_a_method_trained_alone(
    methods: tuple[str, ...], sets: tuple[str, ...], tmp_path: Path
) -> None:
    asked = plan(Request(methods=methods, subset=40, ratios=(0.3, 0.7), sets=sets))
    assert len(asked.groups) == 1
    together = carried_out(asked.groups, tmp_path / "together")
    apart = carried_out((Group((cell,)) for cell in asked.cells), tmp_path / "apart")
    assert_same(together, apart, 2 * len(methods))


class After(threading.Event):
    """A request to stop that comes after some questions for it."""

    def __init__(self, questions: int) -> None:
        super().__init__()
        self.left = questions

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_a_stopped_group_of_several_methods_continues_to_the_same_numbers(tmp_path: Path) -> None:
    asked = plan(Request(methods=("coop", "dualcoop"), subset=40, ratios=(0.3, 0.7), sets=RANDOM))
    store = carried_out(asked.groups, tmp_path / "stopped", After(9))
    assert not list(store.results())
    assert all(store.folder(cell.cell).checkpoints() for cell in asked.cells)
    continued = carried_out(asked.groups, tmp_path / "stopped")
    events = (event for cell in asked.cells for event in continued.folder(cell.cell).attempts()[-1].events())
    assert sum(event["event"] == "restore" for event in events) == len(asked.cells)
    assert_same(continued, carried_out(asked.groups, tmp_path / "whole"), 4)


def test_each_image_passes_through_the_tower_once_for_all_methods(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[int] = []
    original = ResNetImages._feature_map

    def counted(self: ResNetImages, images: Tensor) -> Tensor:
        passed.append(len(images))
        return original(self, images)

    monkeypatch.setattr(ResNetImages, "_feature_map", counted)
    asked = plan(Request(methods=PROMPTS, subset=40, ratios=(0.3, 0.7), sets=RANDOM))
    carried_out(asked.groups, tmp_path)
    sizing = 1 * len(PROMPTS)  # FLOPs are counted on one image
    assert sum(passed) == 2 * 32 + 40 + sizing  # two epochs of two whole batches, then the test images


def test_a_large_group_has_one_line_of_progress_for_each_method() -> None:
    [group] = groups(planned(facts("coop"), facts("sarl")))
    stream = io.StringIO()
    times = iter(range(0, 10_000, 10))
    listener = PlainListener(len(group.cells), stream, lambda: next(times))
    listener.group_started(group)
    for planned_cell in group.cells:
        listener.cell_progress(planned_cell, 1, 20, {"asl": 0.5})
    lines = [line.partition(":")[0] for line in stream.getvalue().splitlines() if line.startswith("train")]
    assert 0 < len(lines) < len(group.cells)
    assert len(set(lines)) == len(lines)
