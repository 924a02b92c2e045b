"""Re-scoring the cells of a table: do their scores give their metrics on our labels, and is their mask ours?

What a cell claims is compared with what its scores give: every metric of its result, over the labels and images of our
own copy of the data set. Its mask is drawn again from rule, seed and ratio, and its digest compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Float64

from pmll_datasets.dataset import Dataset
from pmll_datasets.errors import DataError
from pmll_datasets.regimes import mask_digest

from ..errors import FileError, PmllError, StoreError
from ..metrics import ROUNDING, evaluate
from ..report.cached import Cached, question
from ..report.comparing.measured import Sampling
from ..report.frame import Line, lines_of
from ..report.outcomes import Outcome, StoredCell, check_map, evaluation, folder_of
from ..running.train_set import Seen, seen_labels
from ..statistics.resampling import image_weights
from ..store.scored_data import data_of
from ..store.store import Store
from ..store.summary import Summary

ELSEWHERE = "its data set is not available here, so nothing of it can be checked"

Ap: TypeAlias = Float64[np.ndarray, " c"]


@dataclass(frozen=True)
class Rescored:
    """What the scores of one cell give: its mAP on resamples, and the AP of each class (0-1; nan without positives)."""

    outcome: Outcome
    ap: Ap


@dataclass(frozen=True)
class BlockCells:
    """The cells of a block by id: what their scores give, or why that is not what their results say."""

    rescored: Mapping[str, Rescored]
    problems: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def rescore(store: Store, part: pd.DataFrame, results: Mapping[str, Summary], sampling: Sampling) -> BlockCells:
    """Re-score the cells in the lines of one block; `results` are their summaries. No cell ends the check of others."""
    lines = lines_of(part.drop_duplicates("cell_id"))
    data = _open(store, lines, sampling.data_root)
    if not isinstance(data, Dataset):
        return BlockCells({}, {line["cell_id"]: ELSEWHERE for line in lines}, (f"{lines[0]['dataset']}: {data}",))
    rescored: dict[str, Rescored] = {}
    problems: dict[str, str] = {}

    def weights(images: int) -> np.ndarray:
        return image_weights(images, sampling.resamples, sampling.seed)

    with evaluation(store, data, lines[0]["scored"], weights) as outcome_of, _measures(store, data) as measure:
        mask_of = cache(partial(_mask, data))
        for line in lines:
            summary = results[line["cell_id"]]
            try:
                cell = StoredCell.read(store, line)
                found, measured = outcome_of(cell), measure(cell)
                check_map(found, line, cell.folder)
                _check_metrics(summary, measured)
                _check_mask(cell, summary, mask_of)
                rescored[summary.cell_id] = Rescored(found, measured.ap)
            except FileError:
                problems[summary.cell_id] = "no scores"
            except StoreError as error:
                problems[summary.cell_id] = error.what
    return BlockCells(rescored, problems)


def _open(store: Store, lines: Sequence[Line], data_root: str | Path | None) -> Dataset | PmllError:
    """The data set of a block, from the first of its places that has it, or what is wrong with the last one."""
    tried, error = set(), PmllError("no cell of it has a valid request")
    for line in lines:
        folder = folder_of(store, line)
        record = folder.record()
        root = data_root if record is None or data_root is not None else record.where.root
        if record is None or root in tried:
            continue
        tried.add(root)
        try:
            return data_of(folder, data_root)
        except (DataError, StoreError) as found:
            error = found
    return error


@dataclass(frozen=True)
class _Measured:
    """All metrics of a cell by name, and the AP of each class."""

    values: Mapping[str, float]
    ap: Ap


@contextmanager
def _measures(store: Store, data: Dataset) -> Iterator[Callable[[StoredCell], _Measured]]:
    """A function from cells to their metrics on a data set; they are cached in the store in the end."""
    labels = data.test.labels
    names = tuple(evaluate(np.zeros(labels.shape, np.float32), labels).values)
    asked = question(data.test.ids, data.classes, names, labels.tobytes())
    cached = Cached(store, "metrics", asked, {"values": (len(names),), "ap": (len(data.classes),)})

    def measure(cell: StoredCell) -> _Measured:
        row = cached.get(cell.digest)
        if row is None:
            made = evaluate(cell.scores(data), labels)
            ap = np.array([math.nan if value is None else value for value in made.ap])
            row = cached.add(cell.digest, {"values": np.array(list(made.values.values())), "ap": ap})
        return _Measured(dict(zip(names, row["values"].tolist(), strict=True)), row["ap"])

    try:
        yield measure
    finally:
        cached.save()


def _check_metrics(summary: Summary, measured: _Measured) -> None:
    """Raises `StoreError` unless each metric of a result is what its scores give."""
    for name, value in summary.metrics.items():
        if name not in measured.values:
            raise StoreError(f"its metric {name} is not one of ours")
        if not math.isclose(value, measured.values[name], rel_tol=0, abs_tol=ROUNDING):
            raise StoreError(f"its {name} is {100 * value:.2f}, that of its scores {100 * measured.values[name]:.2f}")


def _check_mask(cell: StoredCell, summary: Summary, mask_of: Callable[[Seen], str]) -> None:
    """Raises `StoreError` unless the mask of a result is the one that we draw."""
    try:
        own = mask_of(_seen(cell, summary))
    except (DataError, OSError) as error:
        what = error.what if isinstance(error, DataError) else "its file cannot be read"
        raise StoreError(f"its mask cannot be drawn here: {what}") from None
    if own != summary.mask_digest:
        raise StoreError("its mask is not the one that we draw")


def _seen(cell: StoredCell, summary: Summary) -> Seen:
    """What decides the mask of a cell. Its request is read only for what the summary does not have.

    That is the file of a mask, whose digest is checked, and the share of images that are held out.
    """
    from_file = summary.regime != "full" and summary.mask.startswith("list/")
    if not from_file and summary.selection != "best-val":
        noise = summary.axes["noise"]
        return Seen(summary.regime, summary.ratio, summary.mask, summary.mask_seed, noise)
    record = cell.folder.record()
    if record is None:
        needed = "the file of its mask" if from_file else "the share of images that it holds out"
        raise StoreError(f"it has no valid request, which names {needed}")
    return Seen.of(record.planned())


def _mask(data: Dataset, seen: Seen) -> str:
    """The digest of a mask of the training labels of a data set."""
    return mask_digest(seen_labels(data, seen) != 0)
