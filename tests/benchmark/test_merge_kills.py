"""A merge or a withdrawal that is killed at any moment, and then done again, leaves what an unbroken one leaves."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import merged_stores


@pytest.fixture(scope="module")
def after_kills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, str]]]:
    """The files of stores whose merge or withdrawal was killed before a system call, and done again."""
    command = [sys.executable, merged_stores.__file__, str(tmp_path_factory.mktemp("kills"))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, list[dict[str, str]]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("work", "least"), [("merge", 50), ("withdraw", 15)])
def test_after_a_kill_at_any_moment_the_same_command_gives_the_same_store(
    after_kills: dict[str, list[dict[str, str]]], work: str, least: int
) -> None:
    *broken, whole = after_kills[work]
    assert len(broken) > least
    for number, files in enumerate(broken, 1):
        assert files == whole, f"after kill {number}"
    lines = whole["merges.jsonl"].split("; ")
    assert len(lines) == len(set(lines))  # each change is recorded once
