"""Blend features of another image or class prototypes into the features of unknown labels (SARB and DSRB)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int8, Int64
from torch import Tensor, nn
from typing_extensions import TypeVar

from ..devices import to_device
from ..losses.contrastive import contrastive
from ..losses.partial_bce import partial_bce
from ..method import Growth
from ..ranges import Share, Weight, Whole
from ..recipe import Recipe
from ..settings import setting
from .label_features import LabelFeatureLearner, LabelFeatureSettings
from .learner import Batch, Problem, Step, Sweep, ramp
from .prototypes import PrototypeSettings
from .trunk import scalars_joined


class Blended(NamedTuple):
    """Label features after blending, their soft targets, and the rows of the images that changed."""

    features: Float[Tensor, "b c f"]
    targets: Float[Tensor, "b c"]
    changed: Int64[Tensor, " k"]


def blend(
    features: Float[Tensor, "b c f"],
    others: Float[Tensor, "... c f"],
    labels: Int8[Tensor, "b c"],
    where: Bool[Tensor, "b c"],
    own: Float[Tensor, ""],
) -> Blended:
    """f ← own · f + (1 - own) · other with target 1 - own, only for the labels in `where`.

    With `labels` and `where` in host memory, choosing the rows costs no wait for a GPU.
    """
    changed = where.any(dim=1).nonzero()[:, 0]
    labels, where, changed = (to_device(each, features.device) for each in (labels, where, changed))
    mixed = own * features + (1 - own) * others
    targets = torch.where(where, 1 - own, labels.to(own))
    return Blended(torch.where(where[..., None], mixed, features), targets, changed)


def instance_blend(features: Float[Tensor, "b c f"], labels: Int8[Tensor, "b c"], alpha: Float[Tensor, ""]) -> Blended:
    """Blend labels that are unknown in an image and present in its partner, the image at the mirrored position in the
    batch. The middle image of an odd batch is its own partner and does not change."""
    return blend(features, features.flip(0), labels, (labels == 0) & (labels.flip(0) > 0), alpha)


def drawn(rand: Float[Tensor, "b c"], candidates: Bool[Tensor, "b c"], count: int = 1) -> Bool[Tensor, "b c"]:
    """The `count` candidates with the largest random numbers in each row; a row with fewer candidates has none."""
    largest = rand.where(candidates, -1.0).topk(min(count, rand.shape[1]), dim=1).indices
    enough = candidates.sum(dim=1, keepdim=True) >= count
    return torch.zeros_like(candidates).scatter(1, largest, True) & enough


@torch.no_grad()
def clamped(coefficient: nn.Parameter) -> nn.Parameter:
    """A learned coefficient, clamped to [0, 1] in place as in the released code; a clamp in the graph would stop its
    gradient."""
    coefficient.clamp_(0, 1)
    return coefficient


@dataclass(frozen=True, kw_only=True)
class BlendingSettings(PrototypeSettings, LabelFeatureSettings):
    """Settings of blending."""

    instance_blend: bool = setting(True, "blend features of another image into those of unknown labels")
    prototype_blend: bool = setting(True, "blend class prototypes into features of unknown labels")
    alpha: Share = setting(
        0.5, "initial value of α, the learned weight of the label's own feature in instance blending", "HCP-MLR-PL"
    )
    beta: Share = setting(
        0.5, "initial value of β, the learned weight of the label's own feature in prototype blending", "HCP-MLR-PL"
    )
    coefficient_group: Literal["own", "shared"] = setting(
        "own", "own: α and β have no weight decay, which would pull them to 0; shared: they do, as in the released code"
    )
    blend_from: Whole = setting(5, "first epoch with blending", "HCP-MLR-PL, script of SARB")
    contrastive: Weight = setting(0.05, "weight of the contrastive loss", "HCP-MLR-PL, script of SARB")
    absent_apart: bool = setting(
        True, "the contrastive loss also repels the features of two absent labels", "HCP-MLR-PL; not in the paper"
    )


SettingsT = TypeVar("SettingsT", bound=BlendingSettings, default=BlendingSettings)


class BlendingLearner(LabelFeatureLearner[SettingsT]):
    """Label features and their blended copies, which share a graph and classifiers. A subclass defines the
    prototypes."""

    def __init__(self, problem: Problem, settings: SettingsT) -> None:
        super().__init__(problem, settings)
        self._blendable: Tensor | None = None
        loaded: Any = self.register_load_state_dict_post_hook  # untyped in torch
        loaded(lambda learner, keys: BlendingLearner.after_sweep(learner))
        self.alpha = nn.Parameter(torch.tensor(settings.alpha))
        self.beta = nn.Parameter(torch.tensor(settings.beta))

    @classmethod
    def growth(cls, settings: SettingsT, recipe: Recipe) -> Growth:
        """The graph runs again on each kind of blended features."""
        runs = 1 + settings.instance_blend + settings.prototype_blend
        alone = super().growth(settings, recipe)
        return alone._replace(per_class=runs * alone.per_class)

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        groups = super().parameter_groups()
        return groups if self.settings.coefficient_group == "own" else scalars_joined(groups)

    def located(self, features: Float[Tensor, "b k u v"]) -> tuple[Float[Tensor, "b c f"], Float[Tensor, "b c h w"]]:
        """The label features, and their locations: the attention-weighted feature maps, summed over channels."""
        mapped = self.reduced(features)
        label_features, attention = self.decouple(mapped)
        return label_features, attention * mapped.sum(dim=1, keepdim=True)

    def loss(self, batch: Batch, head: Tensor | None, step: Step) -> dict[str, Tensor]:
        """L = L_bce + w L_con + L_inst + L_prot, the last two from epoch `blend_from`; w rises over the first epoch."""
        labels, known, settings = batch.labels, batch.host_labels, self.settings
        features, location = self.located(batch.features)
        logits = self.classify(features)
        weight = settings.contrastive * ramp(step.epoch, step.step, step.steps)
        terms = {
            "bce": partial_bce(logits, labels),
            "contrastive": weight * contrastive(features, known, step.generator, absent_apart=settings.absent_apart),
        }
        if step.epoch < settings.blend_from:
            return terms
        if settings.instance_blend:
            terms["instance"] = self.blended_loss(instance_blend(features, known, clamped(self.alpha)), logits)
        if settings.prototype_blend:
            prototypes, where = self.prototypes_for(location, known, step.generator)
            blended = blend(features, prototypes, known, where, clamped(self.beta))
            terms["prototype"] = self.blended_loss(blended, logits)
        return terms

    def blended_loss(self, blended: Blended, logits: Float[Tensor, "b c"]) -> Float[Tensor, ""]:
        """Cross-entropy over known and blended labels, with gradient to α and β through the targets.

        Only images with blended features pass through the graph again; the others keep their `logits`.
        """
        again = self.classify(blended.features[blended.changed])
        return partial_bce(logits.index_put((blended.changed,), again), blended.targets)

    def prototypes_for(
        self, location: Float[Tensor, "b c h w"], labels: Int8[Tensor, "b c"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "... c f"], Bool[Tensor, "b c"]]:
        """One prototype per label, and the unknown labels to blend. Labels and choice are in host memory."""
        raise NotImplementedError(f"{type(self).__name__}.prototypes_for")

    def with_prototypes(self) -> Bool[Tensor, " c"]:
        """The classes that have prototypes."""
        raise NotImplementedError(f"{type(self).__name__}.with_prototypes")

    @property
    def blendable(self) -> Bool[Tensor, " c"]:
        """The classes that have prototypes, in host memory; read from a GPU once per sweep."""
        if self._blendable is None:
            self._blendable = self.with_prototypes().cpu()
        return self._blendable

    def after_sweep(self) -> None:
        """Called after a subclass has computed its prototypes."""
        self._blendable = None

    def sweep_plan(self, epoch: int) -> Sweep | None:
        if not self.settings.prototype_blend:
            return None
        return self.settings.prototype_sweep(epoch, self.problem.recipe)
