"""How to train, as plain data: recipes, and the tracks that say which one holds on a data set in a regime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from .ranges import Count, Positive, Share, Weight, Whole


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training recipe. Every field is part of a cell's identity.

    `views` names one deterministic transform per training view (`pmll_datasets.views`); `lr_scale`
    multiplies `lr` for a learner's named parameter groups. `cache` computes what a learner's frozen part
    makes of each image once: only for views that never change. `validation` is the share of the training
    images that is held out for `best-val` selection and for `rates`, their labels masked like the others'. `rates`
    replace `lr`: each is tried without the held-out images, and the one that does best on these trains on all.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # an unknown field would be lost

    resolution: Count
    batch: Count
    epochs: Whole
    horizon: Whole | None = None  # epochs that onecycle and cosine are laid out for; None: those that are trained
    lr: Weight
    rates: tuple[Positive, ...] = ()
    views: tuple[str, ...] = ("squash",)
    test_view: str = "squash"
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    momentum: Share = 0.9
    betas: tuple[Share, Share] = (0.9, 0.999)
    weight_decay: Weight = 0.0
    decay_vectors: bool = True  # False: none for what is one-dimensional: norms, biases
    lr_scale: Mapping[str, Weight] = field(default_factory=dict)
    schedule: Literal["constant", "step", "cosine", "onecycle"] = "constant"
    decay_epochs: tuple[Whole, ...] = ()  # step: lr falls to a tenth at the start of each of these epochs
    warmup_epochs: Weight = 0.0
    warmup_lr: Weight | None = None  # a constant rate while warming up; None: linear from zero
    clip: Positive | None = None  # largest norm of the whole gradient
    ema: Share | None = None  # decay of the exponential moving average of the trained tensors
    batch_norm: Literal["eval", "train", "train-from-second"] = "eval"  # the last: from the second epoch on
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    drop_last: bool = False
    cache: bool = False
    validation: Share = 0.0
    selection: Literal["last", "best-val", "best-test"] = "last"

    def __post_init__(self) -> None:
        if self.horizon is not None and self.horizon < self.epochs:
            raise ValueError(
                f"recipe.horizon = {self.horizon} is less than recipe.epochs = {self.epochs}: a schedule is laid "
                "out for at least the epochs that are trained; give recipe.horizon, too, or set it to none"
            )

    def at(self, **changes: Any) -> Recipe:
        """This recipe with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Values:
    """What a paper or its code takes on some data sets, or in some regimes, alone.

    Without `datasets` they hold on all of them, without `regimes` in all. `recipe` and `frozen` change the track's
    recipes of these names, `settings` its settings. A partial copy, `voc2007-subset`, takes what its data set takes.
    """

    datasets: tuple[str, ...] = ()
    regimes: tuple[str, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    frozen: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    def hold(self, dataset: str, regime: str) -> bool:
        """Whether they hold on a data set in a regime."""
        return _among(dataset, self.datasets) and _among(regime, self.regimes)


@dataclass(frozen=True, kw_only=True)
class Track:
    """A recipe together with the settings that belong to it, and where both come from.

    `frozen` is the recipe where the settings leave the whole tower as it is: training a head alone is another
    problem, with other rates and without a need for fresh views; `frozen_settings` then win over `settings`.
    `datasets` and `regimes` are those for which the source states the recipe (empty: no limit), `values` what it takes
    elsewhere; of two that hold, the later wins.
    """

    recipe: Recipe
    frozen: Recipe | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    frozen_settings: Mapping[str, Any] = field(default_factory=dict)
    frozen_source: str = "ours"
    datasets: tuple[str, ...] = ()
    regimes: tuple[str, ...] = ()
    values: tuple[Values, ...] = ()

    def stated(self, dataset: str, regime: str) -> bool:
        """Whether the source gives a recipe for a data set in a regime; what is inferred states nothing."""
        own = [each for each in self.values if each.hold(dataset, regime) and not each.source.startswith("inferred")]
        on_dataset = _among(dataset, self.datasets) or any(values.datasets for values in own)
        return on_dataset and (_among(regime, self.regimes) or any(values.regimes for values in own))


def _among(name: str, names: tuple[str, ...]) -> bool:
    return not names or name.removesuffix("-subset") in names
