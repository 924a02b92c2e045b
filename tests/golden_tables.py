"""The tables whose text is kept in tests/data/tables, byte for byte: every format of every layout.

`python tests/golden_tables.py` writes them anew. Read the difference before you commit it: it is what users will see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from made_up_results import grid, made_up, table_of
from pmll_bench.report.formats import labels
from pmll_bench.report.formats.latex import latex
from pmll_bench.report.formats.macros import STYLE, macros
from pmll_bench.report.formats.registry import FORMATS
from pmll_bench.report.tables.labels import label_blocks
from pmll_bench.report.tables.row import Beside, Column
from pmll_bench.report.tables.table import Layout, Table
from pmll_bench.store.result import Result

FOLDER = Path(__file__).parent / "data" / "tables"
SUFFIXES = {"terminal": "txt", "markdown": "md", "csv": "csv", "latex": "tex", "html": "html", "json": "json"}
SPECIAL = "=a_b & <c>|d"  # a name with characters that CSV, LaTeX, HTML or Markdown read as something else
PRINTED = {"dualcoop": "DualCoOp", "kggr": "KGGR"}


def golden_files() -> dict[str, str]:
    """The text of each file by its name."""
    files = {}
    for form, table in tables().items():
        layout_free = () if form in ("ratios", "f1") else ("csv", "json")  # these don't depend on the layout
        for name, render in FORMATS.items():
            if name not in layout_free:
                files[f"{form}.{SUFFIXES[name]}"] = render(table)
    f1 = tables()["f1"]
    files |= {"macros.tex": latex(f1, STYLE), "macros-numbers.tex": macros(f1, "macros-numbers.tex")}
    blocks = label_blocks(by_label(), Layout(order=["dualcoop", "bce"]))
    return files | {f"per-class.{SUFFIXES[name]}": render(blocks) for name, render in labels.FORMATS.items()}


def tables() -> Mapping[str, Table]:
    """A table by the name of its layout."""
    printed: dict[str, Any] = {"names": PRINTED, "datasets": {"voc2007": "VOC 2007"}}
    printed |= {"cites": {"dualcoop": "sun2022dualcoop"}, "order": ["bce", "dualcoop"], "inferred": ["kggr"]}
    of = {"single-positive": of_one_ratio(), "semi": of_shares(), "auto": [*of_one_ratio(), *of_shares()]}
    forms = ("ratios", "stacked", "datasets", "f1", "single-positive", "semi", "auto")
    return {form: with_additions(table_of(of.get(form, partial()), form=form, **printed)) for form in forms}


def partial() -> list[Result]:
    """Two data sets; an oracle, a missing ratio, a recipe that no source states, and one seed instead of three."""
    shares: dict[str, Any] = {"ratios": [0.1, 0.5, 0.9]}
    found = [*grid("bce", 0.60, **shares, oracle=0.72), *grid("dualcoop", 0.70, **shares)]
    found += [*grid("kggr", 0.65, ratios=[0.5, 0.9], stated=False), *grid(SPECIAL, 0.55, method="bce", **shares)]
    voc: dict[str, Any] = {"dataset": "voc2007", "seeds": 1, "options": {"difficult": "ignored"}, "known": 2400}
    found += [*grid("bce", 0.82, **shares, **voc), *grid("dualcoop", 0.80, **shares, **voc)]
    return [with_f1(each) for each in found]


def with_f1(result: Result) -> Result:
    """The result with a CF1 of a third of its mAP, and an oracle that has both F1."""
    oracle = result.oracle and result.oracle.model_copy(update={"metrics": {"map": 0.72, "OF1": 0.36, "CF1": 0.24}})
    return result.model_copy(update={"metrics": {**result.metrics, "CF1": result.metrics["map"] / 3}, "oracle": oracle})


def of_one_ratio() -> list[Result]:
    """Single-positive labels of two data sets; one method lacks one of them."""
    single: dict[str, Any] = {"regime": "single-positive", "mask": "single-positive/1", "ratios": [1.0]}
    found = [*grid("an", 0.6, **single), *grid("role", 0.7, **single), *grid("hill", 0.61, dataset="cub", **single)]
    return [*found, *grid("an", 0.15, dataset="cub", **single), *grid("role", 0.1, dataset="cub", **single)]


def of_shares() -> list[Result]:
    """Some images fully labelled: other shares on the one data set than on the other."""
    semi: dict[str, Any] = {"regime": "semi"}
    found = [*grid("cap", 0.5, ratios=[0.05, 0.1], **semi), *grid("ssmll", 0.55, ratios=[0.05, 0.1], **semi)]
    return [*found, *grid("cap", 0.6, ratios=[0.05, 0.1, 0.2], dataset="coco2014", **semi)]


def by_label() -> list[Result]:
    """Two methods at two ratios with the AP of four labels; the last one has no test positives."""
    known = [300, 100, 20, 19]
    return [
        made_up(name, level, ratio=ratio, seed=seed, train_positives=known, ap=[level, level / 2, 0.02 * seed, None])
        for name, level in (("dualcoop", 0.7), ("bce", 0.6))
        for ratio in (0.1, 0.2)
        for seed in (0, 1)
    ]


def with_additions(table: Table) -> Table:
    """The table with a column of ranks, and with a published row below the first row of the first block."""
    first, *others = table.blocks
    row = first.rows[0]
    paper = Beside(
        "Paper, Table 1", "published", ("70.1",) * len(first.headers), (row.label, row.selection), tags="448 px"
    )
    ranks = tuple(f"{place}–{place + 1}" for place in range(1, len(first.rows) + 1))
    added = replace(first, columns=(Column("rank", ranks, "rank"),), beside=(paper,))
    return replace(table, blocks=(added, *others))


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for name, text in golden_files().items():
        (FOLDER / name).write_bytes(text.encode())
