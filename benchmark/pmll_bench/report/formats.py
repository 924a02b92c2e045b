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
from .aggregate import MISSING, Mark, Shown
from .line import ELSEWHERE, INFERRED
from .table import Block, Table

_SIGN: Mapping[Mark, str] = {"": " ", "best": "*", "second": "+"}
_STYLE: Mapping[Mark, str] = {"": "", "best": "bold", "second": "underline"}


def terminal(table: Table, width: int | None = None, *, colour: bool = False, spell: Callable[[str], str] = str) -> str:
    """Aligned text. Nothing is ever cut: without a `width` (a pipe) a line is as long as it needs to be.

    Where a block is wider than `width` its numbers lose their ±, and a note says so. `spell` writes text as the
    terminal can show it, before it is aligned.
    """
    if not table.blocks:
        return "no results\n"
    return "\n\n".join(_terminal_block(block, width, colour, spell) for block in table.blocks) + "\n"


def markdown(table: Table) -> str:
    """Pipe tables, the best bold and the second best in italics."""
    return "\n\n".join(_markdown_block(block) for block in table.blocks) + "\n"


def comma_separated(table: Table) -> str:
    """One line a row of the table, numbers in full precision, sd and n in columns of their own."""
    file, rows = io.StringIO(), list(_flat(table))
    writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def latex(table: Table) -> str:
    r"""One `table*` environment a block, in the style of booktabs, the best bold and the second best underlined."""
    return "% needs \\usepackage{booktabs}\n" + "\n\n".join(_latex_block(block) for block in table.blocks) + "\n"


def as_json(table: Table) -> str:
    """The whole table as one JSON document; what is undefined is null."""
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
    if width is not None and lines[0].cell_len > width and any(shown.spread for shown in block.numbers):
        lines = _aligned(block, spell, spread=False)
        notes.append("The ± is left out to fit; a wider terminal or another format has it.")
    if any(shown.mark for shown in block.numbers):
        notes.insert(0, "* best, + second best of a column, by the numbers as shown.")
    rule = Text(spell("─") * lines[0].cell_len)
    console = Console(width=width, force_terminal=colour, color_system="standard" if colour else None)
    with console.capture() as capture:
        console.print(Text(spell(block.title), "bold"), Text(spell(block.caption)), sep="\n", soft_wrap=width is None)
        console.print(rule, lines[0], rule, *lines[1:], rule, sep="\n", soft_wrap=True)
        for note in notes:
            console.print(Text(spell(note)), soft_wrap=width is None)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _aligned(block: Block, spell: Callable[[str], str], *, spread: bool) -> list[Text]:
    """Header and rows, all equally wide; the ± and the mark have places of their own, so digits stay in line."""
    names = [Text("method"), *(Text(spell(line.name)) for line in block.lines)]
    columns = [names]
    for header, numbers in zip(block.headers, zip(*(line.numbers for line in block.lines), strict=True), strict=True):
        spreads = [spell(f" ± {shown.spread}") if spread and shown.spread else "" for shown in numbers]
        room = max(map(len, spreads))
        cells = [
            Text(spell(shown.number) + text.ljust(room), _STYLE[shown.mark]).append(_SIGN[shown.mark])
            for shown, text in zip(numbers, spreads, strict=True)
        ]
        columns.append([Text(f"{header} "), *cells])
    for column in columns:
        width, pad = max(cell.cell_len for cell in column), Text.pad_right if column is names else Text.pad_left
        for cell in column:
            pad(cell, width - cell.cell_len)
    return [Text("  ").join(row) for row in zip(*columns, strict=True)]


def _markdown_block(block: Block) -> str:
    marks = {"": "{}", "best": "**{}**", "second": "*{}*"}
    rows = [["method", *block.headers], ["---", *("---:" for _ in block.headers)]]
    for line in block.lines:
        name = line.name.replace("|", "\\|")
        rows.append([name, *(marks[shown.mark].format(shown.text) for shown in line.numbers)])
    notes = list(block.notes)
    if any(shown.mark for shown in block.numbers):
        notes.insert(0, "Bold: best, italics: second best of a column, by the numbers as shown.")
    grid = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join([f"**{block.title}**", block.caption, grid, *notes])


def _flat(table: Table) -> Iterator[dict[str, object]]:
    """The rows of all blocks, one number an entry; empty where a block lacks a ratio that another has."""
    ratios = sorted({ratio for block in table.blocks for ratio in block.ratios})
    for block in table.blocks:
        scored, metric = len(block.identity["scored"]), table.layout.metric
        shared = {**block.identity, "scored": scored, "metric": metric, "sd over": block.over}
        for line in block.lines:
            row = {"method": line.label, "selection": line.selection, "view": line.view, **shared}
            columns = dict(zip(block.ratios, line.row.cells, strict=True))
            shown = {percent(ratio): columns.get(ratio) for ratio in ratios} | {"average": line.row.average}
            for column, cell in shown.items():
                row |= {f"{column} {name}": number for name, number in _numbers(cell).items()}
            yield row


def _numbers(shown: Shown | None) -> dict[str, float | None]:
    """Mean, sd and n; None for what is undefined."""
    if shown is None:
        return {"mean": None, "sd": None, "n": None}
    mean, sd = (None if math.isnan(value) else value for value in (shown.mean, shown.sd))
    return {"mean": mean, "sd": sd, "n": shown.n}


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
        ELSEWHERE: r"$\ddagger$",
        MISSING: "---",
    }
)


def _latex_block(block: Block) -> str:
    notes = [note.translate(_LATEX) for note in block.notes]
    if any(shown.mark for shown in block.numbers):
        notes.insert(0, "Bold: best; underlined: second best of a column, by the numbers as shown.")
    rows = [[line.name.translate(_LATEX), *map(_latex_number, line.numbers)] for line in block.lines]
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


def _latex_number(shown: Shown) -> str:
    commands: Mapping[Mark, str] = {"": "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}
    number = commands[shown.mark].format(shown.number.translate(_LATEX))
    return rf"{number}\,{{\scriptsize$\pm${shown.spread}}}" if shown.spread else number


def _json_block(block: Block) -> dict[str, object]:
    return {
        "title": block.title,
        "caption": block.caption,
        "notes": block.notes,
        "sd_over": block.over,
        **block.identity,
        "rows": [
            {
                "method": line.label,
                "selection": line.selection,
                "view": line.view,
                "inferred": line.inferred,
                "stated": line.stated,
                "cells": [
                    {"ratio": ratio, **_json_number(shown)}
                    for ratio, shown in zip(block.ratios, line.row.cells, strict=True)
                ],
                "average": _json_number(line.row.average),
            }
            for line in block.lines
        ],
    }


def _json_number(shown: Shown) -> dict[str, object]:
    return {**_numbers(shown), "text": shown.text, "mark": shown.mark}
