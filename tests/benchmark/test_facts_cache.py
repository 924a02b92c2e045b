"""The cache of facts about methods: a second plan equals the first, without torch and with all changes noticed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from command_line import method_file
from pmll_bench.cli.describe import describe, describe_method
from pmll_bench.cli.description import as_text
from pmll_bench.plan import facts_cache
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_methods import registry
from pmll_methods.method import REGISTRY, MethodError

FINISHED = """
import sys
from pmll_bench.cli import main
try:
    main({words!r})
finally:
    print([name for name in ("torch", "open_clip", "torchvision") if name in sys.modules], file=sys.stderr)
"""


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The methods whose code is looked at."""
    found: list[str] = []
    find = registry.find

    def noted(name: str, copy: Path | None = None) -> registry.Kind:
        found.append(name)
        return find(name, copy)

    monkeypatch.setattr(registry, "find", noted)
    return found


def test_a_finished_grid_is_planned_and_shown_without_torch(tmp_path: Path) -> None:
    words = ["run", "--methods", "clip-zeroshot", "bce", "--ratios", "0.5", "--subset", "40", "--threads", "1"]
    words += ["--set", "recipe.epochs=0"]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    first, second, unfinished = (
        subprocess.run(
            [sys.executable, "-c", FINISHED.format(words=each)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
        )
        for each in (words, words, [*words, "--seeds", "7", "--dry-run"])
    )
    assert first.returncode == second.returncode == 0, second.stderr
    assert second.stdout == first.stdout
    assert "clip-zeroshot" in second.stdout
    assert first.stderr.splitlines()[-1] == "['torch', 'open_clip', 'torchvision']"
    assert second.stderr.splitlines()[-2:] == ["nothing to do: all 2 cells are done", "[]"]
    *_, cells, time, heavy = unfinished.stderr.splitlines()
    assert (cells, heavy) == ("2 cells in 2 groups, 0 done", "[]")
    assert "as finished cells took" in time


SHOWN = """
import sys
from pmll_bench.cli import main
for words in {every!r}:
    try:
        main(words)
    except SystemExit as end:
        assert not end.code
print([name for name in ("torch", "open_clip", "torchvision", "sklearn") if name in sys.modules], file=sys.stderr)
"""


def test_every_method_that_one_was_shown_with_is_shown_without_torch(tmp_path: Path) -> None:
    """The first `show` after an installation imports torch. It keeps what the others show, so that they need none."""
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    on = ["show", "scpnet", "--datasets", "voc2007", "--regime", "single-positive"]

    def shown(*every: list[str]) -> tuple[str, str]:
        command = [sys.executable, "-c", SHOWN.format(every=every)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        return answer.stdout, answer.stderr.splitlines()[-1]

    first = shown(["show", "bce"], on)
    assert first[1].startswith("['torch'")
    assert shown(["show", "bce"], on) == (first[0], "[]")
    text, imported = shown(["list", "methods"], *(["show", name] for name in REGISTRY))
    assert imported == "[]"
    assert text.endswith("".join(as_text(describe_method(registry.find(name))) + "\n" for name in REGISTRY))


def test_methods_and_plans_are_looked_at_anew_after_a_change_of_the_code(
    imported: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = describe("dualcoop")
    imported.clear()
    assert describe("dualcoop") == before
    assert imported == []
    monkeypatch.setattr(facts_cache, "_code", lambda: "of tomorrow")
    assert describe("dualcoop") == before
    assert "dualcoop" in imported


def test_a_plain_method_of_one_s_own_needs_no_torch_to_be_planned(tmp_path: Path) -> None:
    words = ["run", "--methods", method_file(tmp_path), "--ratios", "0.5", "--subset", "40", "--dry-run"]
    code = FINISHED.format(words=words)
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert answer.stderr.splitlines()[-2:] == ["1 cell in 1 group, 0 done", "[]"]


@pytest.mark.parametrize("track", ["paper", "controlled", "smoke"])
def test_a_plan_from_kept_facts_is_the_plan_found_anew(track: str, imported: list[str]) -> None:
    asked = Request(methods=("all",), track=track, ratios=(0.1,), sets=("dualcoop.recipe.lr=1e-3", "recipe.batch=7"))
    anew = plan(asked)
    imported.clear()
    again = plan(asked)
    assert imported == []
    assert again == anew
    assert [each.cell.id for each in again.cells] == [each.cell.id for each in anew.cells]


def test_another_request_or_other_code_is_planned_anew(imported: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {"methods": ("bce",), "ratios": (0.5,), "subset": 60}
    plan(Request(**asked))
    imported.clear()
    plan(Request(**asked, seeds=(3,)))  # seeds are no matter of methods
    assert imported == []
    (cell,) = plan(Request(**asked, sets=("recipe.epochs=3",))).cells
    assert (imported, cell.recipe.epochs) == (["bce"], 3)
    plan(Request(**asked, regime="full"))
    monkeypatch.setattr(facts_cache, "_code", lambda: "of tomorrow")
    plan(Request(**asked))
    assert imported == ["bce"] * 3


def test_a_method_of_one_s_own_is_always_looked_at(tmp_path: Path, imported: list[str]) -> None:
    asked = Request(methods=(method_file(tmp_path),), ratios=(0.5,), subset=60)
    plan(asked)
    imported.clear()
    plan(asked)
    assert imported


def test_files_that_a_setting_names_are_read_anew(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    asked = Request(methods=("bce",), ratios=(0.5,), subset=60, sets=(f"weights={weights}",))
    weights.write_bytes(b"one")
    before = plan(asked).cells[0].cell.id
    weights.write_bytes(b"other")
    assert plan(asked).cells[0].cell.id != before
    weights.unlink()
    with pytest.raises(MethodError, match="no weights at"):
        plan(asked)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"shapes": [{}]}', b'{"shapes": [3]}', b"\xff"])
def test_kept_facts_that_are_damaged_are_found_anew(tmp_path: Path, content: bytes) -> None:
    asked = Request(methods=("bce",), ratios=(0.5,), subset=60)
    anew = plan(asked)
    (file,) = facts_cache.folder().glob("*.json")
    file.write_bytes(content)
    assert plan(asked) == anew


def test_a_cache_that_takes_nothing_costs_time_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(facts_cache, "folder", lambda: tmp_path / "file" / "methods")
    asked = Request(methods=("bce",), ratios=(0.5,), subset=60)
    assert plan(asked) == plan(asked)


def test_what_is_wrong_with_a_grid_is_never_kept() -> None:
    asked = Request(methods=("bce",), ratios=(0.5,), subset=60, sets=("pooling=nowhere",))
    for _ in range(2):
        with pytest.raises(MethodError, match="pooling"):
            plan(asked)
    assert not list(facts_cache.folder().glob("*.json"))
