"""`load_dataset`, `dataset` and `mask_labels`: images and labels, and which of the training labels are known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int

from pmll_datasets import regimes
from pmll_datasets.arrays import OwnImages, own_dataset
from pmll_datasets.dataset import Dataset, Known, Labels, Value, load
from pmll_datasets.errors import unknown
from pmll_datasets.registry import DATASETS, REGIMES

from ..plan.cell import parse_ratio

RATIO = 0.1


@dataclass(frozen=True, eq=False)
class MaskedDataset:
    """A data set with the choice of its known training labels; `pb.mask_labels` makes one.

    `data` is the data set with its complete labels, which no method sees. The other fields are those of a cell's
    identity, so a method that is fitted on it sees what the cell of `pmll-bench run` with the same choices sees.
    """

    data: Dataset
    regime: str
    ratio: float
    mask: str
    seed: int
    noise: float = 0.0

    @property
    def classes(self) -> tuple[str, ...]:
        return self.data.classes

    @cached_property
    def labels(self) -> Labels:
        """The training labels that a method sees: int8 [images, classes], read-only; hidden entries are 0."""
        return regimes.mask_labels(
            self.data.train,
            self.data.classes,
            regime=self.regime,
            ratio=self.ratio,
            rule=self.mask,
            seed=self.seed,
            noise=self.noise,
        )

    @property
    def known(self) -> Known:
        """Whether each training label is known: bool [images, classes]."""
        return np.asarray(self.labels != 0)


def load_dataset(
    name: str, root: str | os.PathLike[str] | None = None, *, subset: int | None = None, **options: Value
) -> Dataset:
    """Load a data set, complete and checked.

    Args:
        name: the name of a data set (`pb.list_datasets()`), or the path of a file of your own that lists images and
            labels.
        root: the folder that contains the data set; the default is the environment variable PMLL_DATA. `shapes` and
            your own file need none.
        subset: at most that many images of each split, always the same ones.
        options: options of the data set that differ from its defaults; `pmll-bench show NAME` lists them. On the track
            `paper`, `pmll-bench run` uses the options of published work, for example `names="released"` for `voc2007`.

    Returns:
        The data set: `train` and `test` with `images`, `ids` and `labels` (int8 [images, classes]: 1 present, -1
        absent, 0 unknown or ignored), `classes` and `prompt_names`.

    Raises:
        DataError: unknown name or option, or files that are missing, damaged or incomplete.

    >>> import pmll_bench as pb
    >>> data = pb.load_dataset("shapes", subset=40)
    >>> data.train.labels.shape, data.classes[:3]
    ((40, 20), ('arrow', 'circle', 'cog'))
    """
    return load(name, root, options, subset)


def dataset(
    images: OwnImages,
    labels: Int[np.ndarray, "n c"],
    classes: Sequence[str],
    *,
    test_images: OwnImages | None = None,
    test_labels: Int[np.ndarray, "m c"] | None = None,
    test: float = 0.0,
    prompt_names: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    test_ids: Sequence[str] | None = None,
    name: str = "own",
) -> Dataset:
    """A data set of your own arrays or image files.

    Args:
        images: training images: one uint8 array [n, h, w, 3], uint8 arrays [h, w, 3] that may differ in size, or paths
            of image files.
        labels: their labels, integers [n, classes]: 1 present, -1 absent, 0 unknown.
        classes: the class names.
        test_images: test images, as `images`.
        test_labels: their labels; 0 is left out of scores.
        test: instead of both, the share of `images` that is drawn for testing; the draw depends on the ids alone.
        prompt_names: class names in natural language, for methods with text; the default is `classes` with spaces for
            underscores.
        ids: names of the training images. The masks depend on them; the default is `train-0`, `train-1` … for arrays,
            and for files their path below the common folder, without the extension.
        test_ids: names of the test images.
        name: the name of the data set.

    Returns:
        The data set, as `load_dataset` returns it.

    Raises:
        DataError: images that are no uint8 RGB, files that do not exist, labels of another shape or encoding, or
            missing test images.

    >>> import numpy as np
    >>> import pmll_bench as pb
    >>> images = np.zeros((4, 32, 32, 3), np.uint8)
    >>> labels = np.array([[1, -1], [-1, 1], [1, 0], [-1, 1]])
    >>> data = pb.dataset(images[:3], labels[:3], ["cat", "dog"], test_images=images[3:], test_labels=labels[3:])
    >>> len(data.train), len(data.test), data.train.ids[0]
    (3, 1, 'train-0')
    """
    return own_dataset(
        images,
        labels,
        classes,
        test_images=test_images,
        test_labels=test_labels,
        test=test,
        prompt_names=prompt_names,
        ids=ids,
        test_ids=test_ids,
        name=name,
    )


def mask_labels(
    data: Dataset,
    ratio: float | str | None = None,
    seed: int = 0,
    *,
    regime: str = "partial",
    mask: str = "counter/1",
    noise: float = 0.0,
) -> MaskedDataset:
    """Hide training labels, as `pmll-bench run` does.

    Args:
        data: a data set.
        ratio: the fraction of known entries (`partial`) or of labelled images (`semi`), such as 0.1 or "10%"; the
            default is 0.1. The other regimes have none.
        seed: the seed of the mask.
        regime: `full`, `partial`, `single-positive` or `semi`.
        mask: the rule that selects the known labels (`pmll-bench list masks`), or the path of a mask file.
        noise: the fraction of the known labels that is flipped.

    Returns:
        The data set with its mask: `labels` are the labels that a method sees, int8 [images, classes] with 0 for hidden
        entries, and `data` is the data set with complete labels.

    Raises:
        ConfigError: a ratio outside (0, 1].
        DataError: unknown regime or mask, a mask that does not fit the regime, or a ratio in a regime without one.

    >>> import pmll_bench as pb
    >>> masked = pb.mask_labels(pb.load_dataset("shapes", subset=40), ratio=0.5)
    >>> float(masked.known.mean().round(2)), sorted(set(masked.labels.ravel().tolist()))
    (0.49, [-1, 0, 1])
    """
    if regime not in REGIMES:
        raise unknown("regime", regime, REGIMES)
    usual = RATIO if REGIMES[regime].has_ratio else 1.0
    masked = MaskedDataset(data, regime, usual if ratio is None else parse_ratio(ratio), mask, seed, noise)
    _ = masked.labels  # so that a mask that does not fit is refused here
    return masked


def list_datasets() -> tuple[str, ...]:
    """The names of the built-in data sets.

    >>> import pmll_bench as pb
    >>> "shapes" in pb.list_datasets()
    True
    """
    return tuple(DATASETS)
