"""One caption and one list of notes for several blocks: what they share is said once, the rest with its data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...plan.cell import percent
from .aggregate import MISSING
from .caption import Caption
from .row import INFERRED, UNSTATED
from .table import Block

_GENERAL = (INFERRED, UNSTATED, MISSING, "An oracle row")  # notes that explain a sign of the whole table begin so


def merged_caption(blocks: Sequence[Block], *, averaged: bool = False) -> Caption:
    """The caption of blocks in one table; `averaged` if it shows one number per block, averaged over the ratios."""
    names = distinct_names(blocks)
    abouts = {name: block.about for name, block in zip(names, blocks, strict=True)}
    metric = " and ".join(dict.fromkeys(block.about.metric for block in blocks))
    data = "; ".join(dict.fromkeys(about.data for about in abouts.values()))
    subjects = dict.fromkeys(subject for about in abouts.values() for subject in about.sentences)
    said = {s: _said({name: about.sentences.get(s, "") for name, about in abouts.items()}) for s in subjects}
    if averaged and any(len(block.ratios) > 1 for block in blocks):
        said["ratios"] = _said({name: _average(block) for name, block in zip(names, blocks, strict=True)})
    return Caption(metric, data, said)


def distinct_names(blocks: Sequence[Block]) -> list[str]:
    """What to call each block in a caption: its title without what all titles end with."""
    titles = [block.title.split(", ") for block in blocks]
    while all(len(title) > 1 for title in titles) and len({title[-1] for title in titles}) == 1:
        titles = [title[:-1] for title in titles]
    return [", ".join(title) for title in titles]


def _average(block: Block) -> str:
    several = f"{len(block.ratios)} ratios, {percent(block.ratios[0])} to {percent(block.ratios[-1])}"
    return f"Averages are over {several}" if len(block.ratios) > 1 else f"The ratio is {percent(block.ratios[0])}"


def _said(texts: Mapping[str, str]) -> str:
    """The text that all blocks share, or each text with the names of its blocks, after what all begin with."""
    by_text: dict[str, list[str]] = {}
    for name, text in texts.items():
        by_text.setdefault(text, []).append(name)
    if len(by_text) == 1:
        return next(iter(by_text))
    shared = {text.partition(": ")[0] for text in by_text}
    start = f"{shared.pop()}: " if len(shared) == 1 else ""
    parts = [f"{text.removeprefix(start)} on {' and '.join(of)}" for text, of in by_text.items() if text]
    return start + "; ".join([*parts[:1], *(part[:1].lower() + part[1:] for part in parts[1:])])


def merged_notes(blocks: Sequence[Block]) -> tuple[str, ...]:
    """The notes of all blocks, each once; a note that not all have names its blocks."""
    by_note: dict[str, dict[str, None]] = {}
    for name, block in zip(distinct_names(blocks), blocks, strict=True):
        for note in block.notes:
            by_note.setdefault(note, {})[name] = None
    count = len(set(distinct_names(blocks)))
    return tuple(
        note if len(names) == count or note.startswith(_GENERAL) else f"{', '.join(names)}: {note}"
        for note, names in by_note.items()
    )
