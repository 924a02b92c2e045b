"""A table as LaTeX, with booktabs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..tables.aggregate import MISSING, Mark, Number
from ..tables.layouts import sheets
from ..tables.row import INFERRED, UNSTATED, Cell
from ..tables.sheet import Line, Sheet
from ..tables.table import Table
from .cells import notes

_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "≥": r"$\geq$",
        "×": r"$\times$",
        "Δ": r"$\Delta$",
        "−": "$-$",
        "–": "--",
        "<": "$<$",
        ">": "$>$",
        INFERRED: r"$\dagger$",
        UNSTATED: r"$\ddagger$",
        MISSING: "---",
    }
)
_MARKS: Mapping[Mark, str] = {"": "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}"}


def latex(table: Table) -> str:
    r"""One booktabs `table*` per table; the best number of a column is bold, the second best underlined."""
    shown = sheets(table)
    grey = r"\usepackage{xcolor}" if any(line.grey for sheet in shown for line in sheet.lines) else ""
    needs = rf"% needs \usepackage{{booktabs}}{grey}"
    return f"{needs}\n" + "\n\n".join(latex_sheet(sheet) for sheet in shown) + "\n"


def latex_sheet(sheet: Sheet) -> str:
    """One table as a floating `table*`."""
    below = " ".join(_text(note) for note in notes(sheet, "Bold", "underlined"))
    return "\n".join(
        [
            r"\begin{table*}[t]",
            r"\centering\small\setlength{\tabcolsep}{3pt}",
            rf"\caption{{\textbf{{{_text(sheet.title)}.}} {_text(sheet.caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * len(sheet.heads)}}}",
            r"\toprule",
            *_groups(sheet),
            _row([sheet.stub.capitalize(), *(_text(head.text) for head in sheet.heads)]),
            r"\midrule",
            *_rows(sheet),
            r"\bottomrule",
            r"\end{tabular}",
            *([rf"\par\smallskip{{\footnotesize {below}}}"] if below else []),
            r"\end{table*}",
        ]
    )


def _groups(sheet: Sheet) -> Iterator[str]:
    if not sheet.groups:
        return
    yield _row(["", *(rf"\multicolumn{{{span}}}{{c}}{{{_text(group)}}}" for group, span in sheet.groups)])
    start, rules = 2, []
    for group, span in sheet.groups:
        rules += [rf"\cmidrule(lr){{{start}-{start + span - 1}}}"] if group else []
        start += span
    yield "".join(rules)


def _rows(sheet: Sheet) -> Iterator[str]:
    for number, (section, lines) in enumerate(sheet.sections):
        if section:
            if number:
                yield r"\midrule"
            yield _row([rf"\multicolumn{{{1 + len(sheet.heads)}}}{{l}}{{\emph{{{_text(section)}}}}}"])
        yield from (
            _row([_shown(line, cell) for cell in [_text(line.title), *map(_cell, line.cells)]]) for line in lines
        )


def _row(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _shown(line: Line, cell: str) -> str:
    return rf"\textcolor{{gray}}{{{cell}}}" if line.grey and cell else cell


def _cell(cell: Cell) -> str:
    if not isinstance(cell, Number):
        return _text(cell)
    mean = _MARKS[cell.mark].format(_text(cell.mean_text))
    return rf"{mean}\,{{\scriptsize$\pm${cell.spread_text}}}" if cell.spread_text else mean


def _text(text: str) -> str:
    return text.translate(_LATEX)
