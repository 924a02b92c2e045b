"""The cache of outcomes: equal to the bit with and without it, and never a reason for an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pmll_bench.report import outcomes as module
from pmll_bench.report.cached import FOLDER
from pmll_bench.report.chosen import choose
from pmll_bench.report.comparing.measured import Sampling, measure
from pmll_bench.report.frame import frame
from pmll_bench.report.outcomes import Outcome
from pmll_bench.store.store import Store
from scored_results import finish, noisy


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.open(tmp_path / "runs")
    for ratio in (0.1, 0.5, 0.9):
        finish(store, "bce", noisy(0.5, seed=int(10 * ratio)), ratio=ratio)
    return store


def found(store: Store, sampling: Sampling | None = None) -> dict[str, Outcome]:
    lines = frame(choose(store).results)
    return dict(measure(Store.open(store.root), lines, sampling or Sampling(50), set(lines["cell_id"])))


def same(one: dict[str, Outcome], other: dict[str, Outcome]) -> bool:
    return one.keys() == other.keys() and all(
        one[cell].observed == other[cell].observed and np.array_equal(one[cell].resampled, other[cell].resampled)
        for cell in one
    )


def file_of(store: Store) -> Path:
    (file,) = (store.root / FOLDER).glob("*.npz")
    return file


def count_rankings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by one with each cell that is worked out."""
    worked_out: list[int] = []
    whole = module._outcome

    def counted(*args: np.ndarray) -> Outcome:
        worked_out.append(1)
        return whole(*args)

    monkeypatch.setattr(module, "_outcome", counted)
    return worked_out


def test_what_is_read_is_what_was_worked_out_to_the_bit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    worked_out = count_rankings(monkeypatch)
    first, second = found(store), found(store)
    assert same(first, second)
    assert len(worked_out) == 3


def test_another_seed_or_number_of_resamples_is_another_question(store: Store) -> None:
    first = found(store)
    assert not same(first, found(store, Sampling(50, seed=1)))
    assert all(len(each.resampled) == 60 for each in found(store, Sampling(60)).values())
    assert same(first, found(store))


def test_only_new_cells_are_worked_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = found(store)
    finish(store, "asl", noisy(0.9, seed=3))
    worked_out = count_rankings(monkeypatch)
    second = found(store)
    assert len(worked_out) == 1
    assert same(first, {cell: second[cell] for cell in first})


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_damaged_cache_is_worked_out_again(store: Store, content: bytes | None) -> None:
    first, file = found(store), file_of(store)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert same(found(store), first)
    assert file.read_bytes() == whole


def test_rows_of_another_shape_are_not_used(store: Store) -> None:
    first, file = found(store), file_of(store)
    with np.load(file) as content:
        arrays = dict(content)
    np.savez(file, **{**arrays, "resampled": arrays["resampled"][:, :-1]})
    assert same(found(store), first)


def test_a_store_that_cannot_be_written_works_without_a_cache(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = found(store)
    for file in sorted((store.root / FOLDER).iterdir()):
        file.unlink()
    (store.root / FOLDER).rmdir()
    (store.root / FOLDER).write_bytes(b"a file where the folder would be")
    assert same(found(store), first)


def test_git_ignores_the_cache_and_it_is_no_part_of_the_cells(store: Store) -> None:
    before = [folder.id for folder in store.folders()]
    found(store)
    assert (store.root / FOLDER / ".gitignore").read_text() == "*\n"
    assert [folder.id for folder in store.folders()] == before


def test_rows_of_older_code_are_removed(store: Store) -> None:
    found(store)
    file = file_of(store)
    old = file.with_name(file.name.replace(file.name.split("-")[1], "0" * 16))
    old.write_bytes(b"of older code")
    finish(store, "asl", noisy(0.9, seed=3))
    found(store)
    assert not old.exists()
    assert file.exists()
