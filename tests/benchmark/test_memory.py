"""Methods that need too much memory for a number of classes are refused when cells are planned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pmll_bench.errors import ConfigError, Exit
from pmll_bench.plan import planning
from pmll_bench.plan.memory import memory_limit
from pmll_bench.plan.planned import DataFacts
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_methods import registry
from pmll_methods.method import REGISTRY, Growth
from pmll_methods.settings import resolve

PLANNED_FOR = 24e9  # bytes


@pytest.fixture
def with_classes(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let data sets have any number of classes in the facts that planning uses."""
    known = planning.data_facts

    def pretend(classes: int) -> None:
        def facts(*given: object) -> DataFacts:
            return replace(known(*given), classes=classes)  # type: ignore[arg-type]

        monkeypatch.setattr(planning, "data_facts", facts)

    monkeypatch.delenv("PMLL_MEMORY", raising=False)
    return pretend


def of_paper(*methods: str, sets: tuple[str, ...] = ()) -> Request:
    return Request(methods=methods, track="paper", ratios=(0.5,), sets=(*sets, "weights=random", "words=tiny"))


def test_one_error_states_need_limit_and_what_to_do(with_classes: Callable[[int], None]) -> None:
    with_classes(5000)
    with pytest.raises(ConfigError) as raised:
        plan(of_paper("sst", "ssgrl"))
    assert raised.value.code == Exit.INVALID
    assert str(raised.value).startswith("sst needs about 330 GB of memory for 5,000 classes, ")
    assert "more than the limit of 24 GB (shapes); " in str(raised.value)
    assert "set sst.pairs=low-rank, or leave the method out" in str(raised.value)
    assert "PMLL_MEMORY" in str(raised.value)


def test_all_methods_that_are_too_large_are_named_at_once(with_classes: Callable[[int], None]) -> None:
    with_classes(5000)
    with pytest.raises(ConfigError) as raised:
        plan(of_paper("sst", "hst"))
    assert [problem.what.split()[0] for problem in raised.value.problems] == ["sst", "hst"]


def test_where_there_is_more_memory_the_limit_is_raised(
    with_classes: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_classes(1500)
    with pytest.raises(ConfigError, match="sst needs about"):
        plan(of_paper("sst"))
    monkeypatch.setenv("PMLL_MEMORY", "80")
    assert plan(of_paper("sst")).cells


def test_pairs_of_low_rank_fit(with_classes: Callable[[int], None]) -> None:
    with_classes(1500)
    assert plan(of_paper("sst", sets=("pairs=low-rank",))).cells


def test_a_smaller_batch_is_proposed_where_it_helps(with_classes: Callable[[int], None]) -> None:
    with_classes(2_000_000)
    with pytest.raises(ConfigError) as raised:
        plan(of_paper("ssgrl", "role"))
    ssgrl, role = map(str, raised.value.problems)
    assert "; lower ssgrl.recipe.batch, or leave the method out" in ssgrl
    assert "; leave the method out" in role


@pytest.mark.parametrize("given", ["much", "0", "-3", "nan"])
def test_the_limit_is_a_number_of_gb(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMLL_MEMORY", given)
    with pytest.raises(ConfigError, match="is not a number of GB"):
        memory_limit()


def growth(method: str, track: str) -> Growth:
    kind = registry.find(method)
    settings, recipe, *_ = resolve(kind.card, kind.settings_class(), track, {}, {})
    return kind.growth(settings, recipe)


@pytest.mark.parametrize("track", ["paper", "controlled", "smoke"])
def test_no_method_is_refused_on_the_data_sets_of_the_papers(track: str) -> None:
    for method in REGISTRY:
        if track in registry.find(method).card.tracks:
            assert growth(method, track).bytes(classes=500, images=110_000) < PLANNED_FOR, method


@pytest.mark.parametrize("method", ["bce", "linear-probe", "clip-zeroshot", "coop", "scpnet-frozen"])
def test_methods_without_pairs_train_with_thousands_of_classes(method: str) -> None:
    assert growth(method, "paper").bytes(classes=5000, images=100_000) < PLANNED_FOR
