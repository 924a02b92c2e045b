"""What a result records of its training beside its number."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from command_line import method_file
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.store.result import Cost, Result
from pmll_bench.store.store import Store


def result_of(method: str, root: Path, *sets: str) -> Result:
    groups = plan(Request(methods=(method,), ratios=(0.5,), subset=48, sets=sets)).groups
    run_groups(groups, Store.open(root), Execution(threads=1), Silent(), threading.Event())
    (result,) = Store.open(root).results()
    return result


def cost_of(result: Result) -> Cost:
    assert result.cost is not None
    return result.cost


def test_a_learner_s_size_memory_and_pace_are_recorded(tmp_path: Path) -> None:
    result = result_of("bce", tmp_path, "recipe.epochs=2")
    cost = cost_of(result)
    assert cost.trained_parameters is not None
    assert cost.parameters is not None
    assert 0 < cost.trained_parameters < cost.parameters
    assert cost.peak_memory > 50_000_000  # torch alone takes more
    assert cost.images_per_second is not None
    assert cost.images_per_second >= 2 * 48 / result.seconds.train  # which counts what comes before training, too
    assert cost.flops is not None
    assert cost.flops > 10**7  # of the embedded tower; 2 per multiply-add
    assert not result.deterministic


def test_without_an_epoch_there_is_no_pace(tmp_path: Path) -> None:
    assert cost_of(result_of("bce", tmp_path, "recipe.epochs=0")).images_per_second is None


def test_a_method_of_one_s_own_has_no_size_that_we_know(tmp_path: Path) -> None:
    cost = cost_of(result_of(method_file(tmp_path), tmp_path / "runs"))
    assert (cost.trained_parameters, cost.parameters, cost.flops) == (None, None, None)
    assert cost.images_per_second is not None  # it reports its epochs


@pytest.mark.parametrize(("sets", "expected"), [((), True), (("recipe.views=hcp", "recipe.cache=false"), False)])
def test_a_result_says_whether_its_seed_is_of_no_effect(tmp_path: Path, sets: tuple[str, ...], expected: bool) -> None:
    assert result_of("linear-probe", tmp_path, *sets).deterministic is expected


def test_a_result_from_before_costs_were_recorded_still_reads(tmp_path: Path) -> None:
    result_of(method_file(tmp_path), tmp_path / "runs")
    (path,) = (tmp_path / "runs").glob("cells/*/*/*/result.json")
    document = json.loads(path.read_text())
    del document["cost"], document["deterministic"]
    path.write_text(json.dumps(document))
    (old,) = Store.open(tmp_path / "runs").results()
    assert (old.cost, old.deterministic) == (None, False)
