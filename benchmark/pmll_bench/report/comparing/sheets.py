"""A comparison as tables of text: the ratios of a pair, the rows of a table against one, or all pairs with ranks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ...plan.cell import percent
from ...statistics.ranks import DATA_SETS_FOR_CRITICAL_DIFFERENCE, RankInterval
from ..tables.aggregate import MISSING, Number
from ..tables.sheet import Head, Line, Sheet
from .records import Across, BlockComparison, Comparison, Delta, Pair
from .sentences import bounds, correction_text, design_text, holds, p_text, points, verdict

LISTED = 28  # pairs that are shown as a table: all pairs of up to eight rows
RATIOS = "Ratios share masks and images, so they are no repetitions: conclusions are from the mean over them."
NO_SEEDS = "With one training seed on each mask, the share of the masks holds the seeds, too."


def sheets(comparison: Comparison, decimals: int = 1) -> tuple[Sheet, ...]:
    """The tables of a comparison, in percent and points, block by block; the mean over data sets comes last."""
    found = [sheet for block in comparison.blocks for sheet in _block_sheets(comparison, block, decimals)]
    return (*found, *_across_sheets(comparison, decimals))


def _block_sheets(comparison: Comparison, block: BlockComparison, decimals: int) -> Iterator[Sheet]:
    caption, key = _caption(comparison, block), _key(block)
    if block.correction == "none":
        (pair,) = block.pairs
        yield _pair_sheet(pair, block, caption, key, decimals)
        return
    if block.standings:
        yield _standings(block, caption, key, decimals)
    if block.correction == "holm":
        yield _pairs_sheet(block, f"Difference to {comparison.against}: {block.title}", caption, key, decimals)
        if len(block.pairs[0].ratios) > 1:
            yield _ratios_sheet(comparison, block, key, decimals)
    elif len(block.pairs) <= LISTED:
        yield _pairs_sheet(block, f"All pairs: {block.title}", f"{correction_text(comparison, block)}.", key, decimals)


def _caption(comparison: Comparison, block: BlockComparison) -> str:
    """What the numbers of a block are, and what their intervals hold."""
    means = [pair.mean for pair in block.pairs]
    sentences = [
        f"Paired by test image and {block.unit}: {_design(means, block)}",
        f"95% intervals hold {holds_text(means[0], block, comparison.resamples)}",
        correction_text(comparison, block),
    ]
    return " ".join([block.caption, *(f"{each}." for each in sentences if each)])


def _design(deltas: Sequence[Delta], block: BlockComparison) -> str:
    return design_text([each.repetitions for each in deltas], [each.seeds for each in deltas], block.unit)


def holds_text(delta: Delta, block: BlockComparison, resamples: int) -> str:
    """What the interval of a difference holds."""
    return holds(delta.holds, delta.procedure, delta.repetitions, block.unit, resamples)


def _key(block: BlockComparison) -> str:
    return f"compare-{block.identity['dataset']}-{block.identity['regime']}"


_DELTA = (Head("Δ"), Head("95% interval"), Head("P(Δ > 0)"), Head("p"))


def _pair_sheet(pair: Pair, block: BlockComparison, caption: str, key: str, decimals: int) -> Sheet:
    shares = _shares(pair.deltas)
    lines = [
        Line(
            _ratio_name(delta, pair),
            (
                points(delta.first, decimals),
                points(delta.second, decimals),
                *_delta_cells(delta, decimals),
                *_share_cells(delta, shares),
            ),
        )
        for delta in pair.deltas
    ]
    return Sheet(
        title=f"{pair.first} − {pair.second}: {block.title}",
        caption=caption,
        heads=(*(Head(name, label=name) for name in (pair.first, pair.second)), *_DELTA, *shares),
        lines=tuple(lines),
        notes=(f"Verdict: {verdict(pair, block, decimals)}.", *_notes([pair], block)),
        key=key,
        stub="known labels" if len(lines) > 1 else "",
    )


def _ratio_name(delta: Delta, pair: Pair) -> str:
    if delta.ratio is not None:
        return percent(delta.ratio)
    return "mean" if len(pair.over) > 1 else percent(pair.over[0])


def _delta_cells(delta: Delta, decimals: int) -> tuple[str, ...]:
    return (points(delta.estimate, decimals), bounds(delta, decimals), f"{delta.better:.2f}", p_text(delta.p))


def _shares(deltas: Sequence[Delta]) -> tuple[Head, ...]:
    """The columns for shares of variance: of what at least one design can tell, if that is more than the images."""
    known = [name for name in ("images", "masks", "seeds") if any(delta.shares[name] is not None for delta in deltas)]
    return tuple(Head(name, "share of variance (%)") for name in known) if len(known) > 1 else ()


def _share_cells(delta: Delta, heads: Sequence[Head]) -> tuple[str, ...]:
    found = [delta.shares[head.text] for head in heads]
    return tuple(MISSING if share is None else f"{100 * share:.0f}" for share in found)


def _notes(pairs: Sequence[Pair], block: BlockComparison) -> Iterator[str]:
    if any(len(pair.over) > 1 for pair in pairs):
        yield RATIOS
    fewer = [pair for pair in pairs if pair.mean.repetitions < max(each.repetitions for each in pair.deltas)]
    if fewer:
        yield f"The mean is over the {block.unit}s that every ratio has: {fewer[0].mean.repetitions}."
    shares = [delta.shares for pair in pairs for delta in pair.deltas]
    if any(each["masks"] is not None and each["seeds"] is None for each in shares):
        yield NO_SEEDS
    for left_out in dict.fromkeys(text for pair in pairs for text in pair.left_out):
        yield f"Left out, because not all rows compared have it: {left_out}."
    yield from (f"{text}." for text in block.skipped)


def _pairs_sheet(block: BlockComparison, title: str, caption: str, key: str, decimals: int) -> Sheet:
    all_pairs = block.correction == "max-t"
    ordered = block.pairs if all_pairs else sorted(block.pairs, key=lambda pair: -pair.mean.estimate)
    lines, shares = [], _shares([pair.mean for pair in ordered])
    for pair in ordered:
        delta = pair.mean
        name = f"{pair.first} − {pair.second}" if all_pairs else pair.first
        cells = (*_delta_cells(delta, decimals), p_text(delta.adjusted), _word(delta), *_share_cells(delta, shares))
        lines.append(Line(name, cells, label="" if all_pairs else pair.first))
    return Sheet(
        title=title,
        caption=caption,
        heads=(*_DELTA, Head("p adjusted"), Head("verdict"), *shares),
        lines=tuple(lines),
        notes=(f"Differences under {points(block.noise, decimals)} are noise here.", *_notes(ordered, block)),
        key=f"{key}-pairs" if all_pairs else key,
        stub="pair" if all_pairs else "method",
    )


def _word(delta: Delta) -> str:
    if not delta.significant:
        return "noise"
    return "better" if delta.estimate > 0 else "worse"


def _ratios_sheet(comparison: Comparison, block: BlockComparison, key: str, decimals: int) -> Sheet:
    """The differences to the reference ratio by ratio, each with the half-width of its interval."""
    ratios = sorted({ratio for pair in block.pairs for ratio in pair.over})
    lines = []
    for pair in sorted(block.pairs, key=lambda pair: -pair.mean.estimate):
        by_ratio = {delta.ratio: delta for delta in pair.ratios}
        cells = [_number(by_ratio[ratio], decimals) if ratio in by_ratio else MISSING for ratio in ratios]
        lines.append(Line(pair.first, (*cells, _number(pair.mean, decimals)), label=pair.first))
    return Sheet(
        title=f"Difference to {comparison.against} by ratio: {block.title}",
        caption="Δ in points ± the half-width of its 95% interval.",
        heads=(*(Head(percent(ratio)) for ratio in ratios), Head("mean")),
        lines=tuple(lines),
        notes=(RATIOS,),
        key=f"{key}-ratios",
    )


def _number(delta: Delta | Across, decimals: int) -> Number:
    half_width = 100 * (delta.high - delta.low) / 2
    return Number(100 * delta.estimate, math.nan, 1, False, decimals, spread="half-width", half_width=half_width)


def _standings(block: BlockComparison, caption: str, key: str, decimals: int) -> Sheet:
    lines = [
        Line(
            each.name,
            (
                RankInterval(each.best, each.worst).text,
                Number(100 * each.map, math.nan, 1, False, decimals, "", "half-width", 100 * each.half_width),
                each.letters,
            ),
            label=each.name,
        )
        for each in block.standings
    ]
    notes = [
        "A rank is an interval: rows above it are significantly better, rows below it significantly worse.",
        "Rows that share a letter do not differ significantly.",
        f"Differences under {points(block.noise, decimals)} are noise here.",
    ]
    if len(block.pairs) > LISTED:
        notes.append(f"The {len(block.pairs)} pairs are in the formats csv and json.")
    return Sheet(
        title=f"Ranks: {block.title}",
        caption=caption,
        heads=(Head("rank"), Head("mAP"), Head("letters")),
        lines=tuple(lines),
        notes=(*notes, *([] if len(block.pairs) <= LISTED else _notes(block.pairs, block))),
        key=f"{key}-ranks",
    )


def _across_sheets(comparison: Comparison, decimals: int) -> Iterator[Sheet]:
    """The mean differences over several data sets, beside those of each."""
    across = comparison.across
    if across is None:
        return
    by_block = [
        {(way.first, way.second): way.mean for pair in block.pairs for way in (pair, pair.reversed)}
        for block in comparison.blocks
    ]
    lines = []
    for each in across.pairs:
        pair = each.first, each.second
        cells = (*(_number(of[pair], decimals) for of in by_block), _number(each, decimals))
        lines.append(Line(f"{each.first} − {each.second}", cells))
    few = len(across.datasets) < DATA_SETS_FOR_CRITICAL_DIFFERENCE
    ranks = [f"{name} {RankInterval(*rank).text}" for name, rank in across.ranks.items()]
    yield Sheet(
        title=f"Over {len(across.datasets)} data sets",
        caption=(
            "Δ in points ± the half-width of its 95% interval. The mean is over these data sets, each resampled in"
            f" itself; it holds {across.pairs[0].holds} and says nothing about other data sets."
        ),
        heads=(*(Head(comparison.datasets.get(name, name)) for name in across.datasets), Head("mean")),
        lines=tuple(lines),
        notes=(
            *([f"Ranks by the mean, from a max-T step-down test over all pairs: {', '.join(ranks)}."] if ranks else []),
            *([f"A critical-difference diagram needs {DATA_SETS_FOR_CRITICAL_DIFFERENCE} data sets."] if few else []),
        ),
        key="compare-data-sets",
        stub="pair",
    )
