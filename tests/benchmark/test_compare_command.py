"""The command `compare`: what each format says, and the exit code and message of each mistake."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from zlib import crc32

import pytest

from command_line import Command
from pmll_bench.store.store import Store
from scored_results import finish, noisy


@pytest.fixture
def rows(store: Store) -> Store:
    """Three rows at two ratios and on three masks: good, bad and its twin."""
    for label, quality in (("good", 2.0), ("bad", 0.4), ("twin", 0.4)):
        for mask in (0, 1, 2):
            for ratio in (0.1, 0.5):
                scores = noisy(quality, seed=crc32(f"{label} {mask} {ratio}".encode()))
                finish(store, label, scores, ratio=ratio, mask_seed=mask, seed=mask)
    return store


def test_two_rows_are_compared_ratio_by_ratio_with_a_verdict(command: Command, rows: Store) -> None:
    answer = command("compare", "good", "bad", "--resamples", "100")
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[0] == "good − bad: shapes, partial labels"
    assert "Paired by test image and mask: 3 masks × 1 seed." in lines[1]
    assert [line.split()[0] for line in lines if re.match(r"\d+%|mean", line)] == ["10%", "50%", "mean"]
    assert re.search(
        r"^Verdict: good is better than bad by \d+\.\d \(\d+\.\d to \d+\.\d\) over the 2 ratios\.$", answer.out, re.M
    )


def test_the_order_of_the_rows_is_the_sign_of_the_difference(command: Command, rows: Store) -> None:
    first, second = (
        float(list(csv.DictReader(io.StringIO(command("compare", *names, "--format", "csv").out)))[-1]["estimate"])
        for names in (("good", "bad"), ("bad", "good"))
    )
    assert first > 20
    assert second == pytest.approx(-first)


def test_a_table_against_one_row_and_its_formats(command: Command, rows: Store) -> None:
    given = ("compare", "--against", "bad", "--resamples", "100", "--format")
    for name, expected in (
        ("terminal", "p is adjusted for 2 comparisons with bad (Holm)."),
        ("markdown", "| good | "),
        ("latex", r"\begin{tabular}{l"),
        ("html", "<!doctype html>"),
        ("csv", "dataset,block,metric,first,second"),
    ):
        answer = command(*given, name)
        assert answer.code == 0, answer.err
        assert expected.lower() in answer.out.lower()
    assert "Δ" not in command(*given, "latex").out  # which LaTeX could not set


def test_json_has_the_numbers_in_percent(command: Command, rows: Store) -> None:
    answer = command("compare", "--json", "--resamples", "100")
    document = json.loads(answer.out)
    assert (document["schema"], document["unit"]) == ("pmll.comparison/1", "percent")
    (block,) = document["blocks"]
    assert block["standings"][0]["name"] == "good"
    assert (block["standings"][0]["best"], block["standings"][0]["worst"]) == (1, 1)
    assert block["standings"][0]["map"] > 50
    assert len(document["differences"]) == len(block["verdicts"]) == 3
    first = document["differences"][0]
    assert first["first_map"] - first["second_map"] == pytest.approx(first["estimate"])
    assert first["ratio"] is None


def test_a_mask_that_a_ratio_lacks_is_not_in_the_mean(command: Command, rows: Store) -> None:
    (missing,) = (
        path
        for path in rows.root.glob("cells/shapes/bad/*/result.json")
        if '"ratio":0.5' in (text := path.read_text()) and '"mask_seed":2' in text
    )
    missing.unlink()
    answer = command("compare", "good", "bad")
    assert answer.err.startswith("1 cell has no result")
    lines = answer.out.splitlines()
    assert "The mean is over the masks that every ratio has: 2." in lines
    assert "Left out, because not all rows compared have it: good at 50% (mask 2)." in lines
    assert "as far as 2 masks can tell" in answer.out


def test_a_comparison_is_written_to_a_file(command: Command, rows: Store, tmp_path: Path) -> None:
    answer = command("compare", "good", "bad", "--format", "markdown", "-o", "differences.md")
    assert (answer.code, answer.out, answer.err) == (0, "", "written: differences.md\n")
    assert "| mean | " in (tmp_path / "differences.md").read_text()


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["good", "bda"], 2, "error: no results of 'bda'"),
        (["good"], 2, "error: a comparison needs two rows"),
        (["good", "good"], 2, "error: a row cannot be compared with itself"),
        (["good", "bad", "--metric", "CF1"], 2, "error: CF1 has no intervals"),
        (["good", "bad", "--resamples", "3"], 2, "error: Invalid value for '--resamples'"),
        (["good", "bad", "--datasets", "voc"], 3, "error: no results to show"),
        (["good", "bad", "--labels", "useful"], 3, "error: unknown label filter 'useful'"),
    ],
)
def test_mistakes_have_a_message_and_an_exit_code(
    command: Command, rows: Store, argv: list[str], code: int, message: str
) -> None:
    answer = command("compare", *argv)
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith(message)


def test_a_diagram_of_few_data_sets_is_refused_below_the_comparison(command: Command, rows: Store) -> None:
    answer = command("compare", "--diagram", "figures")
    assert answer.code == 3
    assert answer.out.startswith("Ranks: shapes, partial labels")
    assert "error: a critical-difference diagram needs 8 data sets of one protocol, and here is 1" in answer.err
    answer = command("compare", "good", "bad", "--diagram", "figures")
    assert (answer.code, answer.err.splitlines()[0]) == (2, "error: a critical-difference diagram is of all pairs")


def test_changed_scores_end_it_with_the_code_of_the_store(command: Command, rows: Store) -> None:
    for path in rows.root.glob("cells/shapes/good/*/attempts/0001/scores.npz"):
        path.write_bytes(b"nothing")
    answer = command("compare", "good", "bad")
    assert answer.code == 6
    assert answer.err.splitlines()[0] == "error: the scores file has changed since the result was made"
    assert "hint:" in answer.err


@pytest.fixture
def built_in(store: Store) -> Store:
    """Two built-in methods at one ratio and one mask; the first is better."""
    for label, quality in (("dualcoop", 2.0), ("linear-probe", 0.4)):
        finish(store, label, noisy(quality, seed=crc32(label.encode())))
    return store


def test_latex_has_the_names_of_papers_and_cites_them(command: Command, built_in: Store) -> None:
    pair = command("compare", "dualcoop", "linear-probe", "--format", "latex").out
    assert r" & DualCoOp~\cite{sun2022dualcoop} & Linear probe & $\Delta$" in pair
    assert "Verdict: DualCoOp is better than Linear probe by" in pair
    assert "'pmll-bench bibtex' prints the references" in pair
    against = command("compare", "--against", "linear-probe", "--format", "latex").out
    assert r"\textbf{Difference to Linear probe: shapes, partial labels.}" in against
    assert r"DualCoOp~\cite{sun2022dualcoop} & " in against


def test_html_has_the_names_of_papers_and_other_formats_those_of_the_command_line(
    command: Command, built_in: Store
) -> None:
    page = command("compare", "--format", "html").out
    assert "DualCoOp − Linear probe" in page
    assert "linear-probe" not in page
    for form in ("terminal", "markdown", "csv", "json"):
        text = command("compare", "--format", form).out
        assert "linear-probe" in text
        assert "DualCoOp" not in text
