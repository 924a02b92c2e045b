"""A withdrawn result is shown no longer and does not come back; a corrected one takes its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command_line import Command
from merged_stores import cell_of, digest_of, files_of, source
from pmll_bench.errors import Exit, UsageError
from pmll_bench.merging.merge import merge
from pmll_bench.merging.withdrawing import withdraw
from pmll_bench.report.chosen import choose
from pmll_bench.store.disputed import disputes
from pmll_bench.store.merges import NAME, Withdrawal, history
from pmll_bench.store.orphans import orphans
from pmll_bench.store.store import Store
from stored import cell

REASON = "trained on test images"


def shown(root: Path) -> dict[str, float]:
    """The mAP of the cells that reports show, in percent."""
    return {each.cell_id: round(100 * each.metrics["map"]) for each in choose(Store(root)).results}


def test_withdrawn_results_are_shown_no_longer_and_stay_in_the_store(tmp_path: Path) -> None:
    root = tmp_path / "all"
    merge(root, [source(tmp_path / "one", (0, 0), (1, 0))])
    before = files_of(root)
    found = withdraw(root, [cell_of(1)], REASON)
    assert [each.cell_id for each in found.results] == [cell_of(1)]
    assert shown(root) == {cell_of(0): 50}
    assert choose(Store(root)).warnings == ["withdrawn and left out: mine on voc2007 (1 cell)"]
    assert {name: digest for name, digest in files_of(root).items() if name != NAME} == {
        name: digest for name, digest in before.items() if name != NAME
    }
    line = history(Store(root))[-1]
    assert isinstance(line, Withdrawal)
    assert (line.reason, [*line.cells]) == (REASON, [cell_of(1)])


def test_the_same_result_does_not_come_back(tmp_path: Path) -> None:
    root, one = tmp_path / "all", source(tmp_path / "one", (0, 0), (1, 0))
    merge(root, [one])
    withdraw(root, [cell_of(0)], REASON)
    merged = merge(root, [source(tmp_path / "again", (0, 0))])
    assert not merged.changes
    assert shown(root) == {cell_of(1): 50}


def test_a_corrected_result_takes_the_place_of_the_withdrawn_one(tmp_path: Path) -> None:
    root = tmp_path / "all"
    merge(root, [source(tmp_path / "one", (0, 0), (1, 0))])
    withdraw(root, [cell_of(0)], "the learning rate was wrong")
    merged = merge(root, [source(tmp_path / "corrected", (0, 9))])
    assert [entry.corrects for entry in merged.sources[0].entries] == [True]
    assert shown(root) == {cell_of(0): 59, cell_of(1): 50}
    assert disputes(Store(root)) == {}  # a withdrawn result disputes nothing
    assert list(root.glob(f"disputed/*/*/{cell_of(0)}/{digest_of(0, tmp_path)}/result.json"))
    assert not merge(root, [source(tmp_path / "first-again", (0, 0))]).changes
    assert not list(orphans(Store(root)))


def test_a_dispute_ends_when_one_of_the_results_is_withdrawn(tmp_path: Path) -> None:
    root = tmp_path / "all"
    merge(root, [source(tmp_path / "one", (0, 0)), source(tmp_path / "other", (0, 4))])
    withdraw(root, [cell_of(0)], "made with a broken driver", scores=digest_of(0, tmp_path)[:8])
    assert shown(root) == {cell_of(0): 54}
    assert disputes(Store(root)) == {}
    assert choose(Store(root)).warnings == []


def test_a_result_that_one_board_withdrew_does_not_spread_to_another(tmp_path: Path) -> None:
    first, one = tmp_path / "first", source(tmp_path / "one", (0, 0), (1, 0))
    merge(first, [one])
    withdraw(first, [cell_of(0)], REASON)
    merge(tmp_path / "second", [first])
    assert shown(tmp_path / "second") == {cell_of(1): 50}
    merge(tmp_path / "third", [one])
    notes = merge(tmp_path / "third", [first]).notes
    assert "warning: first: 1 result that this store shows is withdrawn there; see 'pmll-bench board withdraw'" in notes
    assert len(shown(tmp_path / "third")) == 2


def test_a_method_is_withdrawn_with_all_its_results(tmp_path: Path) -> None:
    root = tmp_path / "all"
    merge(root, [source(tmp_path / "one", (0, 0), (1, 0)), source(tmp_path / "other", (0, 4))])
    merge(root, [source(tmp_path / "decade", (0, 0), method="decade")])  # six hex digits, like an id
    assert len(withdraw(root, ["mine"], REASON).results) == 3
    assert shown(root) == {cell_of(0, "decade"): 50}
    again = withdraw(root, ["mine"], REASON)
    assert (again.results, again.before) == ((), 3)
    assert len(history(Store(root))) == 3
    assert len(withdraw(root, ["decade"], REASON).results) == 1


@pytest.mark.parametrize(
    ("names", "reason", "scores", "why"),
    [
        (["mine"], " ", "", "needs a reason"),
        (["yours"], REASON, "", "no cell of the method 'yours'"),
        (["abcdef"], REASON, "", "unknown cell 'abcdef'"),
        (["mine"], REASON, "0123", "no result has scores whose digest begins with '0123'"),
    ],
)
def test_what_cannot_be_withdrawn_is_named(
    tmp_path: Path, names: list[str], reason: str, scores: str, why: str
) -> None:
    merge(tmp_path / "all", [source(tmp_path / "one", (0, 0))])
    before = files_of(tmp_path / "all")
    with pytest.raises(UsageError, match=why):
        withdraw(tmp_path / "all", names, reason, scores=scores)
    assert files_of(tmp_path / "all") == before


def test_the_command_lists_what_it_withdraws(command: Command, tmp_path: Path) -> None:
    source(tmp_path / "one", (0, 0), (1, 0))
    command("merge", "one", "-o", "all")
    argv = ["board", "withdraw", cell_of(0)[:8], "--root", "all", "--reason", REASON]
    planned = command(*argv, "--dry-run")
    assert (planned.code, len(shown(tmp_path / "all"))) == (0, 2)
    done = command(*argv)
    assert done.out == planned.out
    assert cell_of(0) in done.out
    assert done.err == "withdrawn: 1 result\n"
    again = command(*argv, "--json").document
    assert (again["written"], again["results"], again["withdrawn_before"]) == (False, [], 1)
    table = command("table", "--root", "all")
    assert table.code == 0
    assert table.err.startswith("withdrawn and left out: mine on voc2007 (1 cell)")
    command("board", "withdraw", "mine", "--root", "all", "--reason", REASON)
    nothing = command("table", "--root", "all")
    assert nothing.code == Exit.INVALID
    assert "withdrawn and left out: mine on voc2007 (2 cells)" in nothing.err


Step = tuple[str, int]  # "merge" and a variant, or "withdraw" and a variant


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["merge", "withdraw"]), st.integers(0, 3)), min_size=1, max_size=7))
def test_a_store_shows_the_earliest_result_that_is_not_withdrawn(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    root, digests = folder / "all", {digest_of(variant, folder): variant for variant in range(4)}
    sources = {variant: source(folder / f"source-{variant}", (0, variant)) for variant in range(4)}
    merged: list[int] = []
    withdrawn: list[int] = []
    for kind, variant in steps:
        if kind == "merge":
            merge(root, [sources[variant]])
            merged += [] if variant in merged else [variant]
        elif variant in merged:
            (scores,) = [digest for digest, of in digests.items() if of == variant]
            withdraw(root, [cell_of(0)], REASON, scores=scores)
            withdrawn.append(variant)
        left = [each for each in merged if each not in withdrawn]
        if left:
            assert shown(root) == {cell_of(0): 50 + left[0]}
            assert len(disputes(Store(root)).get(cell_of(0), ())) == len(left) - 1
    if merged:
        folders = [path.name for path in root.glob(f"disputed/*/*/{cell(seed=0, method='mine').id}/*")]
        assert len(folders) == len(merged) - 1  # nothing is lost
        assert not list(orphans(Store(root)))
