"""A table as LaTeX, with booktabs."""

from __future__ import annotations

from collections.abc import Mapping

from ..tables.aggregate import MISSING, Mark, Number
from ..tables.row import INFERRED, UNSTATED
from ..tables.table import Block, Table

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


def latex(table: Table) -> str:
    r"""One booktabs `table*` per block; the best number of a column is bold, the second best underlined."""
    return "% needs \\usepackage{booktabs}\n" + "\n\n".join(_latex_block(block) for block in table.blocks) + "\n"


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
