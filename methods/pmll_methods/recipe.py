"""Training recipes as plain data, and the tracks that select one for a data set and a regime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, TypeAlias

from .ranges import Count, Positive, Share, Weight, Whole

Changes: TypeAlias = Mapping[str, Any]  # values by field name, checked against the fields where they are applied


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training recipe. Every field is part of a cell's identity (see `LATER`).

    `views` names one transform per training view (`pmll_datasets.views`). `lr_scale` multiplies `lr` for the named
    parameter groups of a learner. `cache` computes the frozen features of each image once; it requires views that never
    change. `validation` is the fraction of training images held out for `best-val` selection and for `rates`; their
    labels are masked like those of the other images. `rates` replaces `lr`: each rate is tried without the held-out
    images, and the rate with the best score on them is used to train on all images. `decode` and `resize` are the
    libraries that make the pixels (`pmll_datasets.rendering`); torchvision's are faster, and its resize rounds
    differently. `text_batch` says which prompts the text tower multiplies at once. `cell`: those of a cell, rounded as
    by `nn.MultiheadAttention`, which is slow for two prompts. `joint`: those of a cell in one product. `group`: those
    of all cells of a group, whose last digits then depend on the group.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # otherwise unknown fields would be dropped
    SHARED: ClassVar[tuple[str, ...]] = (
        "resolution",
        "batch",
        "epochs",
        "views",
        "test_view",
        "precision",
        "decode",
        "resize",
        "matmul",
        "drop_last",
        "cache",
        "validation",
        "selection",
    )
    """The fields that are equal for all cells of a group, which share images, views and order."""
    LATER: ClassVar[tuple[str, ...]] = (
        "horizon",
        "matmul",
        "text_precision",
        "text_batch",
        "fused",
        "channels_last",
        "decode",
        "resize",
    )
    """The fields added after the first results. They are part of an identity only if they differ from their default."""

    resolution: Count
    batch: Count
    epochs: Whole
    horizon: Whole | None = None  # epochs of the schedules onecycle and cosine; None: `epochs`
    lr: Weight
    rates: tuple[Positive, ...] = ()
    views: tuple[str, ...] = ("squash",)
    test_view: str = "squash"
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    momentum: Share = 0.9
    betas: tuple[Share, Share] = (0.9, 0.999)
    weight_decay: Weight = 0.0
    decay_vectors: bool = True  # False: no decay of one-dimensional tensors (norms, biases)
    lr_scale: Mapping[str, Weight] = field(default_factory=dict)
    schedule: Literal["constant", "step", "cosine", "onecycle"] = "constant"
    decay_epochs: tuple[Whole, ...] = ()  # step: lr is divided by 10 at the start of each of these epochs
    warmup_epochs: Weight = 0.0
    warmup_lr: Weight | None = None  # constant rate during the warm-up; None: linear from 0
    clip: Positive | None = None  # maximum norm of the gradient of all parameters
    ema: Share | None = None  # decay of the exponential moving average of the trained tensors
    batch_norm: Literal["eval", "train", "train-from-second"] = "eval"  # train-from-second: eval in the first epoch
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    decode: Literal["pillow", "torchvision"] = "pillow"  # of JPEG files; Pillow decodes all others
    resize: Literal["pillow", "torchvision"] = "pillow"
    matmul: Literal["highest", "high"] = "highest"  # high: TF32 in the float32 matrix products of a GPU
    text_precision: Literal["fp32", "bf16"] = "fp32"  # of the frozen text tower, whatever `precision` is
    text_batch: Literal["cell", "joint", "group"] = "cell"
    fused: bool = False  # the optimizer updates each tensor in one kernel, which rounds differently
    channels_last: bool = False  # memory format of the trained convolutions; rounds differently
    drop_last: bool = False
    cache: bool = False
    validation: Share = 0.0
    selection: Literal["last", "best-val", "best-test"] = "last"

    def __post_init__(self) -> None:
        if self.horizon is not None and self.horizon < self.epochs:
            raise ValueError(
                f"recipe.horizon = {self.horizon} is less than recipe.epochs = {self.epochs}: a schedule covers at "
                "least the trained epochs; set recipe.horizon as well, or set it to none"
            )

    def at(self, **changes: Any) -> Recipe:  # as `dataclasses.replace`
        """This recipe with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Values:
    """The values of a paper or its code that apply to some data sets or regimes only.

    Without `datasets` they apply to all data sets, and without `regimes` to all regimes. `recipe`, `frozen` and
    `settings` change the fields of the track with the same names. A partial copy such as `voc2007-subset` uses the
    values of its data set.
    """

    datasets: tuple[str, ...] = ()
    regimes: tuple[str, ...] = ()
    recipe: Changes = field(default_factory=dict)
    frozen: Changes = field(default_factory=dict)
    settings: Changes = field(default_factory=dict)
    source: str = ""

    def hold(self, dataset: str, regime: str) -> bool:
        """Whether the values apply to a data set in a regime."""
        return _among(dataset, self.datasets) and _among(regime, self.regimes)


@dataclass(frozen=True, kw_only=True)
class Track:
    """A recipe with its settings, and the sources of both.

    `frozen` is the recipe for settings that freeze the whole tower, since training only a head requires different
    learning rates and no augmentation. `frozen_settings` then override `settings`. The source states the recipe for
    `datasets` and `regimes` (empty: all); `values` states it for others. If several values apply, later ones override
    earlier ones.
    """

    recipe: Recipe
    frozen: Recipe | None = None
    settings: Changes = field(default_factory=dict)
    source: str = ""
    frozen_settings: Changes = field(default_factory=dict)
    frozen_source: str = "ours"
    datasets: tuple[str, ...] = ()
    regimes: tuple[str, ...] = ()
    values: tuple[Values, ...] = ()

    def stated(self, dataset: str, regime: str) -> bool:
        """Whether the source states a recipe for a data set in a regime; inferred values do not count."""
        own = [each for each in self.values if each.hold(dataset, regime) and not each.source.startswith("inferred")]
        on_dataset = _among(dataset, self.datasets) or any(values.datasets for values in own)
        return on_dataset and (_among(regime, self.regimes) or any(values.regimes for values in own))


def _among(name: str, names: tuple[str, ...]) -> bool:
    return not names or name.removesuffix("-subset") in names
