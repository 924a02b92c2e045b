"""All errors that a user can act on have one base, one form and one line."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import pmll_bench
import pmll_datasets
import pmll_methods
from pmll_bench.errors import BenchError, ConfigError, ConfigErrors, StoreError, UsageError, raise_all
from pmll_datasets.errors import DataError
from pmll_errors import PmllError, nearest
from pmll_methods.method import Diverged, MethodError

KINDS = (DataError, MethodError, Diverged, ConfigError, StoreError, UsageError)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_reads_alike_in_one_line(kind: type[PmllError]) -> None:
    full = kind("no column 'split'", where="labels.csv", hint="add one")
    assert (full.what, full.where, full.hint) == ("no column 'split'", "labels.csv", "add one")
    assert str(full) == "no column 'split' (labels.csv); add one"
    assert str(kind("no network")) == "no network"
    assert str(kind("no network", where="DNS")) == "no network (DNS)"
    assert str(kind("no network", hint="wait")) == "no network; wait"


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_crosses_processes_whole(kind: type[PmllError]) -> None:
    again = pickle.loads(pickle.dumps(kind("full", where=Path("disk"), hint="free some space")))
    assert type(again) is kind
    assert str(again) == "full (disk); free some space"


def test_several_problems_are_raised_together_and_a_single_one_as_it_is() -> None:
    lake, sea = DataError("dry", where="lake"), ConfigError("salty", hint="distil")
    raise_all([])
    with pytest.raises(DataError, match="dry") as one:
        raise_all([lake])
    assert one.value is lake
    with pytest.raises(ConfigErrors) as several:
        raise_all([ConfigErrors([lake, sea]), sea])
    assert several.value.problems == (lake, sea, sea)
    assert str(several.value) == "dry (lake); salty; distil; salty; distil"


def test_the_hint_for_an_unknown_name_is_the_nearest_known_one() -> None:
    assert nearest("partail", ["full", "partial"]) == "did you mean 'partial'?"
    assert nearest("xyz", ["full", "partial"]) == "available: full, partial"
    assert nearest("xyz", ["full"], "see the list") == "see the list"
    assert nearest("xyz", []) == "available: none"


def test_the_docstring_draws_the_tree_of_all_errors() -> None:
    for package in (pmll_datasets, pmll_methods, pmll_bench):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    assert dict(drawn()) == {kind.__name__: (base.__name__, kind.__module__) for base, kind in derived(PmllError)}


def derived(base: type[PmllError]) -> Iterator[tuple[type[PmllError], type[PmllError]]]:
    """Every error of the packages with its base; users' own may derive, too."""
    for kind in base.__subclasses__():
        if kind.__module__.startswith("pmll_"):
            yield base, kind
            yield from derived(kind)


def drawn() -> Iterator[tuple[str, tuple[str, str]]]:
    """The names in the tree of `PmllError`'s docstring, each with its base and module."""
    above: dict[int, str] = {}  # by column
    for line in (PmllError.__doc__ or "").splitlines():
        if found := re.search(r"(?<=── )(\w+) +(\S+)", line):
            above[found.start()] = found[1]
            yield found[1], (above.get(found.start() - 4, "PmllError"), found[2])


def test_the_base_of_bench_errors_has_the_exit_code() -> None:
    assert (BenchError.code, UsageError.code, ConfigError.code, StoreError.code) == (1, 2, 3, 6)
