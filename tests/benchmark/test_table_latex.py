r"""LaTeX tables: they compile, fit their column or page, carry labels and citations, and numbers become macros."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from made_up_results import RATIOS, grid, made_up, table_of
from pmll_bench.report.formats.latex import PLAIN, Style, latex
from pmll_bench.report.formats.macros import STYLE, macros
from pmll_bench.report.tables.aggregate import plain
from pmll_bench.report.tables.layouts import LAYOUTS, sheets
from pmll_bench.report.tables.row import Beside, Column
from pmll_bench.report.tables.table import Table

SPECIAL = r'_%&#${}~^\<>|"'  # all that TeX reads as something else


def results(form: str) -> list[Any]:
    """Results for a layout: nine ratios on two data sets, or the regime of the layout."""
    more: dict[str, Any] = {"ratios": RATIOS}
    if form in ("semi", "single-positive"):
        more = {"ratios": [0.05, 0.1, 0.2] if form == "semi" else [1.0], "regime": form}
    methods = ("dualcoop", "bce", "kggr", SPECIAL)
    found = [
        result
        for dataset in ("shapes", "voc2007")
        for number, name in enumerate(methods)
        for result in grid(name, 0.5 + 0.05 * number, method="bce", dataset=dataset, **more)
    ]
    return [each.model_copy(update={"metrics": {**each.metrics, "CF1": each.metrics["map"] / 3}}) for each in found]


def table_in(form: str) -> Table:
    """A table with every kind of content: names in print, citations, an added column, a row in grey."""
    names = {"dualcoop": "DualCoOp", "bce": "Partial BCE"}
    table = table_of(
        results(form), form=form, names=names, cites={"dualcoop": "sun2022dualcoop"}, inferred=["kggr"], datasets={}
    )
    blocks = tuple(
        replace(
            block,
            columns=(Column("rank", ("1–2",) * len(block.rows), "rank"),),
            beside=(Beside("DualCoOp [1]", "published", ("70.1",) * len(block.headers), tags="448 px"),),
        )
        for block in table.blocks
    )
    return replace(table, blocks=blocks)


DOCUMENT = r"""\documentclass[10pt,twocolumn]{article}
\usepackage[textwidth=496pt,textheight=650pt,columnsep=22pt]{geometry}
\usepackage{booktabs}\usepackage{xcolor}
%s
\begin{document}
%s
\end{document}
"""


def compiled(folder: Path, preamble: str, body: str) -> str:
    """The text of the PDF's log; the test is skipped without pdflatex."""
    if shutil.which("pdflatex") is None:
        pytest.skip("needs pdflatex (Debian: texlive-latex-base texlive-latex-recommended)")
    (folder / "paper.tex").write_text(DOCUMENT % (preamble, body), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-3000:]
    return (folder / "paper.log").read_text(encoding="utf-8", errors="replace")


def test_every_layout_compiles_and_no_line_is_wider_than_its_column_or_page(tmp_path: Path) -> None:
    bodies = [latex(table_in(form)) for form in LAYOUTS]
    log = compiled(tmp_path, "", "\n\\clearpage\n".join(bodies))
    assert "Overfull" not in log
    assert set(re.findall(r"Citation `(\w+)'", log)) == {"sun2022dualcoop"}  # undefined here, and the only ones
    assert "multiply defined" not in log


def test_numbers_are_macros_for_the_text_and_the_style_of_a_table_can_be_changed(tmp_path: Path) -> None:
    results = [*grid("dualcoop", 0.7, ratios=[0.1, 0.2]), *grid("bce", 0.6, ratios=[0.1, 0.2], oracle=0.9)]
    table = table_of(results)
    (tmp_path / "numbers.tex").write_text(macros(table, "numbers.tex"), encoding="utf-8")
    preamble = (
        "\\newcommand{\\pmllBest}[1]{[#1]}\n\\input{numbers}\n\\tracingoutput1\\showboxbreadth999\\showboxdepth99"
    )
    text = r"""A \pmll{dualcoop}{shapes}{10} \pmll{bce}{shapes}{avg} \pmllSd{bce}{shapes}{20}
    B \pmll{bce-best-test}{shapes}{10} \pmllPm{dualcoop}{shapes}{20} C \pmll{sarl}{shapes}{10} D"""
    log = compiled(tmp_path, preamble, text + latex(table, STYLE))
    printed = "".join(re.findall(r"^\.*\\[A-Z]+[0-9]?/\S+ (\S)$", log, re.MULTILINE))
    assert "A71.562.00.5" in printed
    assert re.search(r"B90\.072\.5.?0\.5C\?\?D", printed)
    assert "pmll-bench: no number map of sarl on shapes at 10" in log
    assert "[71.5]" in printed  # in the table, by the style of the preamble


def test_macros_of_several_metrics_and_data_sets_have_keys_of_their_own() -> None:
    both = [made_up("sst", 0.5, metrics={"OF1": 0.4, "CF1": 0.3})]
    both += [made_up("sst", 0.6, track="paper", metrics={"OF1": 0.45, "CF1": 0.35})]
    text = macros(table_of(both, form="f1"), "numbers.tex")
    assert r"\providecommand{\pmll}[4][OF1]" in text
    assert set(re.findall(r"@namedef\{pmll@mean@(\S+?)\}\{(\S+)\}", text)) == {
        (f"{metric}@sst@shapes-partial-labels-track-{track}@{ratio}", number)
        for track, of1, cf1 in (("smoke", "40.0", "30.0"), ("paper", "45.0", "35.0"))
        for metric, number in (("OF1", of1), ("CF1", cf1))
        for ratio in ("10", "avg")
    }
    odd = macros(table_of([made_up(SPECIAL, 0.5, method="bce")]), "numbers.tex")
    assert r"\@namedef{pmll@mean@map@-@shapes@10}{50.0}" in odd


def test_a_missing_number_has_no_macro() -> None:
    text = macros(
        table_of([*grid("sst", 0.7, ratios=[0.1, 0.2], seeds=1), *grid("bce", 0.6, ratios=[0.1], seeds=1)]), "n.tex"
    )
    assert "pmll@mean@map@bce@shapes@20" not in text
    assert "pmll@mean@map@bce@shapes@avg" not in text
    assert "pmll@sd@" not in text.partition(r"\providecommand{\pmllPm}")[2].partition("\n")[2]


@pytest.mark.parametrize(
    ("style", "best"), [(PLAIN, r"\textbf{71.0}"), (STYLE, r"\pmllBest{71.0}")], ids=["plain", "macros"]
)
def test_a_table_has_a_label_and_cites_its_methods(style: Style, best: str) -> None:
    table = table_of(
        grid("sarl", 0.7, ratios=[0.1], seeds=1),
        names={"sarl": "SARL"},
        cites={"sarl": "ruan2024sarl"},
        datasets={"shapes": "Shapes"},
    )
    lines = latex(table, style).splitlines()
    assert rf"SARL~\cite{{ruan2024sarl}} & {best} \\" in lines
    assert r"\label{tab:shapes-partial-labels-map}\par\smallskip" in lines
    assert "% 'pmll-bench bibtex' prints the references that it cites" in lines
    assert r"\caption{\textbf{Shapes, partial labels.} mAP (\%) on Shapes" in "\n".join(lines)


@pytest.mark.parametrize(
    ("ratios", "seeds", "start"),
    [
        (2, 3, r"\begin{table}[t] \centering\small"),
        (3, 1, r"\begin{table}[t] \centering\small"),
        (9, 1, r"\begin{table*}[t] \centering\small"),
        (9, 3, r"\begin{table*}[t] \centering\small"),
    ],
)
def test_a_table_that_fits_a_column_is_no_wider(ratios: int, seeds: int, start: str) -> None:
    text = latex(table_of(grid("dualcoop", 0.7, ratios=RATIOS[:ratios], seeds=seeds)))
    assert start in text.replace("\n", " ")


def test_a_table_that_is_wider_than_a_page_gets_a_smaller_font_or_a_warning() -> None:
    table = table_of(grid("dualcoop", 0.7))

    def with_columns(count: int) -> str:
        cells = tuple(plain(100.0, 1) for _ in table.blocks[0].rows)
        added = tuple(Column(f"c{number}", cells, f"c{number}") for number in range(count))
        return latex(replace(table, blocks=(replace(table.blocks[0], columns=added),)))

    assert r"\centering\scriptsize" in with_columns(5)
    assert re.search(r"^% about \d+ pt wide, more than a page of 496 pt", with_columns(20), re.MULTILINE)


def test_a_number_that_is_missing_or_negative_is_set_as_such() -> None:
    table = table_of([*grid("sst", 0.7, ratios=[0.1, 0.2], seeds=1), *grid("bce", 0.6, ratios=[0.1], seeds=1)])
    column = Column("gap", (plain(-0.3, 1), plain(math.nan, 1)), "gap")
    text = latex(replace(table, blocks=(replace(table.blocks[0], columns=(column,)),)))
    assert r"bce & \underline{61.0} & --- & --- & $-$0.3 \\" in text
    assert latex(table, STYLE).count(r"\pmllMissing{}") == 2


def test_names_and_columns_are_those_of_the_sheet() -> None:
    """What is compiled above is what the other formats show."""
    for form in LAYOUTS:
        for sheet in sheets(table_in(form)):
            assert len(sheet.lines[0].cells) == len(sheet.heads)
