"""The summary of a result: what tables and lists need of it, without its history and its numbers per class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any, NamedTuple

from ..plan.cell import AXES, digest
from .result import Result


class LabelFilter(NamedTuple):
    """Selects labels by a minimum number of positives in the complete training labels and in the test labels."""

    train: int
    test: int


LABEL_FILTERS: Mapping[str, LabelFilter] = {"all": LabelFilter(0, 0), "usable": LabelFilter(5, 1)}


class Average(NamedTuple):
    """The labels that pass a filter and have an AP, and the mean of their APs; None if there are none."""

    scored: tuple[str, ...]
    map: float | None


class Used(NamedTuple):
    """What a result cost; None where it is not recorded.

    Seconds are wall time. Cells that train together share their time: each counts an equal part of it.
    """

    train: float | None  # seconds; None if the cell was resumed, because the result then knows the last attempt only
    predict: float  # seconds for the test split
    memory: int | None  # bytes at the peak of the process, or on the GPU
    trained: int | None  # trained parameters
    parameters: int | None  # all parameters, frozen towers included
    flops: int | None  # of predicting one image

    @classmethod
    def of(cls, result: Result) -> Used:
        """The cost of a result."""
        seconds, cost = result.seconds, result.cost
        resumed = result.effort is not None and result.effort.attempts > 1
        return cls(
            train=None if resumed else seconds.train / seconds.shared_with,
            predict=seconds.predict / seconds.shared_with,
            memory=cost.peak_memory if cost else None,
            trained=cost.trained_parameters if cost else None,
            parameters=cost.parameters if cost else None,
            flops=cost.flops if cost else None,
        )


class Summary(NamedTuple):
    """What a table needs of a result. Fields are those of `Result` unless stated here.

    `train`, `test`, `classes` and `known` are its counts; `options` and `fingerprint` are the cell's. `rates` is the
    number of tried learning rates, `tower` that of its settings (`tower_of`). `variant` is the digest of all that
    distinguishes the rows of one label. `scores_file` is the file of its scores, relative to the folder of the cell,
    and `scores` the digest of that. `averages` has the mean AP for each of `LABEL_FILTERS`.
    """

    dataset: str
    options: Mapping[str, Any]
    fingerprint: str
    train: int
    test: int
    classes: int
    known: int | None
    images: str
    regime: str
    mask: str
    axes: Mapping[str, Any]
    track: str
    stated: bool
    resolution: int
    rates: int
    view: str
    tower: str
    selection: str
    method: str
    revision: int | str
    label: str
    variant: str
    deterministic: bool
    environment: Mapping[str, str | bool | int | None]
    cell_id: str
    ratio: float
    mask_seed: int
    seed: int
    created: str
    mask_digest: str
    scores_file: str
    scores: str
    used: Used
    metrics: Mapping[str, float]
    oracle: Mapping[str, float] | None
    averages: Mapping[str, Average]

    @classmethod
    def of(cls, result: Result) -> Summary:
        """The summary of a result."""
        cell, counts, recipe = result.cell, result.counts, result.recipe
        return cls(
            dataset=result.dataset,
            options=cell.options,
            fingerprint=cell.fingerprint,
            train=counts.train,
            test=counts.test,
            classes=counts.classes,
            known=counts.known,
            images=result.images,
            regime=result.regime,
            mask=result.mask,
            axes={name: getattr(cell, name) for name in AXES},
            track=result.track,
            stated=result.stated,
            resolution=recipe.resolution,
            rates=len(recipe.rates),
            view=recipe.test_view,
            tower=tower_of(result.settings),
            selection=result.selection,
            method=result.method,
            revision=result.revision,
            label=result.label,
            variant=digest([result.method, result.revision, cell.settings, cell.recipe]),
            deterministic=result.deterministic,
            environment=result.environment,
            cell_id=result.cell_id,
            ratio=result.ratio,
            mask_seed=result.mask_seed,
            seed=result.seed,
            created=result.created,
            mask_digest=result.mask_digest,
            scores_file=result.scores.file,
            scores=result.scores.sha256,
            used=Used.of(result),
            metrics=result.metrics,
            oracle=None if result.oracle is None else result.oracle.metrics,
            averages=dict(_averages(result)),
        )


FROM_A_FILE = " (weights from a file)"


def tower_of(settings: Mapping[str, Any]) -> str:
    """The tower in the settings of a result, with a mark if its weights are the user's file; empty without a tower.

    >>> tower_of({"tower": "mobilenet_v2", "weights": "mine.safetensors"}), tower_of({"ridge": 0.1})
    ('mobilenet_v2 (weights from a file)', '')
    """
    name = str(settings.get("tower") or "")
    return name + FROM_A_FILE if name and settings.get("weights") else name


def _averages(result: Result) -> Iterator[tuple[str, Average]]:
    for name, least in LABEL_FILTERS.items():
        lists = (result.classes, result.ap, result.support.train, result.support.test)
        ap = {
            label: value
            for label, value, train, test in zip(*lists, strict=True)
            if value is not None and train >= least.train and test >= least.test
        }
        yield name, Average(tuple(ap), fmean(ap.values()) if ap else None)
