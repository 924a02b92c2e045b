"""The layouts of a table: what a reader finds in which row and column, and what the caption says of several blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from made_up_results import grid, made_up, table_of
from pmll_bench.cli.tables import Form
from pmll_bench.errors import ConfigError
from pmll_bench.report.tables.aggregate import Number
from pmll_bench.report.tables.layouts import LAYOUTS, sheets
from pmll_bench.report.tables.sheet import Line, Sheet
from pmll_bench.store.result import Result

SINGLE: dict[str, Any] = {"regime": "single-positive", "ratios": [1.0], "seeds": 1}


def only_sheet(results: Sequence[Result], form: str, **layout: Any) -> Sheet:
    (sheet,) = sheets(table_of(results, form=form, **layout))
    return sheet


def headings(sheet: Sheet) -> list[str]:
    return [f"{head.group} {head.text}".strip() for head in sheet.heads]


def cells(line: Line) -> list[str]:
    """The cells as text; marks as * and +."""
    signs = {"best": "*", "second": "+", "": ""}
    return [cell.text + signs[cell.mark] if isinstance(cell, Number) else cell for cell in line.cells]


def rows(sheet: Sheet) -> dict[str, list[str]]:
    return {f"{line.section}: {line.name}" if line.section else line.name: cells(line) for line in sheet.lines}


def test_every_layout_of_the_command_line_exists() -> None:
    assert [form.value for form in Form] == list(LAYOUTS)


def two_datasets() -> list[Result]:
    """Two methods at 10 % and 20 % on shapes, and at 20 % and 30 % on voc2007; one method lacks voc2007."""
    results = [*grid("sst", 0.7, ratios=[0.1, 0.2], seeds=1), *grid("bce", 0.6, ratios=[0.1, 0.2], seeds=1)]
    return [*results, *grid("sst", 0.8, ratios=[0.2, 0.3], seeds=1, dataset="voc2007")]


def test_data_sets_below_each_other_share_columns_of_all_their_ratios() -> None:
    sheet = only_sheet(two_datasets(), "stacked")
    assert headings(sheet) == ["10%", "20%", "30%", "Avg."]
    assert rows(sheet) == {
        "shapes: bce": ["61.0+", "62.0+", "", "61.5+"],
        "shapes: sst": ["71.0*", "72.0*", "", "71.5*"],
        "voc2007: sst": ["", "82.0*", "83.0*", "82.5*"],
    }
    assert sheet.title == "shapes and voc2007, partial labels"


def test_data_sets_side_by_side_have_a_column_each_with_their_average_and_the_mean_over_them() -> None:
    results = [*two_datasets(), *grid("bce", 0.9, ratios=[0.2, 0.3], seeds=1, dataset="voc2007")]
    sheet = only_sheet(results, "datasets")
    assert headings(sheet) == ["shapes", "voc2007", "Avg."]
    assert rows(sheet) == {"bce": ["61.5+", "92.5*", "77.0*"], "sst": ["71.5*", "82.5+", "77.0*"]}
    assert sheet.caption.endswith(
        "Averages are over 2 ratios, 10% to 20% on shapes; averages are over 2 ratios, 20% to 30% on voc2007."
    )


def test_a_method_without_a_data_set_has_a_dash_there_and_no_mean_over_data_sets() -> None:
    sheet = only_sheet(two_datasets(), "datasets")
    assert rows(sheet) == {"bce": ["61.5+", "—", "—"], "sst": ["71.5*", "82.5*", "77.0*"]}
    assert "— no result, or not at every ratio." in sheet.notes


def test_a_row_without_one_ratio_has_no_average_and_is_not_ranked() -> None:
    results = [*grid("sst", 0.7, ratios=[0.1, 0.2]), *grid("bce", 0.9, ratios=[0.1])]
    sheet = only_sheet(results, "datasets")
    assert rows(sheet) == {"bce": ["—"], "sst": ["72.0 ± 0.5*"]}


def test_the_mean_over_data_sets_of_an_oracle_is_not_ranked() -> None:
    results = [*grid("sst", 0.7, oracle=0.95, seeds=1), *grid("sst", 0.8, oracle=0.95, seeds=1, dataset="voc2007")]
    assert rows(only_sheet(results, "datasets"))["sst [best-test, oracle]"] == ["95.0", "95.0", "95.0"]


def f1_results(dataset: str = "shapes") -> list[Result]:
    """OF1 of 40 and 50 at 10 % and 20 %, CF1 of 30 and 32, for one method; ten less for the other."""
    pairs = [(0.1, 0.40, 0.30), (0.2, 0.50, 0.32)]
    return [
        made_up(label, 0.5, ratio=ratio, dataset=dataset, metrics={"OF1": of1 - less, "CF1": cf1 - less})
        for label, less in (("sarl", 0.0), ("sst", 0.1))
        for ratio, of1, cf1 in pairs
    ]


def test_f1_shows_the_averages_of_of1_and_cf1_as_in_the_table_of_sarl() -> None:
    sheet = only_sheet(f1_results(), "f1", order=["sst", "sarl"])
    assert headings(sheet) == ["Avg. OF1", "Avg. CF1"]
    assert rows(sheet) == {"sst": ["35.0+", "21.0+"], "sarl": ["45.0*", "31.0*"]}
    assert sheet.caption.startswith("OF1 and CF1 (%) on shapes (")
    assert sheet.caption.endswith("Averages are over 2 ratios, 10% to 20%.")
    both = only_sheet([*f1_results(), *f1_results("voc2007")], "f1")
    assert list(rows(both)) == ["shapes: sarl", "shapes: sst", "voc2007: sarl", "voc2007: sst"]


def test_f1_follows_the_rule_of_the_metric() -> None:
    top3 = [made_up("sst", 0.5, metrics={"top3_OF1": 0.31, "top3_CF1": 0.29})]
    sheet = only_sheet(top3, "f1", metric="top3_CF1")
    assert headings(sheet) == ["OF1, top 3", "CF1, top 3"]
    assert rows(sheet) == {"sst": ["31.0*", "29.0*"]}
    with pytest.raises(ConfigError, match="the layout f1 shows OF1 and CF1; it cannot show map_hcp"):
        table_of(top3, form="f1", metric="map_hcp")
    with pytest.raises(ConfigError, match="these results have no CF1"):
        table_of(top3, form="f1")


def test_single_positive_results_on_several_data_sets_stand_side_by_side_without_being_asked() -> None:
    results = [*grid("an", 0.6, **SINGLE), *grid("role", 0.5, **SINGLE)]
    results += [*grid("an", 0.2, dataset="cub", **SINGLE), *grid("role", 0.4, dataset="cub", **SINGLE)]
    for form in ("auto", "single-positive"):
        sheet = only_sheet(results, form)
        assert headings(sheet) == ["cub", "shapes", "Avg."]
        assert rows(sheet) == {"an": ["30.0+", "70.0*", "50.0+"], "role": ["50.0*", "60.0+", "55.0*"]}
        assert "Averages" not in sheet.caption


def test_setups_of_one_data_set_are_columns_below_their_own_heading() -> None:
    results = [
        result
        for track in ("paper", "controlled")
        for dataset, level in (("shapes", 0.6), ("cub", 0.2))
        for result in grid("an", level, dataset=dataset, track=track, **SINGLE)
    ]
    sheet = only_sheet(results, "single-positive")
    assert headings(sheet) == [
        f"track {track} {column}" for track in ("controlled", "paper") for column in ("cub", "shapes", "Avg.")
    ]
    assert rows(sheet) == {"an": ["30.0*", "70.0*", "50.0*"] * 2}


def test_semi_shows_the_shares_of_each_data_set_below_its_name() -> None:
    semi: dict[str, Any] = {"regime": "semi", "seeds": 1}
    results = [*grid("cap", 0.6, ratios=[0.05, 0.1], **semi), *grid("ssmll", 0.65, ratios=[0.05, 0.1], **semi)]
    results += grid("cap", 0.4, ratios=[0.2], dataset="coco2014", **semi)
    for form in ("auto", "semi"):
        sheet = only_sheet(results, form)
        assert headings(sheet) == ["coco2014 20%", "shapes 5%", "shapes 10%", "shapes Avg."]
        assert rows(sheet) == {"cap": ["42.0*", "60.5+", "61.0+", "60.8+"], "ssmll": ["—", "65.5*", "66.0*", "65.8*"]}


def test_partial_results_on_several_data_sets_have_a_table_each_unless_a_layout_is_chosen() -> None:
    assert [sheet.title for sheet in sheets(table_of(two_datasets()))] == [
        "shapes, partial labels",
        "voc2007, partial labels",
    ]


def test_results_of_other_regimes_follow_in_their_own_tables() -> None:
    results = [*grid("an", 0.6, **SINGLE), *grid("an", 0.2, dataset="cub", **SINGLE), *two_datasets()]
    found = sheets(table_of(results, form="single-positive"))
    assert [sheet.title for sheet in found] == [
        "cub and shapes, single-positive labels",
        "shapes, partial labels",
        "voc2007, partial labels",
    ]


def test_a_layout_for_another_regime_is_refused_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match="the layout semi is for semi results, but these are partial") as caught:
        sheets(table_of(two_datasets(), form="semi"))
    assert "leave out --layout" in str(caught.value.hint)


def test_a_caption_says_once_what_data_sets_share_and_names_them_where_they_differ() -> None:
    results = [*grid("sst", 0.7, ratios=[0.1, 0.2]), *grid("sst", 0.8, ratios=[0.1, 0.2], seeds=1, dataset="voc2007")]
    caption = only_sheet(results, "stacked").caption
    assert caption.count("Selection: last.") == 1
    assert caption.endswith(
        "Mean ± sd (ddof 1) over 3 masks, one seed each on shapes; one mask and one seed (no ±) on voc2007."
    )
    assert caption.startswith(
        "mAP (%) on shapes (1,200 training and 800 test images, 2 classes); "
        "voc2007 (1,200 training and 800 test images, 2 classes). Labels: all 2."
    )


def test_a_note_about_one_data_set_names_it_and_a_sign_is_explained_once() -> None:
    results = [made_up("kggr", 0.7, ratio=0.1), made_up("kggr", 0.8, ratio=0.2, recipe={"epochs": 9})]
    results += grid("kggr", 0.8, ratios=[0.1, 0.2], seeds=1, dataset="voc2007")
    notes = only_sheet(results, "stacked", inferred=["kggr"]).notes
    assert "shapes: kggr: settings or recipe differ between ratios." in notes
    assert [note for note in notes if "†" in note] == [
        "† Parts of the method are inferred or reconstructed; 'pmll-bench show NAME' lists them."
    ]


def test_display_names_replace_labels_unless_two_labels_would_share_one() -> None:
    results = [*grid("sst", 0.7, seeds=1), *grid("sst-wide", 0.6, method="sst", settings={"margin": 0.1}, seeds=1)]
    names = {"sst": "SST", "sst-wide": "SST-W"}
    sheet = only_sheet(results, "ratios", names=names, datasets={"shapes": "Shapes"})
    assert [line.name for line in sheet.lines] == ["SST", "SST-W"]
    assert (sheet.title, sheet.caption[:15]) == ("Shapes, partial labels", "mAP (%) on Shapes"[:15])
    sheet = only_sheet(results, "ratios", names=dict.fromkeys(names, "SST"))
    assert [line.name for line in sheet.lines] == ["sst", "sst-wide"]


def test_notes_have_the_names_that_the_rows_have() -> None:
    none = [result.model_copy(update={"metrics": {"map": 0.8}}) for result in grid("clip-zeroshot", 0.8, seeds=1)]
    results = [*grid("sst", 0.7, seeds=1), *none]
    (note,) = only_sheet(results, "ratios", metric="OF1", names={"clip-zeroshot": "CLIP zero-shot"}).notes
    assert note.startswith("— CLIP zero-shot: no OF1;")


def test_f1_says_once_which_rows_have_no_logits() -> None:
    none = [result.model_copy(update={"metrics": {"map": 0.8}}) for result in grid("clip-zeroshot", 0.8, seeds=1)]
    ours = [
        result.model_copy(update={"metrics": {"map": 0.7, "OF1": 0.4, "CF1": 0.3}})
        for result in grid("sst", 0.7, seeds=1)
    ]
    assert [note for note in only_sheet([*ours, *none], "f1").notes if "logits" in note] == [
        "— clip-zeroshot: no OF1 or CF1; the scores are not logits of P(present), so a threshold has no meaning."
    ]
