r"""The numbers of a table as LaTeX macros, to be used in the text of a paper, and macros for how numbers look."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ...plan.cell import percent
from ..tables.aggregate import Number
from ..tables.row import Row
from ..tables.table import Block, Table
from .latex import Style

STYLE = Style(
    best=r"\pmllBest{{{}}}",
    second=r"\pmllSecond{{{}}}",
    spread=r"\pmllSpread{{{}}}{{{}}}",
    grey=r"\pmllGrey{{{}}}",
    missing=r"\pmllMissing{}",
)
_HEAD = r"""%% Numbers of results as macros, written by pmll-bench. Read it in the preamble: \input{%s}
%% \pmll{METHOD}{DATA SET}{RATIO} is a mean, \pmllSd{...} its sd, \pmllPm{...} both. RATIO is a percentage or avg.
%% \pmll[METRIC]{...} is another metric than %s. A combination without a number gives a bold ?? and a warning.
%% How a number looks in tables: define these before this file, or redefine them after it.
\providecommand{\pmllBest}[1]{\textbf{#1}}
\providecommand{\pmllSecond}[1]{\underline{#1}}
\providecommand{\pmllSpread}[2]{#1\,{\scriptsize$\pm$#2}}
\providecommand{\pmllGrey}[1]{\textcolor{gray}{#1}}
\providecommand{\pmllMissing}{---}
\makeatletter
\providecommand{\pmll@of}[5]{\ifcsname pmll@#1@#2@#3@#4@#5\endcsname\csname pmll@#1@#2@#3@#4@#5\endcsname
  \else\textbf{??}\GenericWarning{}{pmll-bench: no number #2 of #3 on #4 at #5}\fi}
\providecommand{\pmll}[4][%s]{\pmll@of{mean}{#1}{#2}{#3}{#4}}
\providecommand{\pmllSd}[4][%s]{\pmll@of{sd}{#1}{#2}{#3}{#4}}
\providecommand{\pmllPm}[4][%s]{\pmll@of{mean}{#1}{#2}{#3}{#4}\,$\pm$\,\pmll@of{sd}{#1}{#2}{#3}{#4}}
"""


def macros(table: Table, file: str) -> str:
    """The definitions, as the text of a file with this name. Keys are those of the command line.

    A row with another selection rule than `last` is METHOD-RULE. If several blocks have one data set, their regime and
    what else distinguishes them follow its name.
    """
    metric = table.layout.metrics[0]
    start = _HEAD % (file.removesuffix(".tex"), metric, metric, metric, metric)
    return start + "\n".join(_definitions(table)) + "\n\\makeatother\n"


def _definitions(table: Table) -> Iterator[str]:
    for block in table.blocks:
        for row in block.rows:
            method = row.label if row.selection == "last" else f"{row.label}-{row.selection}"
            for ratio, number in _numbers(block, row):
                key = "@".join([block.metric, _key(method), _key(_data(block, table.blocks)), ratio])
                yield from _define(key, number)


def _numbers(block: Block, row: Row) -> Iterator[tuple[str, Number]]:
    for ratio, number in zip(block.ratios, row.means.cells, strict=True):
        yield percent(ratio).removesuffix("%"), number
    yield "avg", row.means.average


def _define(key: str, number: Number) -> Iterator[str]:
    if number.n:
        yield rf"\@namedef{{pmll@mean@{key}}}{{{number.mean_text}}}"
    if number.sd_text:
        yield rf"\@namedef{{pmll@sd@{key}}}{{{number.sd_text}}}"


def _data(block: Block, blocks: Sequence[Block]) -> str:
    name: str = block.identity["dataset"]
    titles = {each.title for each in blocks if each.identity["dataset"] == name}
    return name if len(titles) == 1 else f"{name}-{block.title.partition(', ')[2]}"


def _key(text: str) -> str:
    """A text without characters that have a meaning in TeX."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "-", text)
