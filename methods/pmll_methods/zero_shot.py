"""`clip-zeroshot`: the cosine between an image and a hand-written prompt per class, without training.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, zero-shot transfer.
Images are ranked by the cosine of each class. A softmax over classes would change the ranking.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from .learners.clip_learner import ClipLearner, ClipSettings
from .learners.learner import Phase
from .method import PHOTOGRAPHS, Card, MethodError
from .recipe import Recipe, Track
from .settings import setting

IMAGES = Recipe(resolution=224, batch=32, epochs=0, lr=0.0)


@dataclass(frozen=True, kw_only=True)
class ZeroShotSettings(ClipSettings):
    """Settings of `clip-zeroshot`."""

    prompt: str = setting("a photo of a {name}.", "prompt template; {name} is the class name", "CLIP repository")


class ClipZeroShot(ClipLearner[ZeroShotSettings, Tensor]):
    """logit = scale · cos(image, text of the class)."""

    Settings = ZeroShotSettings
    card = Card(
        name="clip-zeroshot",
        shown=(PHOTOGRAPHS,),
        title="zero-shot CLIP",
        paper="Radford et al., ICML 2021",
        trains="nothing",
        regimes=("full", "partial", "single-positive", "semi"),
        uses_labels=False,
        deterministic=True,
        logits=False,
        differs=(
            "images are resized to a square; CLIP's code crops the centre (recipe.test_view=centre)",
            "precision is fp32; CLIP's code uses half precision on GPUs (recipe.precision=fp16)",
        ),
        tracks={
            "paper": Track(recipe=IMAGES, source="CLIP's code; nothing is trained"),
            "smoke": Track(recipe=IMAGES.at(resolution=64), settings={"tower": "tiny"}),
        },
    )

    def phases(self) -> tuple[Phase, ...]:
        return ()

    def encode(self, pixels: Tensor) -> Float[Tensor, "b e"]:
        return F.normalize(self.clip.pooled(self.clip.normalise(pixels)), dim=-1)

    def head(self) -> Float[Tensor, "c e"]:
        if "{name}" not in self.settings.prompt:
            raise MethodError(
                "the prompt template has no {name}",
                where=f"prompt = {self.settings.prompt!r}",
                hint="put {name} where the class name belongs: 'a photo of a {name}.'",
            )
        texts = [self.settings.prompt.format(name=name) for name in self.problem.prompt_names]
        return F.normalize(self.clip.encode_text(self.clip.tokenize(texts)), dim=-1)

    def forward(self, features: Float[Tensor, "b e"], head: Float[Tensor, "c e"]) -> Float[Tensor, "b c"]:
        return self.clip.logit_scale * features @ head.T
