"""`table --per-class`: the AP of each label, and of groups of labels by how many training positives are known."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

import pytest

from made_up_results import made_up
from pmll_bench.report.formats.labels import FORMATS
from pmll_bench.report.tables.aggregate import Number
from pmll_bench.report.tables.labels import LabelBlock, label_blocks, label_sheets
from pmll_bench.report.tables.table import Layout
from pmll_bench.store.result import Result

KNOWN = (300, 100, 20, 19)  # of the labels c0 … c3: many, medium, medium, few


def result(label: str, ap: Sequence[float | None], known: Sequence[int] = KNOWN, **more: object) -> Result:
    """A result with these APs; its mAP is their mean, as a run would have it."""
    defined = [value for value in ap if value is not None]
    made = made_up(label, sum(defined) / len(defined), ap=ap, train_positives=[1000] * len(ap), **more)  # type: ignore[arg-type]
    return made.model_copy(update={"support": made.support.model_copy(update={"known": tuple(known)})})


def two_methods() -> list[Result]:
    """Two methods at 10 % and 20 %; `sst` gains 10 points from 10 % to 20 %."""
    return [
        result("sst", [0.8, 0.5, 0.4, None], ratio=0.1),
        result("sst", [0.9, 0.6, 0.5, None], ratio=0.2),
        result("bce", [0.9, 0.4, 0.2, None], ratio=0.1),
        result("bce", [0.9, 0.4, 0.4, None], ratio=0.2),
    ]


def only(results: Sequence[Result], sort: str = "frequency", **layout: object) -> LabelBlock:
    (found,) = label_blocks(results, Layout(**layout), sort)  # type: ignore[arg-type]
    return found


def shown(found: LabelBlock) -> dict[str, dict[str, list[str]]]:
    signs = {"best": "*", "second": "+", "": ""}
    (sheet,) = label_sheets([found])
    return {
        section: {
            line.name: [c.text + signs[c.mark] if isinstance(c, Number) else c for c in line.cells] for line in lines
        }
        for section, lines in sheet.sections
    }


def test_labels_are_grouped_by_known_positives_and_averaged_over_the_ratios() -> None:
    assert shown(only(two_methods(), order=["sst", "bce"])) == {
        "many: more than 100 known training positives": {"c0": ["300", "9", "85.0+", "90.0*"]},
        "medium: 20 to 100": {"c1": ["100", "9", "55.0*", "40.0+"], "c2": ["20", "9", "45.0*", "30.0+"]},
        "few: fewer than 20": {"c3": ["19", "0", "—", "—"]},
        "mean AP (number of labels)": {
            "many (1)": ["", "", "85.0+", "90.0*"],
            "medium (2)": ["", "", "50.0*", "35.0+"],
            "all (3)": ["", "", "61.7*", "53.3+"],
        },
    }


def test_the_caption_states_the_ratios_and_the_notes_the_marks() -> None:
    found = only(two_methods())
    (sheet,) = label_sheets([found])
    assert "AP of each label, averaged over 2 ratios, 10% to 20%" in sheet.caption
    assert sheet.title == "shapes, partial labels, AP by label"
    assert "second best of a row" in FORMATS["markdown"]([found])
    (one,) = label_sheets([only(two_methods()[:1])])
    assert "AP of each label, at 10%" in one.caption


def test_the_number_of_known_positives_is_the_mean_over_masks_and_ratios_not_over_methods() -> None:
    results = [
        result("sst", [0.5], known=[10], ratio=0.1, seed=0),
        result("sst", [0.5], known=[30], ratio=0.1, seed=1),
        result("sst", [0.5], known=[110], ratio=0.2, seed=0),
        result("bce", [0.5], known=[110], ratio=0.2, seed=0),
    ]
    (label,) = only(results).labels
    assert (label.known, label.group) == (50.0, "medium")
    close = [result("sst", [0.5], known=[101], seed=0), result("sst", [0.5], known=[100], seed=1)]
    assert shown(only(close))["many: more than 100 known training positives"] == {"c0": ["100.5", "9", "50.0 ± 0.0*"]}


@pytest.mark.parametrize(
    ("sort", "expected"), [("frequency", ["c2", "c0", "c1"]), ("name", ["c0", "c1", "c2"]), ("ap", ["c1", "c0", "c2"])]
)
def test_labels_are_sorted_as_asked(sort: str, expected: list[str]) -> None:
    results = [result("sst", [0.5, 0.9, 0.1], known=[50, 30, 70]), result("bce", [0.7, 0.6, 0.3], known=[50, 30, 70])]
    assert [label.name for label in only(results, sort).labels] == expected


def test_ap_has_the_spread_over_masks() -> None:
    results = [result("sst", [0.50], known=[50], seed=0), result("sst", [0.54], known=[50], seed=1)]
    (label,) = only(results, decimals=2).labels
    assert label.averages[0].text == "52.00 ± 2.83"


def test_the_row_of_an_oracle_is_left_out_as_no_ap_is_stored_for_its_epoch() -> None:
    assert [row.selection for row in only([result("sst", [0.5], oracle=0.9)]).rows] == ["last"]
    assert label_blocks([result("sst", [0.5], selection="best-test")], Layout()) == ()


def test_csv_has_a_line_per_label_method_and_ratio() -> None:
    lines = list(csv.DictReader(io.StringIO(FORMATS["csv"]([only(two_methods())]))))
    found = {(line["label"], line["group"], line["method"], line["ratio"]): line["mean"] for line in lines}
    assert len(found) == len(lines) == (4 + 3) * 2 * 3
    assert float(found["c1", "medium", "sst", "20%"]) == pytest.approx(60.0)
    assert float(found["c1", "medium", "sst", "average"]) == pytest.approx(55.0)
    assert float(found["", "all", "bce", "10%"]) == pytest.approx(50.0)
    assert found["c3", "few", "sst", "10%"] == ""


def test_json_has_counts_and_null_for_a_label_without_test_positives() -> None:
    (block,) = json.loads(FORMATS["json"]([only(two_methods(), order=["sst", "bce"])]))["blocks"]
    first, *_, last = [label for label in block["labels"] if label["label"]]
    assert (first["label"], first["known_positives"], first["train_positives"]) == ("c0", 300.0, 1000)
    assert [method["average"]["mean"] for method in first["methods"]] == pytest.approx([85.0, 90.0])
    assert [method["average"]["mean"] for method in last["methods"]] == [None, None]


def test_every_text_format_shows_every_label() -> None:
    found = [only(two_methods())]
    for form in ("terminal", "markdown", "latex", "html"):
        text = FORMATS[form](found)
        assert all(f"c{number}" in text for number in range(4))
