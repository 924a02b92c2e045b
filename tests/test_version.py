"""The version is stated in one place."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pmll_bench

ROOT = Path(__file__).resolve().parents[1]


def test_the_version_is_that_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert pmll_bench.__version__ == project["version"]


def test_no_other_file_states_a_version() -> None:
    assert "\nversion:" not in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
