"""The golden vectors: complete, described, and never skipped where a folder of them is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import golden

KINDS = sorted(path.name for path in golden.COMMITTED.iterdir() if path.is_dir())
LISTED = re.compile(r"^\| ([\w.]+)(?: \(not committed\))? \| ", re.MULTILINE)  # the first column of the table of cases


@pytest.mark.parametrize("kind", KINDS)
def test_the_readme_of_a_kind_lists_exactly_its_cases(kind: str) -> None:
    text = (golden.COMMITTED / kind / "README.md").read_text("utf-8")
    (table,) = re.findall(r"^\| case \|[^\n]*\n\|[-|: ]+\n((?:\|[^\n]*\n)+)", text, re.MULTILINE)
    files = {path.stem for path in (golden.COMMITTED / kind).glob("*.npz")}
    assert set(LISTED.findall(table)) == files | set(golden.RELEASED.get(kind, ()))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_the_case_that_it_says(kind: str) -> None:
    for path in (golden.COMMITTED / kind).glob("*.npz"):
        arrays, meta = golden.load(path)
        assert (meta["kind"], meta["case"]) == (kind, path.stem)
        assert any(name.startswith("out.") for name in arrays), "a case without an expected output"
        assert 0 <= meta["rtol"] <= 1e-6
        assert 0 <= meta["atol"] <= 1e-6


@pytest.mark.parametrize("kind", golden.RELEASED)
def test_released_data_is_not_committed(kind: str) -> None:
    assert not {path.stem for path in (golden.COMMITTED / kind).glob("*.npz")} & set(golden.RELEASED[kind])


def test_a_kind_without_files_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no golden files in .*partial_bce"):
        golden.cases("partial_bce")


def test_only_cases_with_released_data_are_skipped_without_the_shared_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden, "FOLDER", golden.COMMITTED)
    monkeypatch.setattr(golden, "SHARED", tmp_path)
    skipped = {(kind, case.id) for kind in KINDS for case in golden.cases(kind) if case.marks}
    assert skipped == {(kind, stem) for kind, stems in golden.RELEASED.items() for stem in stems}
