"""What is re-run of a package, on which machine, and what counts as the same."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmll_bench.board.draw import drawn
from pmll_bench.board.rerunning.chosen import Choice, choose
from pmll_bench.board.rerunning.kept import check_place, keep
from pmll_bench.board.rerunning.machine import Places, execution_for, same_platform
from pmll_bench.board.rerunning.processes import error_in, without_folders
from pmll_bench.board.rerunning.unseen import tolerance, unseen_draw
from pmll_bench.errors import ConfigError, UsageError
from pmll_bench.machine import cores
from pmll_bench.statistics.resampling import Resampled
from pmll_bench.store.document import write_record
from pmll_bench.store.environment import Environment
from pmll_bench.store.records import CellRecord
from pmll_bench.store.source_code import SourceCode
from pmll_bench.store.store import Store
from pmll_bench.submission.evidence import CheckEvidence, RerunCell, RerunEvidence, UnseenDraw, read_evidence
from stored import planned

PACKAGE, COMMIT, OTHER = "a" * 64, "b" * 40, "c" * 40
RATIOS = tuple(tenth / 10 for tenth in range(1, 10))
HERE: Environment = {
    "cpu": "EPYC",
    "threads": 1,
    "device": "cpu",
    "torch": "2.8.0",
    "numpy": "2.3.1",
    "python": "3.11.9",
}


def row(method: str = "sst", revision: int | str = 1, **changes: Any) -> list[CellRecord]:
    """The records of nine ratios and three masks; the label of the row is SST."""
    return [
        CellRecord.of(planned(method=method, revision=revision, ratio=ratio, mask_seed=seed, **changes))
        for ratio in RATIOS
        for seed in range(3)
    ]


def chosen(records: list[CellRecord], commit: str = COMMIT, number: int = 3, **files: bytes) -> Choice:
    return choose(records, files, PACKAGE, commit, number)


def test_three_cells_are_drawn_of_every_row_and_the_order_of_the_package_has_no_say() -> None:
    records = [*row(), *row(regime="single-positive")]
    found = chosen(records)
    assert [record.cell.regime for record in found.cells.values()].count("single-positive") == 3
    assert len(found.cells) == 6
    mixed = records.copy()
    random.Random(0).shuffle(mixed)
    assert chosen(mixed).cells == found.cells


def test_the_draw_follows_from_package_and_commit() -> None:
    cells = [record.cell_id for record in row()]
    found = {drawn(cells, package, commit) for package in (PACKAGE, "d" * 64) for commit in (COMMIT, OTHER)}
    assert len(found) == 4
    assert chosen(row(), OTHER).cells.keys() != chosen(row()).cells.keys()


@given(st.permutations([f"{index:016x}" for index in range(9)]), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_a_draw_has_as_many_cells_as_asked_for_and_begins_the_larger_ones(
    cells: list[str], number: int, commit: int
) -> None:
    found = drawn(cells, PACKAGE, f"{commit:040x}", number)
    assert len(set(found)) == len(found) == min(number, 9)
    assert set(found) <= set(drawn(sorted(cells), PACKAGE, f"{commit:040x}", number + 1))


def test_a_row_of_a_board_that_holds_several_rows_of_a_package_finds_its_draw_among_theirs() -> None:
    records = [*row(), *row(settings={"lr": 0.5})]
    together = drawn([record.cell_id for record in records], PACKAGE, COMMIT)
    assert set(together) <= chosen(records).cells.keys()


def test_a_row_with_fewer_cells_is_re_run_as_a_whole() -> None:
    assert len(chosen(row()[:2]).cells) == 2


def test_more_cells_hold_those_of_the_smaller_draw() -> None:
    assert chosen(row()).cells.keys() < chosen(row(), number=5).cells.keys()


def test_the_code_is_the_file_of_the_package_or_built_in() -> None:
    mine = row(method="mine", revision="1+" + "e" * 64)
    found = chosen([*row(), *mine], mine=b"code")
    assert {name: code.file for name, code in found.code.items()} == {"sst": None, "mine": b"code"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"method": "mine", "revision": "1+" + "e" * 64}, "the package has no code of 'mine'"),
        ({"method": "theirs"}, "there is no built-in method 'theirs'"),
        ({"mask": "list/" + "e" * 64}, "its mask is a file, which packages do not contain"),
    ],
)
def test_a_row_that_cannot_be_re_run_is_left_out_and_said(changes: dict[str, Any], why: str) -> None:
    found = chosen([*row(**changes), *row()])
    assert found.left_out == (f"SST on voc2007 is left out: {why}",)
    assert {record.cell.method for record in found.cells.values()} == {"sst"}


def test_the_regime_of_checks_is_partial_if_the_package_has_it() -> None:
    assert chosen([*row(regime="full"), *row()]).code["sst"].regime == "partial"
    assert chosen(row(regime="full")).code["sst"].regime == "full"


def test_methods_lie_apart_so_that_none_imports_another_by_accident(tmp_path: Path) -> None:
    mine, other = (row(method=name, revision="1+" + "e" * 64) for name in ("mine", "numpy"))
    code = chosen([*mine, *other], mine=b"import numpy", numpy=b"").code
    paths = [Path(each.target(tmp_path)) for each in code.values()]
    assert paths[0].parent != paths[1].parent
    assert [path.stem for path in paths] == ["mine", "numpy"]


def test_the_same_platform_is_the_same_processor_threads_and_versions() -> None:
    assert same_platform(HERE, HERE)
    assert same_platform({**HERE, "python": "3.13.0"}, HERE)
    for name in ("cpu", "threads", "torch", "numpy"):
        assert not same_platform({**HERE, name: "other"}, HERE)
        assert not same_platform({key: value for key, value in HERE.items() if key != name}, HERE)


def test_no_two_gpus_have_to_be_bit_equal() -> None:
    assert not same_platform({**HERE, "device": "cuda"}, {**HERE, "device": "cuda"})


def test_cells_run_with_the_threads_of_the_submission_if_they_are_here() -> None:
    many = {**HERE, "threads": 10_000}
    assert execution_for([HERE], None, None).threads == 1
    assert execution_for([many], None, None).threads == cores()
    assert execution_for([HERE, HERE, many], None, None).threads == 1
    assert execution_for([HERE], "cpu", 2).threads == 2
    assert execution_for([HERE], None, None).device == "cpu"
    assert execution_for([HERE], None, None, workers=5).workers == 5


def test_only_places_of_pretrained_files_can_be_given() -> None:
    given = Places.of(None, ["sst.weights=/w.pt", "tower=RN50"])
    assert given.pretrained.per_method["sst"].settings == {"weights": "/w.pt"}
    with pytest.raises(ConfigError, match=r"^epochs, lr would change the cells"):
        Places.of(None, ["sst.lr=0.1", "recipe.epochs=3"])


def test_the_unseen_draw_is_none_that_anybody_may_have_tried() -> None:
    draws = {unseen_draw(PACKAGE, f"{number:040x}") for number in range(100)}
    assert len(draws) == 100
    assert min(draws) > 1000
    assert unseen_draw("d" * 64, COMMIT) != unseen_draw(PACKAGE, COMMIT)


def test_the_tolerance_of_the_unseen_draw_is_three_standard_deviations() -> None:
    images = np.array([[-0.02, 0.0, 0.02]])  # variance 0.0004
    still = Resampled(np.full(3, 0.5), 0.5 + np.repeat(images, 3, axis=0))
    masks = Resampled(np.array([0.4, 0.5, 0.6]), np.full((3, 3), 0.5))  # variance 0.01, a third of it for the mean
    assert tolerance([still, still]) == pytest.approx(3 * math.sqrt(2 * 0.0004))
    assert tolerance([masks, still]) == pytest.approx(3 * math.sqrt(0.01 / 3 + 0.0004))


def cell(**changes: Any) -> RerunCell:
    fields: dict[str, Any] = {
        "submitted": "0" * 64,
        "rerun": "1" * 64,
        "submitted_map": 0.80,
        "rerun_map": 0.79,
        "tolerance": 0.02,
    }
    return RerunCell(**(fields | {"same": False, "same_platform": False} | changes))


def test_on_the_same_platform_only_equal_scores_agree() -> None:
    assert cell(same=True, same_platform=True).within
    assert not cell(same_platform=True).within


def test_on_another_platform_a_difference_within_the_tolerance_agrees() -> None:
    assert cell().within
    assert not cell(rerun_map=0.77).within
    assert not cell(rerun_map=0.83).within
    assert not cell(rerun_map=None, rerun="", error="ValueError").within


def draw(**changes: Any) -> UnseenDraw:
    fields: dict[str, Any] = {
        "draw": 4711,
        "regime": "partial",
        "ratio": 0.5,
        "known_map": 0.8,
        "unseen_map": 0.79,
        "tolerance": 0.05,
    }
    return UnseenDraw(**(fields | changes))


def test_a_method_that_knows_the_known_draw_alone_is_found_out() -> None:
    assert draw().within
    assert not draw(unseen_map=0.5).within
    assert not draw(unseen_map=None, error="ValueError: draw 4711").within


def evidence(commit: str = COMMIT, **changes: Any) -> RerunEvidence:
    fields: dict[str, Any] = {
        "code": SourceCode(version="1", commit=None, digest="0" * 64),
        "environment": HERE,
        "cells": {"0" * 16: cell()},
        "checks": {"sst": {"learns": "ok", "one class": "skipped"}},
        "unseen": {"sst": draw()},
    }
    return RerunEvidence(package=PACKAGE, commit=commit, **(fields | changes))


def test_everything_has_to_agree() -> None:
    assert evidence().agrees
    assert not evidence(cells={"0" * 16: cell(), "1" * 16: cell(rerun_map=0.7)}).agrees
    assert not evidence(checks={"sst": {"learns": "failed"}}).agrees
    assert not evidence(unseen={"sst": draw(unseen_map=0.5)}).agrees


def merged(root: Path) -> Store:
    """A store with the evidence of a check of the package."""
    store = Store.open(root)
    folder = root / "evidence" / PACKAGE
    folder.mkdir(parents=True)
    code = SourceCode(version="1", commit=None, digest="0" * 64)
    write_record(folder / "check.json", CheckEvidence(package=PACKAGE, code=code, cells={}))
    return store


def test_only_a_merged_package_is_re_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no evidence of a check of package aaaaaaaaaaaa"):
        check_place(Store.open(tmp_path), PACKAGE, COMMIT, again=False)


@pytest.mark.parametrize("commit", ["b" * 39, "HEAD", "B" * 40, "b" * 40 + "\n"])
def test_the_commit_is_given_in_full(tmp_path: Path, commit: str) -> None:
    with pytest.raises(UsageError, match="invalid commit"):
        check_place(merged(tmp_path), PACKAGE, commit, again=False)


def test_a_second_re_run_has_to_be_asked_for_and_the_first_is_kept(tmp_path: Path) -> None:
    store = merged(tmp_path)
    check_place(store, PACKAGE, COMMIT, again=False)
    first = evidence()
    path = keep(store, first)
    with pytest.raises(UsageError, match="this package was re-run before"):
        check_place(store, PACKAGE, OTHER, again=False)
    check_place(store, PACKAGE, OTHER, again=True)
    keep(store, evidence(OTHER))
    assert (path.parent / f"rerun-{COMMIT}.json").read_bytes() == first.as_bytes()
    newest = read_evidence(path.parent).rerun
    assert newest is not None
    assert newest.commit == OTHER


def test_no_evidence_is_ever_written_over(tmp_path: Path) -> None:
    store = merged(tmp_path)
    kept = [evidence(remarks=(f"try {number}",)) for number in range(3)]
    for each in kept:
        path = keep(store, each)
    found = {file.read_bytes() for file in path.parent.glob("rerun*.json")}
    assert found == {each.as_bytes() for each in kept}


def test_damaged_evidence_is_kept_as_well(tmp_path: Path) -> None:
    store = merged(tmp_path)
    path = keep(store, evidence())
    path.write_text("{")
    keep(store, evidence(OTHER))
    assert (path.parent / "rerun-damaged.json").read_text() == "{"


def test_messages_in_evidence_name_no_folders() -> None:
    assert without_folders("no such file: /home/me/my data/x.pt") == "no such file: my data/x.pt"
    assert without_folders("a/b and 3/4 remain; see https://example.org/x") == (
        "a/b and 3/4 remain; see https://example.org/x"
    )
    assert error_in("note\nerror: broken\n  where: /a/b.py\n") == "broken"
    assert error_in("Traceback\nMemoryError\n") == "MemoryError"
