"""Published numbers beside ours: for each method its row here and the rows of papers, with what differs in protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ...published import SELECTION, Published
from ...report.tables.aggregate import MISSING
from ..records import Row, Table


@dataclass(frozen=True)
class Line:
    """A row of the table of published numbers; `ours` marks a row of this board."""

    name: str
    source: str
    numbers: tuple[str, ...]
    protocol: str
    ours: bool


def beside(table: Table) -> list[list[Line]]:
    """The published numbers of a table in groups, one per method: rows of ours first, then those of papers.

    Methods with a row here come first, in its order.
    """
    rows = (*table.ranked, *table.unranked)
    by_method = {
        method: list(found)
        for method, found in groupby(sorted(table.published, key=_key), key=lambda each: each.method)
    }
    order = [*dict.fromkeys(row.method for row in rows if row.method in by_method), *by_method]
    return [
        [*_ours(table, [row for row in rows if row.method == method]), *_papers(table, by_method[method])]
        for method in dict.fromkeys(order)
    ]


def _key(each: Published) -> tuple[str, ...]:
    return each.method, each.variant, each.source, each.table, *each.protocol, each.selection


def _ours(table: Table, rows: Sequence[Row]) -> Iterator[Line]:
    for row in rows:
        known = table.departures.get(row.slug)
        differs = MISSING if known is None else f"differs: {'; '.join(known)}" if known else "no known difference"
        yield Line(row.name, "this board", tuple(number.mean_text for number in row.numbers), differs, ours=True)


def _papers(table: Table, found: Sequence[Published]) -> Iterator[Line]:
    for _, group in groupby(found, key=_key):
        numbers = list(group)
        one = numbers[0]
        name = f"{one.method} ({one.variant})" if one.variant else one.method
        protocol = "; ".join((*one.protocol, f"selection: {SELECTION[one.selection]}"))
        yield Line(name, f"{one.source}, {one.table}", tuple(_cells(table, numbers)), protocol, ours=False)


def _cells(table: Table, numbers: Sequence[Published]) -> Iterator[str]:
    """The numbers in the columns of the table; a mean over ratios only if it is over the same ones."""
    by_ratio = {each.ratio: each for each in numbers if each.ratio is not None}
    means = [each for each in numbers if each.ratio is None]
    if len(table.ratios) == 1:
        yield _text(by_ratio.get(table.ratios[0]) or next((each for each in means if not each.averaged), None))
        return
    for ratio in table.ratios:
        yield _text(by_ratio.get(ratio))
    yield _text(next((each for each in means if each.averaged == table.ratios), None))


def _text(number: Published | None) -> str:
    if number is None:
        return MISSING
    return f"{number.value:.1f}" + (f" ± {number.sd:.1f}" if number.sd is not None else "")
