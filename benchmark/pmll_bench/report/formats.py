"""A table as text: for a terminal or a pipe, as Markdown, CSV, LaTeX and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console
from rich.text import Text

from ..plan.cell import percent
from .aggregate import MISSING, Mark, Number
from .row import INFERRED, UNSTATED
from .table import Block, Table

_SIGN: Mapping[Mark, str] = {"": " ", "best": "*", "second": "+"}
_STYLE: Mapping[Mark, str] = {"": "", "best": "bold", "second": "underline"}


def terminal(table: Table, width: int | None = None, *, colour: bool = False, spell: Callable[[str], str] = str) -> str:
    """Aligned text. Nothing is truncated: without a `width` (a pipe), lines are as long as they need to be.

    If a block is wider than `width`, its ± are omitted and a note says so. `spell` converts text to what the terminal
    can show, before alignment.
    """
    if not table.blocks:
        return "no results\n"
    return "\n\n".join(_terminal_block(block, width, colour, spell) for block in table.blocks) + "\n"


def markdown(table: Table) -> str:
    """Pipe tables; the best number of a column is bold, the second best in italics."""
    return "\n\n".join(_markdown_block(block) for block in table.blocks) + "\n"


def comma_separated(table: Table) -> str:
    """One line per row of the table; numbers in full precision, sd and n in separate columns."""
    file, rows = io.StringIO(), list(_flat(table))
    writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def latex(table: Table) -> str:
    r"""One booktabs `table*` per block; the best number of a column is bold, the second best underlined."""
    return "% needs \\usepackage{booktabs}\n" + "\n\n".join(_latex_block(block) for block in table.blocks) + "\n"


def as_json(table: Table) -> str:
    """The whole table as one JSON document; undefined numbers are null."""
    document = {
        "schema": "pmll.table/1",
        "metric": table.layout.metric,
        "unit": "percent",
        "blocks": [_json_block(block) for block in table.blocks],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


FORMATS: Mapping[str, Callable[[Table], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "csv": comma_separated,
    "latex": latex,
    "json": as_json,
}


def _terminal_block(block: Block, width: int | None, colour: bool, spell: Callable[[str], str]) -> str:
    lines, notes = _aligned(block, spell, spread=True), list(block.notes)
    if width is not None and lines[0].cell_len > width and any(number.sd_text for number in block.numbers):
        lines = _aligned(block, spell, spread=False)
        notes.append("± omitted to fit the width; use a wider terminal or another format.")
    if any(number.mark for number in block.numbers):
        notes.insert(0, "* best, + second best of a column, by the rounded numbers.")
    rule = Text(spell("─") * lines[0].cell_len)
    console = Console(width=width, force_terminal=colour, color_system="standard" if colour else None)
    with console.capture() as capture:
        console.print(Text(spell(block.title), "bold"), Text(spell(block.caption)), sep="\n", soft_wrap=width is None)
        console.print(rule, lines[0], rule, *lines[1:], rule, sep="\n", soft_wrap=True)
        for note in notes:
            console.print(Text(spell(note)), soft_wrap=width is None)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _aligned(block: Block, spell: Callable[[str], str], *, spread: bool) -> list[Text]:
    """Header and rows, equally wide; ± and marks have columns of their own, so digits line up."""
    names = [Text("method"), *(Text(spell(row.name)) for row in block.rows)]
    columns = [names]
    for header, numbers in zip(block.headers, zip(*(row.numbers for row in block.rows), strict=True), strict=True):
        spreads = [spell(f" ± {number.sd_text}") if spread and number.sd_text else "" for number in numbers]
        room = max(map(len, spreads))
        cells = [
            Text(spell(number.mean_text) + text.ljust(room), _STYLE[number.mark]).append(_SIGN[number.mark])
            for number, text in zip(numbers, spreads, strict=True)
        ]
        columns.append([Text(f"{header} "), *cells])
    for column in columns:
        width, pad = max(cell.cell_len for cell in column), Text.pad_right if column is names else Text.pad_left
        for cell in column:
            pad(cell, width - cell.cell_len)
    return [Text("  ").join(row) for row in zip(*columns, strict=True)]


def _markdown_block(block: Block) -> str:
    marks = {"": "{}", "best": "**{}**", "second": "*{}*"}
    lines = [["method", *block.headers], ["---", *("---:" for _ in block.headers)]]
    for row in block.rows:
        name = row.name.replace("|", "\\|")
        lines.append([name, *(marks[number.mark].format(number.text) for number in row.numbers)])
    notes = list(block.notes)
    if any(number.mark for number in block.numbers):
        notes.insert(0, "Bold: best; italics: second best of a column, by the rounded numbers.")
    grid = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([f"**{block.title}**", block.caption, grid, *notes])


def _flat(table: Table) -> Iterator[dict[str, object]]:
    """The rows of all blocks, one number per entry; empty if a block lacks a ratio that another block has."""
    ratios = sorted({ratio for block in table.blocks for ratio in block.ratios})
    for block in table.blocks:
        scored, metric = len(block.identity["scored"]), table.layout.metric
        shared = {**block.identity, "scored": scored, "metric": metric, "sd over": block.over}
        for row in block.rows:
            line = {"method": row.label, "selection": row.selection, "view": row.view, **shared}
            by_ratio = dict(zip(block.ratios, row.means.cells, strict=True))
            columns = {percent(ratio): by_ratio.get(ratio) for ratio in ratios} | {"average": row.means.average}
            for column, number in columns.items():
                line |= {f"{column} {name}": value for name, value in _values(number).items()}
            yield line


def _values(number: Number | None) -> dict[str, float | None]:
    """Mean, sd and n; None if undefined."""
    if number is None:
        return {"mean": None, "sd": None, "n": None}
    mean, sd = (None if math.isnan(value) else value for value in (number.mean, number.sd))
    return {"mean": mean, "sd": sd, "n": number.n}


_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "≥": r"$\geq$",
        "×": r"$\times$",
        INFERRED: r"$\dagger$",
        UNSTATED: r"$\ddagger$",
        MISSING: "---",
    }
)


def _latex_block(block: Block) -> str:
    notes = [note.translate(_LATEX) for note in block.notes]
    if any(number.mark for number in block.numbers):
        notes.insert(0, "Bold: best; underlined: second best of a column, by the rounded numbers.")
    rows = [[row.name.translate(_LATEX), *map(_latex_number, row.numbers)] for row in block.rows]
    return "\n".join(
        [
            r"\begin{table*}[t]",
            r"\centering\small\setlength{\tabcolsep}{3pt}",
            rf"\caption{{\textbf{{{block.title.translate(_LATEX)}.}} {block.caption.translate(_LATEX)}}}",
            rf"\begin{{tabular}}{{l{'r' * len(block.headers)}}}",
            r"\toprule",
            " & ".join(["Method", *(header.translate(_LATEX) for header in block.headers)]) + r" \\",
            r"\midrule",
            *(" & ".join(row) + r" \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            *([rf"\par\smallskip{{\footnotesize {' '.join(notes)}}}"] if notes else []),
            r"\end{table*}",
        ]
    )


def _latex_number(number: Number) -> str:
    commands: Mapping[Mark, str] = {"": "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}
    mean = commands[number.mark].format(number.mean_text.translate(_LATEX))
    return rf"{mean}\,{{\scriptsize$\pm${number.sd_text}}}" if number.sd_text else mean


def _json_block(block: Block) -> dict[str, object]:
    return {
        "title": block.title,
        "caption": block.caption,
        "notes": block.notes,
        "sd_over": block.over,
        **block.identity,
        "rows": [
            {
                "method": row.label,
                "selection": row.selection,
                "view": row.view,
                "inferred": row.inferred,
                "stated": row.stated,
                "cells": [
                    {"ratio": ratio, **_json_number(number)}
                    for ratio, number in zip(block.ratios, row.means.cells, strict=True)
                ],
                "average": _json_number(row.means.average),
            }
            for row in block.rows
        ],
    }


def _json_number(number: Number) -> dict[str, object]:
    return {**_values(number), "text": number.text, "mark": number.mark}
