"""The index of a store: with it, commands show exactly what they show without it, whatever happened to the files."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pmll_bench.errors import ConfigError, StoreError
from pmll_bench.report.chosen import choose
from pmll_bench.report.formats.registry import FORMATS
from pmll_bench.report.frame import frame
from pmll_bench.report.tables.table import build
from pmll_bench.store import index
from pmll_bench.store.result import Oracle, Result
from pmll_bench.store.status import survey
from pmll_bench.store.store import Store
from pmll_bench.store.summary import LABEL_FILTERS
from stored import CLASSES, IDS, SCORES, finish, planned, result

CELLS = tuple(planned(seed=seed, ratio=ratio) for seed in (0, 1) for ratio in (0.1, 0.5))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Four finished cells, whose files are old enough to be in the index."""
    store = Store.open(tmp_path / "runs")
    for each in CELLS:
        finish(store, each)
    let_time_pass(store.root)
    return store


@pytest.fixture(autouse=True)
def _index_of_few_new_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems here distinguish changes of different times; the few cells of these stores count as many."""
    monkeypatch.setattr(index, "COARSEST", 0.0)
    monkeypatch.setattr(index, "FEW", 0)


def let_time_pass(root: Path) -> None:
    """Return when a change of a file has a later time than all changes so far."""
    with tempfile.TemporaryDirectory(dir=root) as folder:
        first = Path(folder)
        while True:
            (first / "now").write_bytes(b"")
            if (first / "now").stat().st_ctime_ns > first.stat().st_ctime_ns + 1e6:
                return


def shown(store: Store) -> dict[str, Any]:
    """What `status` and `table` show of a store, all digits included."""
    found: dict[str, Any] = {"status": survey(store), "outdated": survey(store, {"sst": 7})}
    for labels in LABEL_FILTERS:
        try:
            chosen = choose(store)
        except ConfigError as error:
            found[labels] = str(error)
            continue
        data = frame(chosen.results, labels)
        found[labels] = repr(data.to_dict("split")), FORMATS["json"](build(data)), chosen.warnings
    return found


@contextmanager
def without_index(root: Path) -> Iterator[None]:
    """A store without its index, in this block."""
    path = root / index.NAME
    kept = path.read_bytes() if path.exists() else None
    path.unlink(missing_ok=True)
    yield
    path.unlink(missing_ok=True)
    if kept is not None:
        path.write_bytes(kept)


def shown_without(root: Path) -> dict[str, Any]:
    """What is shown without an index."""
    with without_index(root):
        return shown(Store(root))


def result_file(store: Store, number: int = 0) -> Path:
    return store.folder(CELLS[number].cell).path / "result.json"


def changed(path: Path, **fields: Any) -> None:
    """Replace fields of a document."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


# What costs nothing


def test_a_second_look_parses_no_result(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shown(store)
    monkeypatch.setattr(Result, "model_validate_json", None)
    assert shown(Store(store.root)) == before


def test_a_result_that_is_as_new_as_the_clock_can_tell_is_read_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "COARSEST", 3600.0)
    shown(store)
    assert not (store.root / index.NAME).exists()


def test_few_new_results_do_not_rewrite_a_large_index(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    shown(store)
    before = (store.root / index.NAME).read_bytes()
    finish(store, planned(seed=2))
    let_time_pass(store.root)
    monkeypatch.setattr(index, "SHARE", 3)
    survey(Store(store.root))
    assert (store.root / index.NAME).read_bytes() == before
    monkeypatch.setattr(index, "SHARE", 5)
    survey(Store(store.root))
    assert (store.root / index.NAME).read_bytes() != before


# What differs is read again


def test_an_edit_that_keeps_size_and_time_of_a_result_is_seen(store: Store) -> None:
    shown(store)
    path = result_file(store)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    let_time_pass(store.root)
    path.write_text(path.read_text().replace("0.8125", "0.8126"))
    os.utime(path, ns=times)
    assert Store(store.root).summary(CELLS[0].cell).metrics["map"] == 0.8126  # type: ignore[union-attr]
    assert shown(Store(store.root)) == shown_without(store.root)


def test_a_result_that_changes_while_a_command_runs_is_read_again(store: Store) -> None:
    assert store.summary(CELLS[0].cell).metrics["map"] == 0.8125  # type: ignore[union-attr]
    changed(result_file(store), metrics={"map": 0.25})
    assert store.summary(CELLS[0].cell).metrics["map"] == 0.25  # type: ignore[union-attr]
    result_file(store).unlink()
    assert store.summary(CELLS[0].cell) is None


def test_another_label_of_a_finished_cell_is_seen(store: Store) -> None:
    shown(store)
    changed(store.folder(CELLS[0].cell).path / "cell.json", label="SST again")
    assert {cell.label for cell in survey(Store(store.root))} == {"SST", "SST again"}
    let_time_pass(store.root)
    assert shown(Store(store.root)) == shown_without(store.root)


def test_a_store_of_a_newer_program_is_refused_with_an_index_as_without(store: Store) -> None:
    shown(store)
    changed(result_file(store), schema="pmll.result/2")
    for root in (store.root, store.root):
        with pytest.raises(StoreError, match="newer pmll-bench"):
            shown(Store(root))


def test_an_index_moves_with_its_store(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shown(store)
    moved = store.root.rename(tmp_path / "moved")
    monkeypatch.setattr(Result, "model_validate_json", None)
    assert shown(Store(moved)) == before


def test_another_store_s_index_is_of_no_harm(store: Store, tmp_path: Path) -> None:
    other = Store.open(tmp_path / "other")
    for each in CELLS[:3]:
        attempt = other.folder(each.cell).begin(each, {})
        scores = attempt.write_scores(SCORES, IDS, CLASSES)
        attempt.commit(result(each, 1, scores, metrics={"map": 0.125, "CF1": 0.5}))
    let_time_pass(other.root)
    shown(other)
    shutil.copy(other.root / index.NAME, store.root / index.NAME)
    assert shown(Store(store.root)) == shown_without(store.root)


# The index may be missing, damaged or impossible to write


def test_a_damaged_index_is_replaced(store: Store) -> None:
    before = shown(store)
    path = store.root / index.NAME
    whole = path.read_bytes()
    for damaged in (b"", whole[:-20], whole[:100], b"[]\n{}", b"\xff" + whole, whole.replace(b"0.8125", b"0.9125")):
        path.write_bytes(damaged)
        assert shown(Store(store.root)) == before
        assert path.read_bytes() == whole


def test_an_index_of_other_code_is_replaced(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shown(store)
    whole = (store.root / index.NAME).read_bytes()
    monkeypatch.setattr(index, "_code", lambda: "other code")
    assert shown(Store(store.root)) == before
    assert (store.root / index.NAME).read_bytes() != whole


def test_a_name_that_cannot_be_written_costs_only_time(store: Store) -> None:
    (store.root / index.NAME).mkdir()
    assert shown(store) == shown(Store(store.root))
    assert not [path for path in store.root.iterdir() if path.name.startswith(".tmp-")]


def test_a_cell_that_is_gone_leaves_the_index(store: Store) -> None:
    shown(store)
    shutil.rmtree(store.folder(CELLS[0].cell).path)
    assert len(survey(Store(store.root))) == 3
    assert CELLS[0].cell.id.encode() not in (store.root / index.NAME).read_bytes()


# Any history of a store


def finished_with(store: Store, number: int, value: float) -> None:
    """A cell, finished anew with other numbers, an oracle and a label without an AP."""
    each = CELLS[number]
    shutil.rmtree(store.folder(each.cell).path, ignore_errors=True)
    attempt = store.folder(each.cell).begin(each, {})
    scores = attempt.write_scores(SCORES, IDS, CLASSES)
    measured = {"map": value, "OF1": value / 3}
    oracle = Oracle(metrics={"map": 1.0}, epoch=1) if number else None
    attempt.commit(result(each, 1, scores, metrics=measured, ap=(value, None), oracle=oracle, images=f"{value}"))
    attempt.end("done")


def failed(store: Store, number: int, value: float) -> None:
    store.folder(CELLS[number].cell).begin(CELLS[number], {}).end("failed")


def edited(store: Store, number: int, value: float) -> None:
    """Another last digit of the mAP; the size stays."""
    if result_file(store, number).exists():
        text = result_file(store, number).read_text()
        result_file(store, number).write_text(re.sub(r'(?<="map":0\.\d)\d', f"{int(9 * value)}", text))


def truncated(store: Store, number: int, value: float) -> None:
    if result_file(store, number).exists():
        result_file(store, number).write_bytes(result_file(store, number).read_bytes()[: int(1000 * value)])


def removed(store: Store, number: int, value: float) -> None:
    result_file(store, number).unlink(missing_ok=True)


def dropped(store: Store, number: int, value: float) -> None:
    shutil.rmtree(store.folder(CELLS[number].cell).path, ignore_errors=True)


def swapped(store: Store, number: int, value: float) -> None:
    """The result of one cell in place of another's."""
    if result_file(store, number).exists() and result_file(store, number - 1).exists():
        shutil.copy2(result_file(store, number - 1), result_file(store, number))


def renamed(store: Store, number: int, value: float) -> None:
    path = store.folder(CELLS[number].cell).path / "cell.json"
    if path.exists():
        changed(path, label=f"SST {value}")


def index_lost(store: Store, number: int, value: float) -> None:
    (store.root / index.NAME).unlink(missing_ok=True)


def index_damaged(store: Store, number: int, value: float) -> None:
    path = store.root / index.NAME
    if path.exists():
        content = bytearray(path.read_bytes())
        content[int(value * (len(content) - 1))] ^= 1 << number
        path.write_bytes(content)


EVENTS = (
    *(finished_with, failed, edited, truncated, removed),
    *(dropped, swapped, renamed, index_lost, index_damaged),
)


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=st.lists(
        st.tuples(st.sampled_from(EVENTS), st.integers(0, len(CELLS) - 1), st.floats(0, 1)), min_size=1, max_size=8
    )
)
def test_after_any_history_a_store_shows_the_same_with_and_without_an_index(
    history: list[tuple[Callable[[Store, int, float], None], int, float]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "runs")
        for number in range(len(CELLS)):
            finished_with(store, number, 0.55)
        for event, number, value in history:
            let_time_pass(store.root)
            assert shown(Store(store.root)) == shown_without(store.root)
            event(store, number, value)
        assert shown(Store(store.root)) == shown_without(store.root)
