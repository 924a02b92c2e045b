"""Checks that the known training labels of a grid suffice for training, and notes classes without labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from pmll_datasets.dataset import DataError, Dataset, Labels
from pmll_datasets.regimes import mask_labels, training_part

from .mask import open_mask
from .planned import MethodFacts, Planned

SIGNS = {"present": 1, "absent": -1}
MARKS = {"present": "1", "absent": "-1, or 0 in a file of only 0 and 1"}
NEEDS = {"single-positive": ("present",)}
"""The signs of the known labels that a regime needs; other regimes need both."""
NESTED = ("counter/1", "none")
"""Masks whose known labels at one ratio are known at every larger ratio."""
FEW = 5
"""The number of classes that a note names."""


def check_labels(
    cells: Iterable[Planned], methods: Mapping[str, MethodFacts], opened: Callable[[Planned], Dataset]
) -> tuple[str, ...]:
    """Check that cells have the training labels that they need; one note per data set on classes without labels.

    Methods that support the regime single-positive can learn from present labels alone, in every regime. With several
    mask seeds, the note is about the first mask that leaves a class without labels.

    Args:
        cells: the cells of a grid; methods that use no labels are skipped.
        methods: the methods by the labels of their rows.
        opened: a function that returns the data set of a cell.

    Raises:
        DataError: no training label of a cell is known, or no needed present or absent label.
    """
    notes: dict[str, str] = {}
    learning = [planned for planned in cells if methods[planned.label].uses_labels]
    for planned in _draws(learning, methods):
        cell, data = planned.cell, opened(planned)
        labels = known_labels(planned, data)
        _refuse(labels, planned, data, positives_do=_positives_do(methods[planned.label]))
        if missing := classes_without_labels(labels, data.classes, cell.regime):
            notes.setdefault(cell.dataset, f"{cell.dataset}, {_draw(planned)}: {missing}")
    return tuple(notes.values())


def known_labels(planned: Planned, data: Dataset) -> Labels:
    """The training labels of a cell under its mask, before label noise."""
    cell, rule = planned.cell, open_mask(planned)
    labels = mask_labels(data.train, data.classes, regime=cell.regime, ratio=cell.ratio, rule=rule, seed=cell.mask_seed)
    return labels if cell.regime == "full" else labels[training_part(data.train, rule)]


def classes_without_labels(labels: Labels, classes: Sequence[str], regime: str) -> str:
    """Per sign that a regime needs, the number and names of the classes without such a training label; "" if none.

    >>> import numpy as np
    >>> classes_without_labels(np.array([[1, -1], [-1, -1]]), ["cat", "dog"], "full")
    '1 of 2 classes has no present training label (dog)'
    """
    missing = []
    for sign in _needed(regime):
        present = (labels == SIGNS[sign]).any(axis=0).tolist()
        without = [name for name, found in zip(classes, present, strict=True) if not found]
        if without:
            names = ", ".join(without[:FEW]) + (f" and {len(without) - FEW:,} more" if len(without) > FEW else "")
            have = "has" if len(without) == 1 else "have"
            missing.append(f"{len(without)} of {len(classes)} classes {have} no {sign} training label ({names})")
    return "; ".join(missing)


def _refuse(labels: Labels, planned: Planned, data: Dataset, *, positives_do: bool) -> None:
    missing = [sign for sign in _needed(planned.cell.regime) if not (labels == SIGNS[sign]).any()]
    if not missing or (missing == ["absent"] and positives_do):
        return
    what = "no training label is known" if len(missing) == len(SIGNS) else f"no known training label is {missing[0]}"
    hint = f"in the split train, mark {' and '.join(f'{sign} labels with {MARKS[sign]}' for sign in missing)}"
    if missing == ["absent"]:
        hint += f"; {planned.label} needs some, methods that support the regime single-positive do not"
    if all((data.train.labels == SIGNS[sign]).any() for sign in missing):
        hint = "use a larger ratio or another mask"
    raise DataError(what, where=f"{planned.cell.dataset}, {_draw(planned)}", hint=hint)


def _needed(regime: str) -> tuple[str, ...]:
    return NEEDS.get(regime, tuple(SIGNS))


def _positives_do(method: MethodFacts) -> bool:
    return "single-positive" in method.regimes


def _draws(cells: Iterable[Planned], methods: Mapping[str, MethodFacts]) -> list[Planned]:
    """One cell per mask to check: the smallest ratio, and a method that needs both signs if there is one."""
    found: dict[tuple[object, ...], Planned] = {}
    for planned in sorted(cells, key=lambda planned: (planned.cell.ratio, _positives_do(methods[planned.label]))):
        cell = planned.cell
        ratio = None if cell.mask in NESTED else cell.ratio
        found.setdefault((cell.dataset, cell.fingerprint, cell.mask, cell.mask_seed, ratio), planned)
    return list(found.values())


def _draw(planned: Planned) -> str:
    """The mask in messages: "regime partial at ratio 0.1, mask seed 0"."""
    cell = planned.cell
    ratio = f" at ratio {cell.ratio:g}" if cell.regime in ("partial", "semi") else ""
    return f"regime {cell.regime}{ratio}" + ("" if cell.regime == "full" else f", mask seed {cell.mask_seed}")
