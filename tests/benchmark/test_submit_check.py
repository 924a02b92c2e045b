"""`submit check`: an honest package passes, and says what was recomputed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hostile_packages import CODE, cell_of, changed, honest, zipped
from pmll_bench.errors import ConfigError
from pmll_bench.submission.check import check
from pmll_bench.submission.package import SUBMISSION, member
from pmll_bench.submission.problems import Rejected
from pmll_bench.submission.reading import cells_of, method_files_of


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "mine.zip"
    path.write_bytes(zipped(honest()))
    return path


def test_an_honest_package_passes_with_evidence_for_every_cell(package: Path) -> None:
    report = check(package)
    assert report.passed
    assert (report.problems, report.warnings, report.unchecked) == ((), (), ())
    assert report.evidence is not None
    assert report.submission is not None
    assert report.evidence.package == report.package
    assert report.evidence.cells.keys() == report.submission.cells.keys()
    cell = report.evidence.cells[cell_of(honest())]
    assert cell.scores == report.submission.cells[cell_of(honest())].scores
    assert 0.5 < cell.map < 0.9


def test_a_package_that_passed_can_be_read_cell_by_cell(package: Path) -> None:
    digest, members = check(package).package, honest()
    assert method_files_of(package, digest) == {"mine": CODE}
    cells = {cell.result.cell_id: cell for cell in cells_of(package, digest)}
    assert cells.keys() == {cell_of(members, "bce"), cell_of(members, "mine")}
    for cell, found in cells.items():
        assert found.record.cell_id == cell
        assert found.cell_json == members[member(cell, "cell.json")]
        assert found.result_json == members[member(cell, "result.json")]
        assert found.scores == members[member(cell, "scores.npz")]


def test_a_package_that_changed_after_its_check_is_not_read(package: Path) -> None:
    digest = check(package).package
    package.write_bytes(zipped(changed(honest(), SUBMISSION, notes="another one")))
    with pytest.raises(Rejected, match="has changed since it was checked"):
        next(cells_of(package, digest))


def test_without_the_data_sets_the_report_says_what_was_not_checked(package: Path) -> None:
    report = check(package, without_data=True)
    assert report.passed
    assert report.evidence is None
    assert "not compared with the data sets" in report.unchecked[0]


def test_a_missing_file_is_no_verdict_about_a_package(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such package"):
        check(tmp_path / "nothing.zip")


def test_the_process_that_checks_imports_no_torch() -> None:
    script = "import sys, pmll_bench.submission.checking.child; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
