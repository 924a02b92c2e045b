"""The tables of a board: comparable rows, ranked as far as they are complete and their scores were recomputed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ..plan.cell import digest
from ..report.comparing.design import design
from ..report.comparing.uncertainty import oracle_gaps, with_half_widths
from ..report.cost import cost_rows, spent
from ..report.frame import ORACLE, Identity, row_name
from ..report.tables.aggregate import Number, marked
from ..report.tables.layouts import slug
from ..report.tables.table import Block
from .material import Material
from .papers import published_of
from .ranking import ALONE, NOBODY, Coverage, Ranking, coverage, ranking
from .records import Row, Table
from .rescoring import BlockCells, rescore
from .rows import Candidate, candidate, row_of, why_unranked


@dataclass(frozen=True)
class Made:
    """A table with what the scores of its cells gave, for the pages of its methods."""

    table: Table
    cells: BlockCells


def table_of(material: Material, block: Block, part: pd.DataFrame) -> Made:
    """The table of a block of comparable results, whose lines are `part`."""
    lines = _named(part)
    cells = rescore(material.store, lines, material.results, material.sampling)
    block = _with_half_widths(_without_oracles(block, lines), lines, cells, material)
    candidates = _candidates(material, block, part, lines, cells)
    found, covered, reasons = _ranked(candidates, lines, cells, material)
    rows = _rows(candidates, found, covered, reasons)
    unranked = sorted((row for row in rows if row.standing is None), key=lambda row: (row.name, row.slug))
    by_name = {each.name: row for each, row in zip(candidates, rows, strict=True)}
    table = Table(
        slug=_slug(block.identity),
        title=block.title,
        dataset=block.identity["dataset"],
        regime=block.identity["regime"],
        identity=block.identity,
        caption=block.caption,
        ratios=block.ratios,
        headers=block.headers,
        ranked=tuple(by_name[name] for name in found.standings),
        unranked=tuple(unranked),
        difference=found.difference,
        significant=found.significant,
        noise=found.noise,
        notes=(*block.notes, *(f"Not in the ranks, because not all ranked rows have it: {t}." for t in found.left_out)),
        published=published_of(block.identity),
        departures={row.slug: each.departures for each, row in zip(candidates, rows, strict=True) if each.departures},
    )
    return Made(table, cells)


def _named(part: pd.DataFrame) -> pd.DataFrame:
    """The lines with the names of their rows, without the oracles of results whose own epoch has a line, too."""
    own = set(part.loc[part["selection"] != ORACLE, "cell_id"])
    kept = part[(part["selection"] != ORACLE) | ~part["cell_id"].isin(own)]
    return kept.assign(name=[row_name(*key) for key in zip(kept["label"], kept["selection"], strict=True)])


def _without_oracles(block: Block, lines: pd.DataFrame) -> Block:
    names = set(lines["name"])
    return replace(block, rows=tuple(row for row in block.rows if row_name(row.label, row.selection) in names))


def _with_half_widths(block: Block, lines: pd.DataFrame, cells: BlockCells, material: Material) -> Block:
    """The block with the half-widths of intervals in place of sds, for rows whose cells were all re-scored."""
    ids = lines.groupby("name")["cell_id"].agg(set)
    rows = [row_name(row.label, row.selection) for row in block.rows]
    designs = {name: design(lines, (name,)) for name in rows if ids[name] <= cells.rescored.keys()}
    outcomes = {cell: each.outcome for cell, each in cells.rescored.items()}
    return with_half_widths(block, designs, outcomes, material.sampling) if designs else block


def _candidates(
    material: Material, block: Block, part: pd.DataFrame, lines: pd.DataFrame, cells: BlockCells
) -> list[Candidate]:
    """The rows of a block with all that is known of each, but for its rank."""
    by_name = dict(iter(lines.groupby("name")))
    costs = {each: spent(material.results[each]) for each in lines["cell_id"]}
    spents = iter(cost_rows(block, lines, costs))
    gaps = oracle_gaps(block, part)
    return [
        candidate(
            material,
            block,
            row,
            by_name[row_name(row.label, row.selection)],
            cells,
            None if row.selection == ORACLE else next(spents),
            gap,
        )
        for row, gap in zip(block.rows, gaps, strict=True)
    ]


def _ranked(
    candidates: Sequence[Candidate], lines: pd.DataFrame, cells: BlockCells, material: Material
) -> tuple[Ranking, Coverage, Mapping[str, str]]:
    """The ranking, what rows have of what most have, and why a row is not ranked, by name; empty for ranked ones."""
    reasons = {each.name: why_unranked(each) for each in candidates}
    covered = coverage(lines, list(reasons), [name for name, why in reasons.items() if not why])
    reasons = {name: why or covered.lacking.get(name, "") for name, why in reasons.items()}
    outcomes = {cell: each.outcome for cell, each in cells.rescored.items()}
    complete = [name for name, why in reasons.items() if not why]
    found = ranking(lines, complete, outcomes, material.sampling)
    if found is None:
        return NOBODY, covered, {name: why or ALONE for name, why in reasons.items()}
    return found, covered, reasons


def _rows(candidates: Sequence[Candidate], found: Ranking, covered: Coverage, reasons: Mapping[str, str]) -> list[Row]:
    """The records of the rows, in the order of the candidates; the best numbers of ranked rows are marked."""
    columns = zip(*(each.row.numbers for each in candidates), strict=True)
    ranked = [each.name in found.standings for each in candidates]
    marks = list(zip(*(_marked(column, ranked) for column in columns), strict=True))
    slugs = _slugs([each.row.means.name for each in candidates])
    return [
        row_of(
            each,
            key=own,
            numbers=numbers,
            standing=found.standings.get(each.name),
            unranked=reasons[each.name],
            present=covered.present[each.name],
            expected=covered.expected,
        )
        for each, own, numbers in zip(candidates, slugs, marks, strict=True)
    ]


def _marked(column: Sequence[Number], ranked: Sequence[bool]) -> list[Number]:
    """A column with the best and the second best number of ranked rows marked, and no others."""
    plain = [
        replace(number, mark="", eligible=number.eligible and own) for number, own in zip(column, ranked, strict=True)
    ]
    return marked(plain)


def _slug(identity: Identity) -> str:
    """The name of a table's page: it does not depend on which other tables there are."""
    named = [str(identity[name]) for name in ("dataset", "regime", "track")]
    whole = {name: list(value) if isinstance(value, tuple) else value for name, value in identity.items()}
    return f"{slug(' '.join(named))}-{digest(whole)[:6]}"


def _slugs(names: Iterable[str]) -> list[str]:
    """A key for each name: those of equal names differ."""
    found: list[str] = []
    for name in names:
        key = slug(name).strip(".") or "row"
        number = next(n for n in range(1, len(found) + 2) if (f"{key}-{n}" if n > 1 else key) not in found)
        found.append(f"{key}-{number}" if number > 1 else key)
    return found
