"""Packages are checked before they are merged, and leave their evidence in the store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from command_line import Command
from hostile_packages import CODE, OWN, cell_of, changed, honest, zipped
from merged_stores import files_of
from pmll_bench.errors import Exit
from pmll_bench.merging.merge import merge
from pmll_bench.merging.refusals import MergeRefused
from pmll_bench.store.merges import Merge, history
from pmll_bench.store.orphans import orphans
from pmll_bench.store.store import Store
from pmll_bench.submission.evidence import evidence_of
from pmll_bench.submission.package import SUBMISSION, member
from scored_results import finish, noisy


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "mine.zip"
    path.write_bytes(zipped(honest()))
    return path


def runs(root: Path) -> Path:
    """The store that the package was made from."""
    store = Store.open(root)
    finish(store, "bce", noisy(1.0, 0))
    finish(store, "mine", noisy(2.0, 1), revision=OWN, ratio=0.3, mask_seed=2, seed=1)
    return root


def test_a_package_brings_its_cells_its_code_and_the_evidence_of_its_check(package: Path, tmp_path: Path) -> None:
    root = tmp_path / "all"
    merge(root, [package])
    results = {result.method: result for result in Store(root).results()}
    assert results.keys() == {"bce", "mine"}
    (evidence,) = evidence_of(Store(root))
    assert evidence.submission is not None
    assert evidence.submission.authors == ("A. Author",)
    assert evidence.check is not None
    assert {cell.scores for cell in evidence.check.cells.values()} == {each.scores.sha256 for each in results.values()}
    assert (root / "evidence" / evidence.package / "methods" / "mine.py").read_bytes() == CODE
    (line,) = history(Store(root))
    assert isinstance(line, Merge)
    (source,) = line.sources
    assert (source.name, source.package, source.evidence) == ("mine.zip", evidence.package, (evidence.package,))
    assert not list(orphans(Store(root)))
    before = files_of(root)
    assert not merge(root, [package]).changes
    assert files_of(root) == before


def test_a_package_of_known_results_adds_the_evidence_about_them(package: Path, tmp_path: Path) -> None:
    root = tmp_path / "all"
    merge(root, [runs(tmp_path / "runs")])
    merged = merge(root, [package])
    assert merged.changes
    (source,) = merged.sources
    assert (source.line().kept, source.line().added) == (2, {})
    assert len(list(evidence_of(Store(root)))) == 1
    assert len(history(Store(root))) == 2


def test_a_merged_store_brings_the_evidence_that_it_has(package: Path, tmp_path: Path) -> None:
    merge(tmp_path / "first", [package])
    (tmp_path / "first" / "evidence" / "not-a-digest").mkdir()
    merge(tmp_path / "second", [tmp_path / "first"])
    first, second = (list(evidence_of(Store(tmp_path / name))) for name in ("first", "second"))
    assert [each for each in first if len(each.package) == 64] == second
    assert not merge(tmp_path / "second", [package]).changes


def test_a_refused_package_is_listed_with_all_its_problems_and_those_of_others(package: Path, tmp_path: Path) -> None:
    members = honest()
    result = json.loads(members[member(cell_of(members), "result.json")])
    metrics = {name: min(1.0, value + 0.1) for name, value in result["metrics"].items()}
    forged = tmp_path / "forged.zip"
    forged.write_bytes(zipped(changed(members, member(cell_of(members), "result.json"), metrics=metrics)))
    old = Store.open(tmp_path / "old")
    finish(old, "asl", noisy(1.0, 0), revision=77)
    with pytest.raises(MergeRefused) as error:
        merge(tmp_path / "all", [forged, package, old.root])
    reasons = [str(each) for each in error.value.problems]
    assert len([each for each in reasons if "forged.zip" in each]) >= 1
    assert len([each for each in reasons if "asl was made with revision 77" in each]) == 1
    assert error.value.code == Exit.REJECTED
    assert not (tmp_path / "all").exists()


def test_a_package_disputes_the_scores_of_another(package: Path, tmp_path: Path, command: Command) -> None:
    other = Store.open(tmp_path / "other")
    finish(other, "bce", noisy(1.0, 5))
    answer = command("merge", "mine.zip", "other", "-o", "all")
    assert answer.code == Exit.DONE
    assert "disputed: bce on shapes at 10%, seed 0" in answer.err
    assert "mine.zip: evidence about 1 package" in answer.err
    (shown,) = [result for result in Store(tmp_path / "all").results() if result.method == "bce"]
    scores = Store(tmp_path / "all").scores(shown.cell_id).scores
    assert np.array_equal(scores, noisy(1.0, 0))
    assert SUBMISSION in {path.name for path in (tmp_path / "all").rglob("*.json")}
