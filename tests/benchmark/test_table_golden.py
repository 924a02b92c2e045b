"""Tables as users see them, byte for byte: every format of every layout."""

from __future__ import annotations

import pytest

from golden_tables import FOLDER, golden_files

FILES = golden_files()


@pytest.mark.parametrize("name", FILES)
def test_a_table_is_the_one_that_was_read_by_eye(name: str) -> None:
    """After a change that is meant: `python tests/golden_tables.py`, and read the difference."""
    assert FILES[name].encode() == (FOLDER / name).read_bytes()


def test_no_file_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(FILES)
