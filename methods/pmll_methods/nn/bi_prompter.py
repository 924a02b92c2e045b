"""SCINet's bi-dominant prompter: a learned context before the class names, and links between the two encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..towers.clip_tower import ClipTower
from ..towers.text import encode
from .prompts import PromptContexts

Crossed = Literal["off", "text", "image", "both"]
DECAY = 0.99  # decay of the running mean image feature


class BiPrompter(nn.Module):
    """Text features of the classes with a shared learned context, and a shift of the image features.

    `crossed` adds a linear map of the mean image feature to the context (`text`), a linear map of the mean text feature
    to every image feature (`image`), or both. The maps are initialised to zero: training starts from plain prompts.
    Reconstructed from the arrows between the two encoders in the paper's figure.
    """

    running: Tensor
    steps: Tensor

    def __init__(
        self, tower: ClipTower, names: Sequence[str], width: int, *, n_ctx: int, start: str | None, crossed: Crossed
    ) -> None:
        super().__init__()
        self.prompts = PromptContexts(tower, names, n_ctx=n_ctx, words=(start,))
        self.to_text = _zeroed(width, tower.text.width) if crossed in ("text", "both") else None
        self.to_image = _zeroed(width, width) if crossed in ("image", "both") else None
        self.register_buffer("running", torch.zeros(width))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, image: Float[Tensor, " e"] | None = None) -> tuple[Float[Tensor, "c e"], Float[Tensor, " #e"]]:
        """The text features (not normalised) and the shift. `image` is the mean image feature, by default the running
        mean."""
        contexts = self.prompts.contexts
        if self.to_text is not None:
            contexts = contexts + self.to_text(self.running if image is None else image)
        texts = encode(self.prompts.tower, self.prompts.plan, contexts)[0]
        return texts, texts.new_zeros(1) if self.to_image is None else self.to_image(texts.mean(dim=0))

    @torch.no_grad()
    def see(self, images: Float[Tensor, "b e"]) -> Float[Tensor, " e"]:
        """The mean feature of a batch of images; also updates the running mean, which is used outside training."""
        mean = F.normalize(images.float(), dim=-1).mean(dim=0)
        self.steps += 1
        self.running.lerp_(mean, (1 / self.steps).clamp_min(1 - DECAY))
        return mean


def _zeroed(inputs: int, outputs: int) -> nn.Linear:
    """A linear map initialised to zero. It draws no random numbers, so all other weights start the same without it."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
