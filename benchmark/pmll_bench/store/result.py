"""The result of a cell: `result.json` and its parts, and the tried learning rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from pmll_methods.recipe import Recipe

from ..plan.cell import Cell
from ..plan.planned import Planned
from .document import Part, Record, stored_as
from .environment import Environment

if TYPE_CHECKING:
    from pmll_datasets.dataset import Dataset, Labels

    from ..metrics import Metrics

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class Counts(Part):
    """Images and classes of the data set as used, and the number of training labels known before any mask.

    `known` is None in results that were made before it was recorded.
    """

    train: int
    test: int
    classes: int
    known: int | None = None

    @classmethod
    def of(cls, data: Dataset) -> Self:
        known = int((data.train.labels != 0).sum())
        return cls(train=len(data.train), test=len(data.test), classes=len(data.classes), known=known)


class Support(Part):
    """Positive images of each class: known in training, all in training, in the test split."""

    known: tuple[int, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]


class ScoresFile(Part):
    """The scores file, relative to the folder of the cell, with its digest and shape."""

    file: Annotated[str, Field(pattern=r"^attempts/\d{4,}/scores\.npz$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    n: int
    c: int


class ModelFile(Part):
    """The kept model, relative to the folder of the cell, with its digest, its size in bytes and its format."""

    file: Annotated[str, Field(pattern=r"^attempts/\d{4,}/model\.safetensors$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: int
    format: str

    @property
    def attempt(self) -> int:
        """The attempt that trained it."""
        return int(self.file.split("/")[1])


class Seconds(Part):
    """Wall time in seconds of a group of `shared_with` cells, as if all of them took as long as this one.

    Divided by `shared_with`, `train` is the time of the cell's own steps and its part of what the group shares. Methods
    that train together thus keep their own cost. In older results, it is the time of the group.
    """

    train: float
    predict: float
    shared_with: int = 1


class Cost(Part):
    """The cost of training. Parameter counts are None if the method is not a `Learner`.

    `parameters` includes frozen towers. `peak_memory` is in bytes: the memory allocated by torch on the GPU, else the
    resident set of the process. `images_per_second` is the number of training images over all epochs, divided by the
    training time of the group; None if no epoch is reported. `flops` are those of predicting one image
    (`pmll_methods.engine.size.flops_per_image`); None if the method is not a `Learner`, and in older results.
    """

    trained_parameters: int | None
    parameters: int | None
    peak_memory: int
    images_per_second: float | None = stored_as("pictures_per_second")
    flops: int | None = None


class Effort(Part):
    """The attempts at a cell until its result, and what of their training was not used.

    `repeated_epochs` counts the epochs that were trained again. `lost_seconds` is the time that other attempts trained
    after the state from which training went on, as far as their logs tell; the wall time of their groups.
    """

    attempts: int
    repeated_epochs: int
    lost_seconds: float


class Oracle(Part):
    """The best epoch on the test split and its metrics; never ranked with other results."""

    metrics: Mapping[str, Share]
    epoch: int


class TriedRate(Part):
    """A tried learning rate and its mAP on held-out known labels; None if training failed or no label is known."""

    rate: float
    map: Share | None


class TriedRates(Record):
    """`tries.json`: the tried learning rates of a cell, in the order of its recipe."""

    schema_: Literal["pmll.tries/1"] = Field(default="pmll.tries/1", alias="schema")
    rates: Annotated[tuple[TriedRate, ...], Field(min_length=1)] = stored_as("tries")

    @property
    def best(self) -> TriedRate:
        """The rate chosen for training: the one with the highest mAP, or the first of several."""
        return max(self.rates, key=lambda one: -1.0 if one.map is None else one.map)


Recorded: TypeAlias = Mapping[str, int | float | None]  # one line of a history, or one comparison of pseudo-labels


@dataclass(frozen=True, kw_only=True)
class Trained:
    """How an attempt trained a cell, as the result records it."""

    attempt: int
    history: Sequence[Mapping[str, float]]  # the mean of each loss term, epoch by epoch
    seconds: Seconds
    environment: Environment
    cost: Cost | None = None
    deterministic: bool = False
    effort: Effort | None = None
    tried_rates: TriedRates | None = None
    pseudo_labels: Mapping[str, Recorded] = field(default_factory=dict)
    pseudo_label_epochs: Mapping[str, tuple[Recorded, ...]] = field(default_factory=dict)
    epoch_maps: tuple[Recorded, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A cell's scores on disk with their metrics, and its model if that is kept."""

    scores: ScoresFile
    metrics: Metrics
    oracle: Oracle | None = None
    model: ModelFile | None = None


OF_THE_PLAN = ("settings", "recipe", "track", "stated", "label")
OF_THE_CELL = ("method", "revision", "dataset", "regime", "ratio", "mask", "mask_seed", "seed")
OF_TRAINING = tuple(each.name for each in fields(Trained))
"""The fields that a result copies from its plan, its cell and its training."""


class Result(Record):
    """`result.json`: the metrics of one cell and all that is needed to interpret them.

    Metrics are in 0-1; test labels are not stored.
    """

    schema_: Literal["pmll.result/1"] = Field(default="pmll.result/1", alias="schema")
    cell_id: str
    cell: Cell
    settings: Mapping[str, Any]
    recipe: Recipe
    track: str
    stated: bool = True  # whether a source states the recipe for this data set and regime
    label: str
    attempt: int
    method: str
    revision: int | str
    dataset: str
    counts: Counts
    regime: str
    ratio: float
    mask: str
    mask_seed: int
    mask_digest: str
    seed: int
    selection: str
    epochs_run: int
    metrics: Mapping[str, Share]
    oracle: Oracle | None = None
    tried_rates: TriedRates | None = stored_as("tries", default=None)
    ap: tuple[Share | None, ...]
    support: Support
    classes: tuple[str, ...]
    images: str = stored_as("pictures", default="")  # `Dataset.contents`, to detect changed image files
    history: tuple[Recorded, ...] = ()
    pseudo_labels: Mapping[str, Recorded] = stored_as("beliefs", default={})  # compared with the hidden labels
    pseudo_label_epochs: Mapping[str, tuple[Recorded, ...]] = {}  # the same for every epoch, by name
    epoch_maps: tuple[Recorded, ...] = ()  # the mAP by which the recipe selects an epoch, if it does
    scores: ScoresFile
    seconds: Seconds
    environment: Environment
    cost: Cost | None = None  # None in results that were made before it was recorded
    deterministic: bool = False  # whether the training seed has no effect
    effort: Effort | None = None  # None in results that were made before it was recorded
    model: ModelFile | None = None  # None unless the run was asked to keep it (`run --keep-model`)

    @property
    def made_by(self) -> frozenset[int]:
        """The attempts whose files the result needs: of its scores, and of its model if that was trained later."""
        return frozenset({self.attempt, *(() if self.model is None else (self.model.attempt,))})

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.cell_id != self.cell.id:
            raise ValueError(f"cell_id is {self.cell_id}, but the cell has id {self.cell.id}")
        for name in OF_THE_CELL:
            if getattr(self, name) != getattr(self.cell, name):
                raise ValueError(f"{name} differs from that of the cell")
        lengths = {len(self.classes), len(self.ap), self.scores.c, self.counts.classes}
        if len(lengths | {len(self.support.known), len(self.support.train), len(self.support.test)}) > 1:
            raise ValueError("the lists per class differ in length")
        return self

    @classmethod
    def of(cls, planned: Planned, data: Dataset, visible: Labels, trained: Trained, measured: Measured) -> Self:
        """The result of a planned cell. `visible` are the labels that it was trained on, int8 [images, classes]."""
        from pmll_datasets.regimes import mask_digest

        cell = planned.cell
        support = {"known": visible, "train": data.train.labels}
        positives = {name: (labels > 0).sum(axis=0).tolist() for name, labels in support.items()}
        return cls(
            cell_id=cell.id,
            cell=cell,
            **{name: getattr(planned, name) for name in OF_THE_PLAN},
            **{name: getattr(cell, name) for name in OF_THE_CELL},
            **{name: getattr(trained, name) for name in OF_TRAINING},
            counts=Counts.of(data),
            mask_digest=mask_digest(visible != 0),
            selection=planned.recipe.selection,
            epochs_run=int(max((entry["epoch"] for entry in trained.history), default=0)),
            metrics=measured.metrics.values,
            oracle=measured.oracle,
            ap=measured.metrics.ap,
            support=Support(test=measured.metrics.positives, **positives),
            classes=data.classes,
            images=data.contents,
            scores=measured.scores,
            model=measured.model,
        )
