"""From a store to the records of a board: who is ranked, who is not and why, and that the numbers are the reports'."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from made_up_results import grid, keep
from pmll_bench.board.collect import collect
from pmll_bench.board.records import Board, Row, Table, Trust
from pmll_bench.report.comparing.compare import compare
from pmll_bench.report.comparing.measured import Sampling
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.disputed import disputed_folder
from pmll_bench.store.document import write_record
from pmll_bench.store.result import Result
from pmll_bench.store.source_code import SourceCode
from pmll_bench.store.store import Store
from pmll_bench.submission.evidence import RerunCell, RerunEvidence, UnseenDraw
from pmll_bench.submission.package import Submission, SubmittedCell
from scored_results import finish, noisy, shapes

QUALITY = {"good": 2.0, "fair": 0.9, "twin": 0.4, "bad": 0.4}
FEW = 100  # resamples


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "runs")


def fill(store: Store, *labels: str, masks: int = 3, ratios: tuple[float, ...] = (0.1, 0.5)) -> list[Path]:
    """Cells of each label at each ratio and mask."""
    return [
        finish(
            store,
            label,
            noisy(QUALITY[label], crc32(f"{label} {mask} {ratio}".encode())),
            ratio=ratio,
            mask_seed=mask,
            seed=mask,
        )
        for label in labels
        for ratio in ratios
        for mask in range(masks)
    ]


def board_of(store: Store) -> Board:
    return collect(Store.open(store.root), resamples=FEW)


def table_of(store: Store) -> Table:
    (table,) = board_of(store).tables
    return table


def unranked(table: Table) -> dict[str, str]:
    return {row.label: row.unranked for row in table.unranked}


def row(table: Table, label: str) -> Row:
    (found,) = [each for each in (*table.ranked, *table.unranked) if each.label == label]
    return found


def test_ranks_letters_and_differences_are_those_of_compare(store: Store) -> None:
    fill(store, *QUALITY)
    table = table_of(store)
    (block,) = compare(store, sampling=Sampling(FEW)).blocks
    assert [
        (each.label, each.standing.best, each.standing.worst, each.standing.letters)
        for each in table.ranked
        if each.standing
    ] == [(each.name, each.best, each.worst, each.letters) for each in block.standings]
    assert [each.standing.map for each in table.ranked if each.standing] == [100 * each.map for each in block.standings]
    place = {each.label: number for number, each in enumerate(table.ranked)}
    for pair in block.pairs:
        i, j = place[pair.first], place[pair.second]
        assert table.difference[i][j] == -table.difference[j][i] == 100 * pair.mean.estimate
        assert table.significant[i][j] == table.significant[j][i] == pair.mean.significant
    assert table.noise == 100 * block.noise
    assert not table.unranked


def test_the_first_row_is_the_best_and_its_numbers_have_half_widths(store: Store) -> None:
    fill(store, "good", "bad")
    table = table_of(store)
    assert [each.label for each in table.ranked] == ["good", "bad"]
    assert table.difference[0][1] > 0
    assert {number.spread for each in table.ranked for number in each.numbers} == {"half-width"}
    assert [number.mark for number in row(table, "good").numbers] == ["best", "best", "best"]


def test_a_single_row_has_the_first_rank(store: Store) -> None:
    fill(store, "good")
    (only,) = table_of(store).ranked
    assert only.standing is not None
    assert (only.standing.best, only.standing.worst, only.standing.letters) == (1, 1, "a")
    assert only.standing.half_width == pytest.approx(only.numbers[-1].half_width)


def test_rows_that_lack_a_ratio_or_a_mask_are_not_ranked(store: Store) -> None:
    fill(store, "good", "fair", "bad")
    fill(store, "twin", ratios=(0.1,))
    table = table_of(store)
    assert unranked(table) == {"twin": "1 of 2 ratios"}
    assert (row(table, "twin").present, row(table, "twin").expected) == (3, 6)
    assert row(table, "twin").trust == Trust.rescored


def test_a_row_with_fewer_masks_is_not_ranked_and_does_not_narrow_the_design_of_others(store: Store) -> None:
    fill(store, "good", "fair", "bad")
    fill(store, "twin", masks=2)
    table = table_of(store)
    assert unranked(table) == {"twin": "2 of 3 masks"}
    assert "Mean over 3 masks" in table.caption or "2 to 3 masks" in table.caption
    assert not [note for note in table.notes if "Not in the ranks" in note]


@pytest.mark.parametrize("spoil", ["missing", "changed", "not an archive"])
def test_a_row_with_a_scores_file_that_cannot_be_used_is_claimed_and_the_others_are_ranked(
    store: Store, spoil: str
) -> None:
    fill(store, "good", "bad")
    (first, *_) = fill(store, "fair")
    file = first / "attempts/0001/scores.npz"
    if spoil == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-20] if spoil == "changed" else b"no archive")
    table = table_of(store)
    assert [each.label for each in table.ranked] == ["good", "bad"]
    assert row(table, "fair").trust == Trust.claimed
    assert unranked(table)["fair"].startswith("claimed: ")
    assert "(1 of 6 cells)" in unranked(table)["fair"]
    assert not any(number.mark for number in row(table, "fair").numbers)


def test_without_scores_nothing_is_ranked_however_high_the_numbers(tmp_path: Path) -> None:
    keep(tmp_path / "runs", *grid("mine", 0.9))
    board = board_of(Store.open(tmp_path / "runs"))
    (table,) = board.tables
    assert not table.ranked
    assert row(table, "mine").trust == Trust.claimed
    assert not any(number.mark for number in row(table, "mine").numbers)
    assert board.warnings


def test_a_mask_that_is_not_ours_makes_a_row_claimed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, "good", "bad")
    with monkeypatch.context() as other:
        other.setattr("scored_results.seen_labels", lambda *args: shapes().train.labels)
        finish(store, "fair", noisy(0.9, 1))
    assert unranked(table_of(store)) == {"fair": "claimed: its mask is not the one that we draw"}


def test_a_metric_that_its_scores_do_not_give_makes_a_row_claimed(store: Store) -> None:
    (folder, *_) = fill(store, "good")
    result = folder / "result.json"
    text = result.read_text("utf-8")
    assert text.count('"OF1":0.') == 1
    result.unlink()
    result.write_text(text.replace('"OF1":0.', '"OF1":0.0'), "utf-8")
    (why,) = unranked(table_of(store)).values()
    assert why.startswith("claimed: its OF1 is ")
    assert why.endswith("(1 of 6 cells)")


def test_an_oracle_is_a_column_and_never_a_row(store: Store) -> None:
    fill(store, "good", "bad")
    for each in store.folders():
        result = each.result()
        assert result is not None
        if result.label == "good":
            best = result.metrics["map"] + 0.02
            text = (each.path / "result.json").read_text("utf-8")
            (each.path / "result.json").unlink()
            changed = text.replace('"oracle":null', f'"oracle":{{"metrics":{{"map":{best!r}}},"epoch":1}}')
            (each.path / "result.json").write_text(changed, "utf-8")
    table = table_of(store)
    assert [each.label for each in table.ranked] == ["good", "bad"]
    assert row(table, "good").oracle_gap == pytest.approx(2.0)
    assert row(table, "bad").oracle_gap is None
    assert not table.unranked


def test_two_variants_with_one_label_are_two_rows(store: Store) -> None:
    fill(store, "good")
    for mask in range(3):
        for ratio in (0.1, 0.5):
            scores = noisy(0.4, 100 + mask)
            finish(store, "good", scores, ratio=ratio, mask_seed=mask, seed=mask, settings={"lr": 1.0})
    table = table_of(store)
    assert len({each.name for each in table.ranked}) == len({each.slug for each in table.ranked}) == 2
    assert all(each.label.startswith("good (") for each in table.ranked)


def test_the_board_does_not_depend_on_the_order_in_which_cells_were_made_nor_on_a_cache(tmp_path: Path) -> None:
    boards = []
    for labels in (("good", "bad", "fair"), ("fair", "good", "bad")):
        store = Store.open(tmp_path / labels[0])
        fill(store, *labels)
        boards += [_without_days(board_of(store)) for _ in range(2)]
    assert (tmp_path / "good/outcomes").is_dir()
    assert boards[0] == boards[1] == boards[2] == boards[3]


def _without_days(board: Board) -> Board:
    """Costs and dates are those of the moment at which a test makes its results."""
    tables = [replace(table, ranked=tuple(replace(each, date="") for each in table.ranked)) for table in board.tables]
    pages = [replace(page, rows=()) for page in board.methods]
    return replace(board, tables=tuple(tables), methods=tuple(pages))


def test_the_ap_of_a_label_is_that_of_the_scores(store: Store) -> None:
    fill(store, "good", masks=1)
    (page,) = board_of(store).methods
    (classes,) = page.classes.values()
    labels = shapes().test.labels
    assert [each.test for each in classes] == (labels > 0).sum(axis=0).tolist()
    found = np.array([each.ap for each in classes if each.ap is not None])
    (only,) = table_of(store).ranked
    assert found.mean() == pytest.approx(only.numbers[-1].mean)
    assert only.standing is not None
    assert only.standing.map == pytest.approx(found.mean())


def test_a_disputed_row_is_not_ranked_and_both_numbers_are_said(store: Store) -> None:
    fill(store, "good", "bad")
    (first, *_) = fill(store, "fair")
    result = CellFolder(first).result()
    assert result is not None
    other = result.model_copy(update={"metrics": {**result.metrics, "map": 0.123}})
    place = disputed_folder(store, CellFolder(first), "1" * 64)
    place.mkdir(parents=True)
    (place / "result.json").write_bytes(other.as_bytes())
    table = table_of(store)
    assert [each.label for each in table.ranked] == ["good", "bad"]
    assert unranked(table) == {"fair": f"disputed: two results with mAP {100 * result.metrics['map']:.1f} and 12.3"}


def test_a_data_set_that_is_not_here_is_shown_as_claimed_with_a_warning(store: Store) -> None:
    fill(store, "good", "bad")
    finish(store, "other", noisy(2.0, 1), fingerprint="0" * 64)
    board = board_of(store)
    gone, here = sorted(board.tables, key=lambda table: len(table.ranked))
    assert [each.label for each in here.ranked] == ["good", "bad"]
    assert unranked(gone) == {"other": "claimed: its data set is not available here, so nothing of it can be checked"}
    assert any("shapes has changed" in warning for warning in board.warnings)
    assert gone.slug != here.slug


def test_the_slug_of_a_table_does_not_depend_on_other_tables(store: Store) -> None:
    fill(store, "good", "bad")
    alone = table_of(store)
    finish(store, "good", noisy(2.0, 1), noise=0.1)
    both = board_of(store).tables
    assert len(both) == 2
    assert alone.slug in {table.slug for table in both}


def test_a_mask_from_a_file_that_is_not_here_makes_a_row_claimed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, "good", "bad")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("scored_results.seen_labels", lambda *args: shapes().train.labels)
        finish(store, "listed", noisy(2.0, 1), mask="list/0123456789abcdef")
    tables = board_of(store).tables
    (listed,) = [table for table in tables if not table.ranked]
    assert unranked(listed)["listed"].startswith("claimed: its mask cannot be drawn here: ")


def test_cells_that_hold_images_out_to_select_an_epoch_are_re_scored_too(store: Store) -> None:
    """Their masks are those of the other images."""
    recipe = {"selection": "best-val", "validation": 0.3}
    for label in ("good", "bad"):
        for mask in range(3):
            scores = noisy(QUALITY[label], crc32(f"{label} {mask}".encode()))
            finish(store, label, scores, mask_seed=mask, seed=mask, recipe=recipe)
    table = table_of(store)
    assert not table.unranked
    assert {each.trust for each in table.ranked} == {Trust.rescored}


def submitted(store: Store, rerun_map: float) -> None:
    """Evidence that the results of the row "good" came in one package, and what its cells gave when trained again."""
    results = [each for each in store.results() if each.label == "good"]
    folder = store.root / "evidence" / ("a" * 64)
    folder.mkdir(parents=True)
    write_record(folder / "submission.json", Submission(authors=("A. Author",), cells=dict(map(listed, results))))
    cells = {
        each.cell_id: RerunCell(
            submitted=each.scores.sha256,
            rerun="c" * 64,
            submitted_map=each.metrics["map"],
            rerun_map=rerun_map,
            same=False,
            same_platform=False,
            tolerance=0.5 if rerun_map else 0.0,
        )
        for each in results
    }
    unseen = UnseenDraw(draw=7, regime="partial", ratio=0.5, known_map=0.5, unseen_map=0.5, tolerance=0.1)
    evidence = RerunEvidence(
        package="a" * 64,
        commit="b" * 40,
        code=SourceCode(version="1", commit=None, digest="d" * 64),
        environment={},
        cells=cells,
        checks={"good": {"learns": "ok"}},
        unseen={"good": unseen},
    )
    write_record(folder / "rerun.json", evidence)


def listed(result: Result) -> tuple[str, SubmittedCell]:
    fields = {"label": result.label, "method": result.method, "dataset": result.dataset}
    return result.cell_id, SubmittedCell(**fields, scores=result.scores.sha256)


def test_a_row_whose_cells_were_trained_again_with_the_same_outcome_is_re_run(store: Store) -> None:
    fill(store, "good", "bad")
    submitted(store, rerun_map=0.7)
    table = table_of(store)
    assert row(table, "good").trust == Trust.rerun
    assert not table.unranked


def test_a_row_that_a_re_run_refutes_has_no_rank_and_says_why(store: Store) -> None:
    fill(store, "good", "bad")
    submitted(store, rerun_map=0.0)
    table = table_of(store)
    assert [each.label for each in table.ranked] == ["bad"]
    assert unranked(table)["good"].startswith("refuted by a re-run: cell ")
    assert row(table, "good").trust == Trust.rescored
