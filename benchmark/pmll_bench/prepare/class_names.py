"""Finds classes that a method cannot distinguish by their names: equal texts or equal word vectors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeAlias

from pmll_methods import registry
from pmll_methods.towers.glove import FILES, read_kept
from pmll_methods.towers.weights import ONE_HOT, words_path

from ..plan.planned import Planned
from ..plan.planning import open_dataset

Names: TypeAlias = tuple[str, ...]
SHOWN = 8  # classes of a group that a note lists


def indistinguishable_classes(cells: Iterable[Planned]) -> list[str]:
    """Notes on classes that methods cannot distinguish by name, one per data set and source of word vectors."""
    readers: dict[tuple[str, str, Names], dict[str, None]] = defaultdict(dict)
    for (dataset, label), planned in {(each.cell.dataset, each.label): each for each in cells}.items():
        for source in _sources(planned):
            readers[dataset, source, open_dataset(planned).prompt_names][label] = None
    found = {key: _groups(*key[1:]) for key in readers}
    return [_note(*key[:2], found[key], list(readers[key])) for key in found if found[key]]


def equal_texts(names: Sequence[str]) -> tuple[Names, ...]:
    """Names with equal tokens: tokenizers ignore case, underscores and repeated spaces."""
    return _equal([" ".join(name.replace("_", " ").lower().split()) for name in names], names)


def _sources(planned: Planned) -> list[str]:
    """The sources of a method's word vectors: a word vector file, the text part of a tower, or both."""
    words = planned.settings.get("words")
    towers = [str(planned.settings["tower"])] if _reads_texts(planned) else []
    return list(dict.fromkeys([*([str(words)] if words else []), *towers]))


def _reads_texts(planned: Planned) -> bool:
    """Whether the method has the text part of a tower."""
    if "tower" not in planned.settings:
        return False  # without the import below, which takes seconds
    from pmll_methods.learners.clip_learner import ClipLearner

    return issubclass(registry.find(planned.where.target).cls, ClipLearner)


def _groups(source: str, names: Names) -> tuple[Names, ...]:
    """Groups of classes that have equal vectors in a source."""
    if source == ONE_HOT or (source in FILES and read_kept(source).lacks(names)):
        return ()
    if source != "tiny" and source not in FILES and words_path(source) is None:
        return equal_texts(names)  # a pretrained text tower distinguishes all different texts
    from pmll_methods.towers.words import word_vectors

    return _equal([row.tobytes() for row in word_vectors(source, names).numpy()], names)


def _equal(meanings: Sequence[Hashable], names: Sequence[str]) -> tuple[Names, ...]:
    groups: dict[Hashable, list[str]] = defaultdict(list)
    for meaning, name in zip(meanings, names, strict=True):
        groups[meaning].append(name)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _note(dataset: str, source: str, groups: tuple[Names, ...], labels: Sequence[str]) -> str:
    listed = "; ".join(", ".join(group[:SHOWN]) + (" …" if len(group) > SHOWN else "") for group in groups)
    methods = ", ".join(labels)
    return f"{dataset}: {methods} cannot distinguish these classes by name: {listed} (equal vectors in {source})"
