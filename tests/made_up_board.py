"""A board made up by hand: many rows, every kind of row that is not ranked, and names that try to be code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pmll_bench.board.records import Board, Change, MethodPage, OfClass, Row, Standing, Table, Trust
from pmll_bench.published import Published
from pmll_bench.report.tables.aggregate import Number
from pmll_bench.statistics.ranks import letters, rank_intervals

SCRIPT, FORMULA = "<script>alert(1)</script>", "=cmd()"
TENTHS = tuple(tenth / 10 for tenth in range(1, 10))
NAMES = (
    *("DualCoOp", "SSGRL", "SCPNet", "SARL", "linear-probe", "CLIP zero-shot", "Partial BCE", "ASL"),
    *("SST", "HST", "SARB", "DSRB", "KGGR", "ML-GCN", "CoOp", "Hill", "SPLC", "ROLE", "LL-R", "LL-Ct", "LL-Cp", "CAP"),
)


def number(mean: float, half_width: float = 0.8, n: int = 3) -> Number:
    return Number(mean, half_width / 2, n, eligible=True, decimals=1, spread="half-width", half_width=half_width)


def row(
    name: str, level: float, *, ratios: Sequence[float] = TENTHS, trust: Trust = Trust.rescored, place: int = 0
) -> Row:
    """A row whose mAP rises with the ratio around `level`; nan gives a row without numbers."""
    slug = "".join(letter if letter.isalnum() else "-" for letter in name.lower()).strip("-")
    values = [level + 4 * (ratio - 0.5) for ratio in ratios]
    numbers = tuple(number(value) for value in values) + ((number(level),) if len(ratios) > 1 else ())
    return Row(
        slug=slug,
        name=name,
        label=slug if name not in (SCRIPT, FORMULA) else name,
        method=slug,
        method_page=slug,
        selection="last",
        trust=trust,
        evidence=("Metrics recomputed from 27 score files.", "Nobody has run its cells again."),
        numbers=numbers,
        standing=None,
        unranked="",
        masks=3,
        seeds=3,
        present=27,
        expected=27,
        oracle_gap=0.4 + 0.1 * (place % 5) if place % 3 else None,
        train_seconds=2.0 * 1.4**place if place % 7 else None,
        predict_seconds=0.4 + place / 10,
        memory_gb=0.9,
        trained_parameters=2e4 * (1 + place),
        parameters=2.4e6,
        flops=1.2e8,
        machine="A CPU, 1 thread",
        tower="tiny",
        inferred=place % 4 == 1,
        stated=place % 6 != 2,
        disputed=(),
        cells=tuple(f"{place:02x}{cell:014x}" for cell in range(27)),
        packages=(f"{place:064x}",),
        authors=("A. Author", "B. Author"),
        paper="A paper (2026)",
        code="https://example.org/code",
        extra_data="",
        cite="sun2022dualcoop" if name == "DualCoOp" else "",
        date="2026-11-30",
    )


def table(
    slug: str = "shapes-partial", dataset: str = "shapes", rows: int = 20, ratios: Sequence[float] = TENTHS
) -> Table:
    """A table of ranked rows half a point apart, of which those nearer than 1.2 points do not differ significantly."""
    names = [
        SCRIPT,
        FORMULA,
        *(NAMES[place % len(NAMES)] + f" {place}" * (place >= len(NAMES)) for place in range(rows)),
    ]
    levels = [80 - 0.5 * place for place in range(rows)]
    difference = np.subtract.outer(levels, levels)
    significant = np.abs(difference) > 1.2
    intervals, shared = rank_intervals(difference, significant), letters(significant)
    ranked = []
    for place, level in enumerate(levels):
        trust = Trust.reproduced if place == 3 else Trust.rerun if place in (0, 4, 9) else Trust.rescored
        standing = Standing(level, 0.8, intervals[place].best, intervals[place].worst, shared[place])
        ranked.append(replace(row(names[place], level, ratios=ratios, trust=trust, place=place), standing=standing))
    return Table(
        slug=slug,
        title=f"{dataset}, partial labels",
        dataset=dataset,
        regime="partial",
        identity={"dataset": dataset, "regime": "partial", "mask": "counter/1", "track": "smoke"},
        caption=f"mAP (%) on {dataset} (1,200 training and 1,000 test images, 20 classes). Three masks, one seed each.",
        ratios=tuple(ratios),
        headers=(*(f"{100 * ratio:g}%" for ratio in ratios), *(("Avg.",) if len(ratios) > 1 else ())),
        ranked=tuple(ranked),
        unranked=not_ranked(ratios),
        difference=tuple(map(tuple, difference.tolist())),
        significant=tuple(map(tuple, significant.tolist())),
        noise=0.7,
        notes=("The tower may have seen test images.",),
        published=papers(dataset),
        departures={ranked[2].slug: ("ours on the track smoke", "our recipe.batch 16 for 32")} if rows > 2 else {},
    )


def not_ranked(ratios: Sequence[float]) -> tuple[Row, ...]:
    """A row for each reason."""
    incomplete = row("Incomplete", 71.0, ratios=ratios)
    missing = tuple(replace(each, mean=math.nan, n=0) for each in incomplete.numbers[-2:])
    return (
        replace(
            row("Claimed", 99.9, ratios=ratios, trust=Trust.claimed),
            unranked="no scores: a claim that nobody can check",
        ),
        replace(row("Disputed", 77.0, ratios=ratios), unranked="other scores exist for 1 cell", disputed=("0" * 64,)),
        replace(incomplete, numbers=incomplete.numbers[:-2] + missing, present=21, unranked="21 of 27 cells"),
        replace(row("Withdrawn", 79.0, ratios=ratios), unranked="withdrawn: wrong learning rate"),
    )


def papers(dataset: str) -> tuple[Published, ...]:
    def one(method: str, ratio: float, value: float) -> Published:
        return Published(
            method=method,
            variant="",
            dataset=dataset,
            regime="partial",
            ratio=ratio,
            metric="map",
            value=value,
            sd=None,
            source="Sun 2022",
            table="Table 2",
            protocol=("RN101", "448 px"),
            selection="best-test",
            trust="authors",
        )

    return tuple(one(method, tenth, 90 + tenth) for method in ("scpnet", "elsewhere") for tenth in TENTHS)


def page(of: Table, row: Row) -> MethodPage:
    key = of.slug, row.slug
    return MethodPage(
        slug=row.method_page,
        name=row.name,
        title="two learned prompts per class",
        paper="A. Author and B. Author: A paper. 2026.",
        bibtex="@misc{author2026,\n  title = {A paper},\n}",
        status=("golden vectors: every equation", "a step at the paper's size"),
        differs=("crops the centre of a test image",),
        built_in=row.name not in (SCRIPT, FORMULA),
        rows=((of.slug, row),),
        settings={key: {"lr": "0.002", "words": "16", "prompt": SCRIPT}},
        environments={key: ("Python 3.11, torch 2.15, A CPU",)},
        classes={
            key: tuple(OfClass(f"label {c}", None if c == 7 else 40.0 + 3 * c, 30 * c, 20 + c) for c in range(20))
        },
    )


def board(rows: int = 20) -> Board:
    """Three tables: many rows and ratios, a few rows with one ratio, and one without any ranked row."""
    large, small = table(rows=rows), table("voc2007-partial", "voc2007", rows=3, ratios=(0.5,))
    empty = replace(
        small, slug="coco2014-partial", title="coco2014, partial labels", ranked=(), difference=(), significant=()
    )
    return Board(
        title="pmll-bench leaderboard",
        tables=(large, small, replace(empty, noise=None, published=())),
        methods=tuple(
            replace(
                page(large, each),
                rows=tuple((of.slug, one) for of in (large, small) for one in of.ranked if one.slug == each.slug),
            )
            if each in large.ranked
            else page(large, each)
            for each in (*large.ranked, *large.unranked)
        ),
        changes=(
            Change("2026-11-30", "added", "27 cells of DualCoOp from dualcoop.zip", ("0" * 16,)),
            Change("2026-11-29", "withdrawn", f"{SCRIPT} withdrew a cell: wrong learning rate", ("1" * 16,)),
            Change("2026-11-29", "disputed", "1 cell of Disputed has other scores", ("2" * 16,)),
        ),
        warnings=("1 cell is of an older revision.",),
        version="0.1.0",
        resamples=1000,
    )
