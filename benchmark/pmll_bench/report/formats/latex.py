"""A table as LaTeX, with booktabs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..tables.aggregate import MISSING, Mark, Number
from ..tables.layouts import sheets
from ..tables.row import INFERRED, UNSTATED, Cell
from ..tables.sheet import Line, Sheet
from ..tables.table import Table
from .width import Fit, fit

_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",  # <, > and | are other characters in TeX's default fonts
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "±": r"$\pm$",
        "≥": r"$\geq$",
        "≤": r"$\leq$",
        "×": r"$\times$",
        "Δ": r"$\Delta$",
        "−": "$-$",
        "–": "--",
        "…": r"\ldots{}",
        INFERRED: r"$\dagger$",
        UNSTATED: r"$\ddagger$",
        MISSING: "---",
    }
)


@dataclass(frozen=True)
class Style:
    """How numbers look, as formats: a best and a second-best mean, a mean with its spread, a grey cell, no number."""

    best: str = r"\textbf{{{}}}"
    second: str = r"\underline{{{}}}"
    spread: str = r"{}\,{{{small}$\pm${}}}"
    grey: str = r"\textcolor{{gray}}{{{}}}"
    missing: str = "---"


PLAIN = Style()


def latex(table: Table, style: Style = PLAIN) -> str:
    r"""One float per table, with booktabs; the best number of a column is bold, the second best underlined.

    Methods are cited where the table's layout has keys. A table that fits into a column of two-column text is a
    `table`, a wider one a `table*` (`width.fit`).
    """
    return latex_document(sheets(table), style, table.layout.cites)


def latex_document(shown: Sequence[Sheet], style: Style = PLAIN, cites: Mapping[str, str] | None = None) -> str:
    """Tables as floats, after a comment that names the packages that they need."""
    grey = any(line.grey for sheet in shown for line in sheet.lines)
    needs = [r"\usepackage{booktabs}", *([r"\usepackage{xcolor}"] if grey else [])]
    head = f"% needs {''.join(needs)}\n"
    labels = [
        *(head.label for sheet in shown for head in sheet.heads),
        *(line.label for sheet in shown for line in sheet.lines),
    ]
    if any((cites or {}).get(label) for label in labels):
        head += "% 'pmll-bench bibtex' prints the references that it cites\n"
    return head + "\n\n".join(latex_sheet(sheet, style, cites) for sheet in shown) + "\n"


def latex_sheet(sheet: Sheet, style: Style = PLAIN, cites: Mapping[str, str] | None = None) -> str:
    """One table as a float; `cites` are the keys of references by label."""
    names = [_name(line, cites or {}) for line in sheet.lines]
    size = fit(sheet, names)
    below = " ".join([*_marks(sheet, style), *map(_text, sheet.notes)])
    return "\n".join(
        [
            *([f"% {size.warning}"] if size.warning else []),
            rf"\begin{{{size.float}}}[t]",
            rf"\centering\{size.font}\setlength{{\tabcolsep}}{{3pt}}",
            rf"\caption{{\textbf{{{_text(sheet.title)}.}} {_text(sheet.caption)}}}",
            rf"\label{{tab:{sheet.key}}}\par\smallskip",
            rf"\begin{{tabular}}{{l{'r' * len(sheet.heads)}}}",
            r"\toprule",
            *_groups(sheet),
            _row([sheet.stub.capitalize(), *(_cited(head.text, head.label, cites or {}) for head in sheet.heads)]),
            r"\midrule",
            *_rows(sheet, dict(zip(sheet.lines, names, strict=True)), style, size),
            r"\bottomrule",
            r"\end{tabular}",
            *([rf"\par\smallskip{{\footnotesize {below}\par}}"] if below else []),
            rf"\end{{{size.float}}}",
        ]
    )


def _marks(sheet: Sheet, style: Style) -> Iterator[str]:
    """The note about marks, which shows how they look: a paper may have restyled them."""
    if sheet.marked:
        best, second = style.best.format("Best"), style.second.format("second best")
        yield f"{best} and {second} of a {sheet.ranked}, by the rounded numbers."


def _name(line: Line, cites: Mapping[str, str]) -> str:
    return (r"\quad " if line.below else "") + _cited(line.name, line.label, cites)


def _cited(name: str, label: str, cites: Mapping[str, str]) -> str:
    """A name with the reference of its method, if there is one."""
    key = cites.get(label, "")
    return _text(name) + (rf"~\cite{{{key}}}" if key else "")


def _groups(sheet: Sheet) -> Iterator[str]:
    if not sheet.groups:
        return
    yield _row(["", *(rf"\multicolumn{{{span}}}{{c}}{{{_text(group)}}}" for group, span in sheet.groups)])
    start, rules = 2, []
    for group, span in sheet.groups:
        rules += [rf"\cmidrule(lr){{{start}-{start + span - 1}}}"] if group else []
        start += span
    yield "".join(rules)


def _rows(sheet: Sheet, names: Mapping[Line, str], style: Style, size: Fit) -> Iterator[str]:
    for number, (section, lines) in enumerate(sheet.sections):
        if section:
            if number:
                yield r"\midrule"
            yield _row([rf"\multicolumn{{{1 + len(sheet.heads)}}}{{l}}{{\emph{{{_text(section)}}}}}"])
        for line in lines:
            cells = [names[line], *(_cell(cell, style, size) for cell in line.cells)]
            yield _row(style.grey.format(cell) if line.grey and cell else cell for cell in cells)


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: Cell, style: Style, size: Fit) -> str:
    if not isinstance(cell, Number):
        return _text(cell)
    if cell.mean_text == MISSING:
        return style.missing
    marks: Mapping[Mark, str] = {"": "{}", "best": style.best, "second": style.second}
    mean = marks[cell.mark].format(cell.mean_text.replace("-", "$-$"))
    return style.spread.format(mean, cell.spread_text, small=rf"\{size.small}") if cell.spread_text else mean


def _text(text: str) -> str:
    return text.translate(_LATEX)
