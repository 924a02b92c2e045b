"""The third pass: the numbers of a cell against our data set. Claimed ones are only compared with those recomputed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pmll_datasets.dataset import Dataset
from pmll_datasets.errors import DataError
from pmll_datasets.regimes import mask_digest

from ...metrics import ROUNDING, Metrics, evaluate
from ...plan.cell import canonical
from ...running.train_set import Seen, seen_labels
from ...store.result import Counts, Result
from ..evidence import CheckedCell
from ..package import member
from ..problems import Problem
from .arrays import Arrays, finite_problems, order_problem, read_arrays
from .container import shown
from .data_sets import Loaded, request_problem
from .documents import CellDocuments, capped
from .suspicion import suspicions


@dataclass(frozen=True)
class Found:
    """What the third pass found in a cell; `checked` is None if there is a problem, or no data set."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    checked: CheckedCell | None = None


def check_numbers(documents: CellDocuments, scores: bytes, load: Loaded | None) -> Found:
    """Check a cell that has passed the second pass. `scores` is its scores file; without `load` no label is used.

    Raises `DataError` if the data set cannot be used on this machine.
    """
    result = documents.result
    name, file = member(result.cell_id, "result.json"), member(result.cell_id, "scores.npz")
    if (what := request_problem(result.cell)) is not None:
        return Found((Problem(name, shown(what)),))
    data = None if load is None else load(result.cell)
    if data is not None and data.fingerprint != result.cell.fingerprint:
        claimed = shown(result.cell.fingerprint)
        what = f"was made with a data set of the fingerprint {claimed}, {data.name} here has {data.fingerprint}"
        return Found((Problem(name, what),))
    if data is not None and canonical(data.options) != canonical(result.cell.options):
        what = (
            f"has the options {shown(canonical(result.cell.options))}, {data.name} here has {canonical(data.options)}"
        )
        return Found((Problem(name, what),))
    images, classes = (result.scores.n, result.scores.c) if data is None else data.test.labels.shape
    arrays, problems = read_arrays(scores, images, classes, file)
    if arrays is not None:
        problems += _array_problems(arrays, result, data, file)
    if data is not None:
        problems += _training_problems(documents, data, name)
    if arrays is None or problems:
        return Found(tuple(problems))
    return _measured(result, arrays, data, name)


def _array_problems(arrays: Arrays, result: Result, data: Dataset | None, file: str) -> Iterator[Problem]:
    yield from capped(finite_problems(arrays.scores, file), file)
    orders = [order_problem(arrays.classes, result.classes if data is None else data.classes, file, "classes")]
    if data is not None:
        orders.append(order_problem(arrays.ids, data.test.ids, file, "ids"))
    yield from (each for each in orders if each is not None)


def _training_problems(documents: CellDocuments, data: Dataset, name: str) -> Iterator[Problem]:
    """Where the result differs from our counts, our classes and our own draw of the mask."""
    result = documents.result
    try:
        labels = seen_labels(data, Seen.of(documents.record.planned()))
    except DataError as error:
        yield Problem(name, f"the mask does not fit the data set: {shown(str(error))}")
        return
    mask, counts = mask_digest(labels != 0), Counts.of(data)
    if mask != result.mask_digest:
        yield Problem(name, f"mask_digest is {shown(result.mask_digest)}, our draw of the mask has {mask}")
    if result.classes != data.classes:
        yield Problem(name, "classes are not those of the data set")
    for field, value in counts:
        claimed = getattr(result.counts, field)
        if claimed != value and (field, claimed) != ("known", None):
            yield Problem(name, f"counts.{field} is {claimed}, in the data set {value}")
    support = {"known": labels, "train": data.train.labels, "test": data.test.labels}
    for field, of_split in support.items():
        claimed, ours = getattr(result.support, field), (of_split > 0).sum(axis=0).tolist()
        yield from capped(_differences(f"support.{field}", claimed, ours, name), name)


def _measured(result: Result, arrays: Arrays, data: Dataset | None, name: str) -> Found:
    """Compare the claimed metrics with those of the scores, and list what is suspicious."""
    if data is None:
        warnings = [Problem(name, each) for each in suspicions(result, arrays.scores, None, None)]
        return Found(warnings=tuple(warnings))
    metrics = evaluate(arrays.scores, data.test.labels, logits="OF1" in result.metrics)
    problems = (*_metric_problems(result.metrics, metrics, name), *_differences("ap", result.ap, metrics.ap, name))
    warnings = [Problem(name, each) for each in suspicions(result, arrays.scores, data.test.labels, metrics)]
    if problems:
        return Found(problems, tuple(warnings))
    map_ = metrics.values["map"]
    return Found((), tuple(warnings), CheckedCell(scores=result.scores.sha256, mask=result.mask_digest, map=map_))


def _metric_problems(claimed: Mapping[str, float], ours: Metrics, name: str) -> Iterator[Problem]:
    for metric, value in ours.values.items():
        if metric not in claimed:
            yield Problem(name, f"metrics.{metric} is missing, recomputed {value:.6f}")
        elif not _near(claimed[metric], value):
            yield Problem(name, f"metrics.{metric} is {claimed[metric]!r}, recomputed {value!r}")
    for metric in claimed:
        if metric not in ours.values:
            yield Problem(name, f"metrics.{shown(metric)} is not a metric of these scores")


def _differences(
    field: str, claimed: Sequence[float | None], ours: Sequence[float | None], name: str
) -> Iterator[Problem]:
    """Where two lists per class differ; rows are classes, from 0 on."""
    for row, (value, own) in enumerate(zip(claimed, ours, strict=True)):
        if not _near(value, own):
            yield Problem(name, f"{field} is {value}, recomputed {own}", row)


def _near(one: float | None, other: float | None) -> bool:
    return one is other or (one is not None and other is not None and abs(one - other) <= ROUNDING)
