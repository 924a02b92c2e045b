"""Blending label features into unknown labels: of another image, or of a class's prototypes (SARB and DSRB)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int8
from torch import Tensor, nn
from typing_extensions import TypeVar

from ..losses.contrastive import contrastive
from ..losses.partial_bce import partial_bce
from ..ranges import Share, Weight, Whole
from ..settings import setting
from .label_features import LabelFeatureLearner, LabelFeatureSettings
from .learner import Batch, Problem, Step, Sweep, ramp
from .prototypes import PrototypeSettings
from .trunk import scalars_joined


class Blended(NamedTuple):
    """Label features after blending, the soft labels that they ask for, and which images received any."""

    features: Float[Tensor, "b c f"]
    targets: Float[Tensor, "b c"]
    changed: Bool[Tensor, " b"]


def blend(
    features: Float[Tensor, "b c f"],
    others: Float[Tensor, "... c f"],
    labels: Int8[Tensor, "b c"],
    where: Bool[Tensor, "b c"],
    own: Float[Tensor, ""],
) -> Blended:
    """f ← own · f + (1 - own) · other with target 1 - own where asked for; the rest stays as it is."""
    mixed = own * features + (1 - own) * others
    targets = torch.where(where, 1 - own, labels.to(own))
    return Blended(torch.where(where[..., None], mixed, features), targets, where.any(dim=1))


def instance_blend(features: Float[Tensor, "b c f"], labels: Int8[Tensor, "b c"], alpha: Float[Tensor, ""]) -> Blended:
    """Each image takes from its partner, its mirror image in the batch, what that one is known to show and it
    itself may: labels unknown here and present there. A middle image, its own partner, stays as it is."""
    return blend(features, features.flip(0), labels, (labels == 0) & (labels.flip(0) > 0), alpha)


def drawn(rand: Float[Tensor, "b c"], candidates: Bool[Tensor, "b c"], count: int = 1) -> Bool[Tensor, "b c"]:
    """The `count` candidates of each row with the largest random numbers; none in a row that has fewer."""
    largest = rand.where(candidates, -1.0).topk(min(count, rand.shape[1]), dim=1).indices
    enough = candidates.sum(dim=1, keepdim=True) >= count
    return torch.zeros_like(candidates).scatter(1, largest, True) & enough


@torch.no_grad()
def clamped(coefficient: nn.Parameter) -> nn.Parameter:
    """A learned coefficient, put back into [0, 1] in place as the released code does, so that it can't get stuck."""
    coefficient.clamp_(0, 1)
    return coefficient


@dataclass(frozen=True, kw_only=True)
class BlendingSettings(PrototypeSettings, LabelFeatureSettings):
    """When, how much and from where label features are blended."""

    instance_blend: bool = setting(True, "blend label features of another image into unknown labels")
    prototype_blend: bool = setting(True, "blend prototypes of classes into unknown labels")
    alpha: Share = setting(0.5, "a label's own share in instance blending, at the start: it is learned", "HCP-MLR-PL")
    beta: Share = setting(0.5, "a label's own share in prototype blending, at the start: it is learned", "HCP-MLR-PL")
    coefficient_group: Literal["own", "shared"] = setting(
        "own", "the shares are spared the decay of weights, which would pull them to 0; or, as released, are not"
    )
    blend_from: Whole = setting(5, "first epoch with blending", "HCP-MLR-PL, script of SARB")
    contrastive: Weight = setting(0.05, "weight of the contrastive loss", "HCP-MLR-PL, script of SARB")
    absent_apart: bool = setting(
        True, "the contrastive loss draws features of two absent labels apart, too", "HCP-MLR-PL; not in the paper"
    )


SettingsT = TypeVar("SettingsT", bound=BlendingSettings, default=Any)


class BlendingLearner(LabelFeatureLearner[SettingsT]):
    """Label features, and copies of them with blended unknown labels, all through one graph and one set of
    classifiers; a subclass says what its prototypes are."""

    def __init__(self, problem: Problem, settings: SettingsT) -> None:
        super().__init__(problem, settings)
        self.alpha = nn.Parameter(torch.tensor(settings.alpha))
        self.beta = nn.Parameter(torch.tensor(settings.beta))

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        groups = super().parameter_groups()
        return groups if self.settings.coefficient_group == "own" else scalars_joined(groups)

    def located(self, features: Float[Tensor, "b k u v"]) -> tuple[Float[Tensor, "b c f"], Float[Tensor, "b c h w"]]:
        """The labels' features, and where they come from: the attention-weighted maps, summed over channels."""
        mapped = self.reduced(features)
        label_features, attention = self.decouple(mapped)
        return label_features, attention * mapped.sum(dim=1, keepdim=True)

    def loss(self, batch: Batch, head: Tensor | None, step: Step) -> dict[str, Tensor]:
        """L = L_bce + w L_con + L_inst + L_prot, the latter two from `blend_from` on; w rises over the first epoch."""
        labels, settings = batch.labels, self.settings
        features, location = self.located(batch.features)
        logits = self.classify(features)
        weight = settings.contrastive * ramp(step.epoch, step.step, step.steps)
        terms = {
            "bce": partial_bce(logits, labels),
            "contrastive": weight * contrastive(features, labels, step.generator, absent_apart=settings.absent_apart),
        }
        if step.epoch < settings.blend_from:
            return terms
        if settings.instance_blend:
            terms["instance"] = self.blended_loss(instance_blend(features, labels, clamped(self.alpha)), logits)
        if settings.prototype_blend:
            prototypes, where = self.prototypes_for(location, labels, step.generator)
            blended = blend(features, prototypes, labels, where, clamped(self.beta))
            terms["prototype"] = self.blended_loss(blended, logits)
        return terms

    def blended_loss(self, blended: Blended, logits: Float[Tensor, "b c"]) -> Float[Tensor, ""]:
        """Cross-entropy over known and blended labels, the targets' gradient to α and β included.

        Only images that received something go through the graph again, the others keep their `logits`.
        """
        again = self.classify(blended.features[blended.changed])
        return partial_bce(logits.index_put((blended.changed,), again), blended.targets)

    def prototypes_for(
        self, location: Float[Tensor, "b c h w"], labels: Int8[Tensor, "b c"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "... c f"], Bool[Tensor, "b c"]]:
        """A prototype for each label, and into which unknown labels it is blended."""
        raise NotImplementedError(f"{type(self).__name__}.prototypes_for")

    def sweep_plan(self, epoch: int) -> Sweep | None:
        if not self.settings.prototype_blend:
            return None
        return self.settings.prototype_sweep(epoch, self.problem.recipe)
