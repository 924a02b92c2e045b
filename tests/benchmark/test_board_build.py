"""`board build`: from a store to a folder of pages, the same every time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import Command
from pmll_bench.errors import Exit
from pmll_bench.store.store import Store
from scored_results import finish, noisy

FEW = ["--resamples", "100"]


@pytest.fixture
def filled(tmp_path: Path) -> Store:
    """Two methods at two ratios with three masks."""
    store = Store.open(tmp_path / "runs")
    for place, label in enumerate(("good", "bad")):
        for ratio in (0.1, 0.5):
            for mask in range(3):
                scores = noisy(2.0 - 1.5 * place, 10 * mask + place)
                finish(store, label, scores, ratio=ratio, mask_seed=mask, seed=mask)
    return store


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_board_is_built_and_its_first_page_is_named(command: Command, filled: Store) -> None:
    answer = command("board", "build", *FEW)
    assert (answer.code, answer.out) == (Exit.DONE, "board/index.html\n")
    assert "1 table, 2 ranked rows" in answer.err
    (table,) = json.loads(Path("board/data/results.json").read_text())["tables"]
    assert [row["label"] for row in table["ranked"]] == ["good", "bad"]
    assert {path.name for path in Path("board/methods").iterdir()} == {"good.html", "bad.html"}


def test_two_builds_are_equal_byte_for_byte(command: Command, filled: Store) -> None:
    assert command("board", "build", *FEW, "--out", "one").code == 0
    assert command("board", "build", *FEW, "--out", "deeper/two").code == 0
    assert content(Path("one")) == content(Path("deeper/two"))


def test_a_folder_with_other_content_is_refused_before_any_work(
    command: Command, filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("thesis").mkdir()
    Path("thesis", "chapter.tex").write_text("years of work")
    monkeypatch.setattr("pmll_bench.board.collect.collect", lambda *_, **__: pytest.fail("work"))
    answer = command("board", "build", "--out", "thesis")
    assert answer.code == Exit.INVALID
    assert "other content" in answer.err
    assert content(Path("thesis")) == {"chapter.tex": b"years of work"}


def test_a_title_is_text(command: Command, filled: Store) -> None:
    assert command("board", "build", *FEW, "--title", "Ours & <others>").code == 0
    assert "<h1>Ours &amp; &lt;others&gt;</h1>" in Path("board/index.html").read_text()


def test_an_empty_store_is_an_error_with_a_hint(command: Command, tmp_path: Path) -> None:
    answer = command("board", "build", "--root", "nowhere")
    assert answer.code != 0
    assert "hint" in answer.err
    assert not Path("board").exists()
