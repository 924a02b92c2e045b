"""The rows of a table: what is known of each, why one is not ranked, and its record."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from ..report.cost import CostRow
from ..report.frame import ORACLE, row_name
from ..report.papers.names import method_named
from ..report.tables.aggregate import Number
from ..report.tables.layouts import slug
from ..report.tables.row import Row as BlockRow
from ..report.tables.table import Block
from ..submission.package import Submission
from .material import Material
from .papers import departures, paper_evidence
from .records import Row, Standing, Trust
from .rescoring import BlockCells
from .trust import PaperEvidence, RowEvidence, Verdict, trust_of, why_claimed

ORACLE_ONLY = "its epoch was chosen on the test set"


@dataclass(frozen=True)
class Candidate:
    """All that is known of a row but its place. `lines` are those of its cells, `disputed` one text per such cell."""

    row: BlockRow
    lines: pd.DataFrame
    evidence: RowEvidence
    verdict: Verdict
    disputed: tuple[str, ...]
    submissions: tuple[Submission, ...]
    cost: CostRow | None
    oracle_gap: float
    departures: tuple[str, ...]
    created: str

    @property
    def name(self) -> str:
        """The name within the block, unlike the one shown."""
        return row_name(self.row.label, self.row.selection)

    @property
    def method(self) -> str:
        return str(self.lines["method"].iloc[0])


def candidate(
    material: Material,
    block: Block,
    row: BlockRow,
    lines: pd.DataFrame,
    cells: BlockCells,
    cost: CostRow | None,
    gap: float,
) -> Candidate:
    """What is known of the row of a block, whose lines are given."""
    ids = sorted(lines["cell_id"])
    evidence = RowEvidence(
        method=str(lines["method"].iloc[0]),
        scores={cell: material.results[cell].scores for cell in ids},
        problems={cell: cells.problems[cell] for cell in ids if cell in cells.problems},
        packages={cell: material.packages[cell] for cell in ids if cell in material.packages},
    )
    verdict = trust_of(evidence)
    departing = departures(block, row, evidence.method, lambda: material.result(material.first(lines["cell_id"])))
    if verdict.trust == Trust.rerun:
        verdict = trust_of(evidence.beside(_paper(material, block, row, lines)))
    packages = {each.package: each for found in evidence.packages.values() for each in found}
    return Candidate(
        row=row,
        lines=lines,
        evidence=evidence,
        verdict=verdict,
        disputed=tuple(_dispute(material, cell) for cell in ids if cell in material.disputed),
        submissions=tuple(each.submission for _, each in sorted(packages.items()) if each.submission),
        cost=cost,
        oracle_gap=gap,
        departures=departing,
        created=max(material.results[cell].created for cell in ids),
    )


def _paper(material: Material, block: Block, row: BlockRow, lines: pd.DataFrame) -> PaperEvidence:
    if lines["variant"].nunique() > 1:
        return PaperEvidence(missing="settings or recipe differ between its cells")
    result = material.result(material.first(lines["cell_id"]))
    return PaperEvidence() if result is None else paper_evidence(block, row, result)


def _dispute(material: Material, cell: str) -> str:
    """A disputed cell in words: all results that it has."""
    metrics = [material.results[cell].metrics, *(each.metrics for each in material.disputed[cell])]
    maps = [each.get("map", math.nan) for each in metrics]
    texts = [f"{100 * value:.1f}" for value in maps]
    number = {2: "two", 3: "three"}.get(len(maps), str(len(maps)))
    return f"{number} results with mAP {', '.join(texts[:-1])} and {texts[-1]}" if texts[1:] else "another result"


def why_unranked(row: Candidate) -> str:
    """Why a row has no rank, apart from cells that it lacks; empty if there is no such reason."""
    if row.row.selection == ORACLE:
        return ORACLE_ONLY
    if row.disputed:
        others = f" (1 of {len(row.disputed)} disputed cells)" if len(row.disputed) > 1 else ""
        return f"disputed: {row.disputed[0]}{others}"
    if row.evidence.problems:
        return f"claimed: {why_claimed(row.evidence)}"
    return f"refuted by a re-run: {row.verdict.refuted}" if row.verdict.refuted else ""


def row_of(
    row: Candidate,
    *,
    key: str,
    numbers: Sequence[Number],
    standing: Standing | None,
    unranked: str,
    present: int,
    expected: int,
) -> Row:
    """The record of a row."""
    cost, lines = row.cost, row.lines
    return Row(
        slug=key,
        name=row.row.means.name,
        label=row.row.label,
        method=row.method,
        method_page=page_of(row.method),
        selection=row.row.selection,
        trust=row.verdict.trust,
        evidence=row.verdict.sentences,
        numbers=tuple(numbers),
        standing=standing,
        unranked=unranked,
        masks=int(lines["mask_seed"].nunique()),
        seeds=int(lines["seed"].nunique()),
        present=present,
        expected=expected,
        oracle_gap=_known(row.oracle_gap),
        train_seconds=_known(cost and cost.train),
        predict_seconds=_known(cost and cost.predict),
        memory_gb=_known(cost and cost.memory / 1e9),
        trained_parameters=_known(cost and cost.trained),
        parameters=_known(cost and cost.parameters),
        flops=_known(cost and cost.flops),
        machine=cost.machine if cost else "",
        tower=", ".join(sorted(set(lines["tower"]) - {""})),
        inferred=row.row.inferred,
        stated=row.row.stated,
        disputed=row.disputed,
        cells=tuple(sorted(lines["cell_id"])),
        packages=tuple(sorted({each.package for found in row.evidence.packages.values() for each in found})),
        authors=tuple(dict.fromkeys(author for each in row.submissions for author in each.authors)),
        paper=_joined(each.paper for each in row.submissions),
        code=_joined(each.code for each in row.submissions),
        extra_data=_joined(each.extra_data for each in row.submissions),
        cite=method_named(row.row.label, row.method).cite,
        date=row.created[:10],
    )


def page_of(method: str) -> str:
    """The name of a method's page."""
    return slug(method)


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))
