"""A table beside the papers: their numbers, how the protocols differ, and whether ours lie inside their intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from ..errors import PmllError
from ..published import Published, published
from ..report.frame import Identity
from ..report.papers.against import TRUSTED, place_of, published_for, tags_of
from ..report.papers.departures import Made, made
from ..report.tables.row import Row
from ..report.tables.table import Block
from ..store.result import Result
from .trust import PaperEvidence

SDS = 2  # a published interval is the mean ± this many of its standard deviations


def published_of(identity: Identity) -> tuple[Published, ...]:
    """The published mAPs for a data set and a regime, in the order of their sources."""
    wanted = (identity["dataset"], identity["regime"], "map")
    return tuple(each for each in published() if (each.dataset, each.regime, each.metric) == wanted)


def departures(block: Block, row: Row, method: str, result: Callable[[], Result | None]) -> tuple[str, ...]:
    """How the protocols of papers differ from that of a row, one sentence per table of a paper with its method.

    `result` is one of the row's; it is asked for only if there is such a paper.
    """
    groups = published_for(block, method)
    found = result() if groups else None
    if found is None:
        return ()
    how = _made(found)
    return tuple(
        f"{_source(group[0])}: {', '.join(tags_of(block, row, group[0], how)) or 'the same protocol'}"
        for group in groups
    )


def paper_evidence(block: Block, row: Row, result: Result) -> PaperEvidence:
    """Whether a row is inside the published interval of its method under the same protocol, at paper size."""
    if result.track != "paper":
        return PaperEvidence(missing=f"not at paper size: it is on the track {result.track}")
    if block.identity["dataset"].endswith("-subset") or "subset=" in block.identity["options"]:
        return PaperEvidence(missing="not at paper size: it is on a part of the data set")
    how, outside = _made(result), ""
    inside: list[str] = []
    for group in published_for(block, result.method):
        if any(tags_of(block, row, group[0], how)):
            continue
        texts = list(_compared(block, row, group))
        if texts and all(within for within, _ in texts):
            inside += [text for _, text in texts]
        outside = outside or next((text for within, text in texts if not within), "")
    return PaperEvidence(tuple(inside)) if inside else PaperEvidence(missing=outside or PaperEvidence().missing)


def _compared(block: Block, row: Row, group: Sequence[Published]) -> Iterator[tuple[bool, str]]:
    """For each number of a paper with an sd: whether ours is inside of its interval, and both in words."""
    for number in group:
        place = place_of(block, number)
        if place is None or number.sd is None or math.isnan(row.numbers[place].mean):
            continue
        ours, spread = row.numbers[place].mean, SDS * number.sd
        within = abs(ours - number.value) <= spread
        where = block.headers[place]
        what = f"{where}: {ours:.1f} is {'inside' if within else 'outside'} {number.value:.1f} ± {spread:.1f}"
        yield within, f"{what} ({_source(number)})"


def _source(number: Published) -> str:
    quoted = TRUSTED.get(number.trust)
    return f"{number.source}, {number.table}" + (f", {quoted}" if quoted else "")


def _made(result: Result) -> Made:
    """How a result was made; a setting that the method does not know is a departure, too."""
    try:
        return made(result)
    except PmllError as error:
        return Made("", (f"not comparable: {error.what}",))
