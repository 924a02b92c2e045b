"""Results of several people lie in one store: what is kept, disputed and refused, and what its history says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from command_line import Command
from merged_stores import cell_of, digest_of, files_of, source
from pmll_bench.errors import Exit, StoreError, UsageError
from pmll_bench.merging.merge import merge
from pmll_bench.merging.refusals import MergeRefused
from pmll_bench.merging.writing import alone_in
from pmll_bench.report.chosen import choose
from pmll_bench.store.disputed import disputes
from pmll_bench.store.merges import NAME, Merge, history
from pmll_bench.store.orphans import orphans
from pmll_bench.store.result import Result
from pmll_bench.store.store import Store
from stored import planned


def shown(root: Path) -> dict[str, float]:
    """The mAP of the cells that reports show."""
    return {each.cell_id: each.metrics["map"] for each in choose(Store(root)).results}


def refused(root: Path, *sources: Path) -> list[str]:
    """The reasons for which a merge is refused; the store stays as it is."""
    before = files_of(root)
    with pytest.raises(MergeRefused) as error:
        merge(root, sources)
    assert files_of(root) == before
    assert error.value.code == Exit.REJECTED
    return [str(each) for each in error.value.problems]


def test_the_results_of_two_people_lie_in_one_store(tmp_path: Path) -> None:
    one, other, root = source(tmp_path / "one", (0, 0), (1, 0)), source(tmp_path / "other", (2, 5)), tmp_path / "all"
    merged = merge(root, [one, other])
    assert [source.line().kept for source in merged.sources] == [0, 0]
    assert shown(root) == {cell_of(0): 0.5, cell_of(1): 0.5, cell_of(2): 0.55}
    for folder in Store(one).folders():
        scores = Store(root).cell_at(folder.name).scores()
        assert scores.scores.tobytes() == folder.scores().scores.tobytes()
    assert not list(orphans(Store(root)))


def test_a_merged_store_says_nothing_of_the_machines_that_made_it(tmp_path: Path) -> None:
    merge(tmp_path / "all", [source(tmp_path / "one", (0, 0))])
    names = {path.name for path in (tmp_path / "all").rglob("*") if path.is_file()}
    assert names - {"store.json", ".merge.lock"} == {NAME, "cell.json", "result.json", "scores.npz"}
    (cell,) = Store(tmp_path / "all").folders()
    record = cell.record()
    assert record is not None
    assert (record.where.root, record.where.mask, record.where.target) == (None, None, "sst")
    (line,) = history(Store(tmp_path / "all"))
    assert isinstance(line, Merge)
    assert line.sources[0].name == "one"


def test_the_same_result_of_two_people_is_one_and_leaves_no_line_in_the_history(tmp_path: Path) -> None:
    root, one = tmp_path / "all", source(tmp_path / "one", (0, 0))
    merge(root, [one])
    before = files_of(root)
    again = merge(root, [source(tmp_path / "other", (0, 0)), one])
    assert not again.changes
    assert [each.line().kept for each in again.sources] == [1, 1]
    assert files_of(root) == before


def test_of_two_results_with_other_scores_both_are_kept_and_the_first_is_shown(tmp_path: Path) -> None:
    root, one, other = tmp_path / "all", source(tmp_path / "one", (0, 0)), source(tmp_path / "other", (0, 3))
    merge(root, [one, other])
    assert shown(root) == {cell_of(0): 0.5}  # neither the last nor the mean
    ((cell, (second,)),) = disputes(Store(root)).items()
    assert cell == cell_of(0)
    assert second.metrics["map"] == pytest.approx(0.53)
    (warning,) = choose(Store(root)).warnings
    assert warning.startswith("disputed: mine on voc2007 (1 cell)")
    assert not merge(root, [other]).changes  # the same dispute is no news
    assert not list(orphans(Store(root)))


def test_a_third_result_of_a_disputed_cell_is_kept_too(tmp_path: Path) -> None:
    merge(tmp_path / "all", [source(tmp_path / str(number), (0, number)) for number in range(3)])
    assert len(disputes(Store(tmp_path / "all"))[cell_of(0)]) == 2


def test_a_merged_store_brings_its_disputes(tmp_path: Path) -> None:
    merge(tmp_path / "first", [source(tmp_path / "one", (0, 0)), source(tmp_path / "other", (0, 3))])
    merge(tmp_path / "all", [tmp_path / "first"])
    assert shown(tmp_path / "all") == {cell_of(0): 0.5}
    assert disputes(Store(tmp_path / "all")).keys() == {cell_of(0)}


def test_all_refusals_are_listed_before_anything_is_written(tmp_path: Path) -> None:
    root = tmp_path / "all"
    merge(root, [source(tmp_path / "fine", (0, 0))])
    old = source(tmp_path / "old", (1, 0), method="bce", revision=99)
    data = source(tmp_path / "data", (2, 0), fingerprint="a" * 64)
    broken = source(tmp_path / "broken", (3, 0), (4, 0))
    (scores,) = broken.glob(f"cells/*/*/{cell_of(3)}/attempts/0001/scores.npz")
    scores.write_bytes(scores.read_bytes() + b"\0")
    reasons = refused(root, old, data, broken, source(tmp_path / "good", (5, 0)))
    revision, fingerprint, scores_of_3 = reasons
    assert "bce was made with revision 99, the code has 1" in revision
    assert "fingerprint aaaaaaaaaaaaaaaa…" in fingerprint
    assert "ffffffffffffffff…" in fingerprint
    assert "the scores file has changed" in scores_of_3


def test_a_refused_merge_makes_no_store(tmp_path: Path) -> None:
    old = source(tmp_path / "old", (1, 0), method="bce", revision=99)
    with pytest.raises(MergeRefused):
        merge(tmp_path / "all", [old])
    assert not (tmp_path / "all").exists()


def test_the_fingerprint_is_that_of_the_data_set_on_this_machine(tmp_path: Path) -> None:
    other = source(tmp_path / "other", (0, 0), dataset="shapes", options={"draw": 0, "subset": 20})
    (reason,) = refused(tmp_path / "all", other)
    assert "shapes (draw=0, subset=20) has the fingerprint ffffffffffffffff…, on this machine" in reason


def test_one_label_for_two_methods_is_refused_because_no_table_could_show_it(tmp_path: Path) -> None:
    root = tmp_path / "all"
    merge(root, [source(tmp_path / "one", (0, 0))])
    (reason,) = refused(root, source(tmp_path / "other", (0, 0), settings={"lr": 0.5}))
    assert "one label for different settings, recipes or revisions: mine on voc2007" in reason


@pytest.mark.parametrize("name", ["cell.json", "result.json"])
def test_a_damaged_document_is_refused(tmp_path: Path, name: str) -> None:
    one = source(tmp_path / "one", (0, 0))
    next(one.glob(f"cells/*/*/*/{name}")).write_text("{")
    (reason,) = refused(tmp_path / "all", one)
    assert f"{name} is damaged" in reason


def test_a_result_in_the_folder_of_another_cell_is_refused(tmp_path: Path) -> None:
    one = source(tmp_path / "one", (0, 0))
    (cell,) = one.glob("cells/*/*/*")
    cell.rename(cell.with_name("0" * 16))
    (reason,) = refused(tmp_path / "all", one)
    assert "result.json" in reason or "another cell" in reason


def test_unfinished_cells_are_left_out_and_counted(tmp_path: Path) -> None:
    one = source(tmp_path / "one", (0, 0))
    Store(one).folder(planned(seed=7).cell).write_request(planned(seed=7))
    merged = merge(tmp_path / "all", [one])
    assert "one: 1 cell has no result and is left out" in merged.notes
    assert len(shown(tmp_path / "all")) == 1


def test_nothing_is_merged_into_a_store_of_runs_or_into_itself(tmp_path: Path) -> None:
    runs = source(tmp_path / "runs", (0, 0))
    (reason,) = refused(runs, source(tmp_path / "other", (1, 0)))
    assert "1 cell of this store was run in it" in reason
    merge(tmp_path / "all", [runs])
    (reason,) = refused(tmp_path / "all", tmp_path / "all")
    assert "into itself" in reason
    with pytest.raises(UsageError, match="no such store or package"):
        merge(tmp_path / "all", [tmp_path / "nothing"])


def test_two_merges_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    root, one = Store.open(tmp_path / "all").root, source(tmp_path / "one", (0, 0))
    with alone_in(Store(root)), pytest.raises(StoreError, match="another merge"):
        merge(root, [one])
    assert merge(root, [one]).changes


@pytest.mark.parametrize("edit", ["change", "remove", "swap", "cut"])
def test_an_edited_removed_or_moved_line_of_the_history_is_found(tmp_path: Path, edit: str) -> None:
    root = tmp_path / "all"
    for number in range(3):
        merge(root, [source(tmp_path / f"source-{number}", (number, 0))])
    lines = (root / NAME).read_bytes().splitlines(keepends=True)
    assert len(lines) == len(history(Store(root))) == 3
    changed = {
        "change": [lines[0], lines[1].replace(b'"kept":0', b'"kept":7'), lines[2]],
        "remove": [lines[0], lines[2]],
        "swap": [lines[1], lines[0], lines[2]],
        "cut": [lines[0], lines[1], lines[2][:40]],
    }
    (root / NAME).write_bytes(b"".join(changed[edit]))
    (reason,) = refused(tmp_path / "other", root)
    assert "the history is append-only: restore it from version control" in reason
    for use in (lambda: choose(Store(root)), lambda: merge(root, [source(tmp_path / "more", (8, 0))])):
        with pytest.raises(StoreError, match=r"line \d (does not follow|is not a line)"):
            use()
    assert (root / NAME).read_bytes() == b"".join(changed[edit])


def test_the_command_shows_what_each_row_brings_and_a_dry_run_writes_nothing(command: Command, tmp_path: Path) -> None:
    source(tmp_path / "one", (0, 0), (1, 0))
    source(tmp_path / "other", (0, 3))
    argv = ["merge", "one", "other", "-o", "all"]
    planned = command(*argv, "--dry-run")
    assert (planned.code, Path("all").exists()) == (0, False)
    done = command(*argv)
    assert done.out == planned.out
    assert done.out.splitlines() == [
        "source  data set  method  added  disputed",
        "one     voc2007   mine        2         0",
        "other   voc2007   mine        0         1",
    ]
    dispute = f"mine on voc2007 at 10%, seed 0 (cell {cell_of(0)}): the store shows 50.00, the source has mAP 53.00"
    assert dispute in done.err
    assert dispute in planned.err
    again = command(*argv, "--json")
    assert not again.document["written"]
    assert [each["counts"] for each in again.document["sources"]] == [{"kept": 2}, {"kept": 1}]
    assert command("table", "--root", "all").err.startswith("disputed: mine on voc2007 (1 cell)")


def test_the_command_lists_all_refusals(command: Command, tmp_path: Path) -> None:
    source(tmp_path / "old", (1, 0), method="bce", revision=99)
    source(tmp_path / "older", (1, 0), method="asl", revision=98)
    answer = command("merge", "old", "older", "-o", "all", "--json")
    assert answer.code == Exit.REJECTED
    assert len(answer.document["errors"]) == 2
    assert answer.err.count("error: ") == 2


def test_a_result_without_its_scores_is_refused(tmp_path: Path) -> None:
    one = source(tmp_path / "one", (0, 0))
    shutil.rmtree(next(one.glob("cells/*/*/*/attempts")))
    (reason,) = refused(tmp_path / "all", one)
    assert "the scores file is missing" in reason


def test_paths_in_settings_are_left_behind(tmp_path: Path) -> None:
    one = source(tmp_path / "one", (0, 0))
    for path in one.glob("cells/*/*/*/*.json"):
        content = json.loads(path.read_text())
        content["settings"]["weights"] = "/home/me/weights.safetensors"
        path.write_text(json.dumps(content))
    merge(tmp_path / "all", [one])
    (folder,) = Store(tmp_path / "all").folders()
    result = Result.model_validate_json((folder.path / "result.json").read_bytes())
    assert result.settings["weights"] == "weights.safetensors"
    assert "/home/me" not in (folder.path / "cell.json").read_text()
    assert result.scores.sha256 == digest_of(0, tmp_path)
