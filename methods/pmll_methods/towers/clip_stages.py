"""The image encoder of a CLIP model, split into stages so that the last ones can be trained. The last stage pools."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .clip_tower import ClipTower
from .cnn import Trunk, resnet_stages, tiny_stages
from .dense import attention_pool, image_tower
from .tiny.model import TinyResNet


@lru_cache(maxsize=4)
def image_stages(tower: ClipTower) -> Trunk:
    """The image encoder as a trunk with a pooling last stage. Calls with the same tower return the same object.

    A ResNet's stages are stem, layer1 … layer4 and attnpool; any other image encoder is one stage, `images`.
    """
    device, side = tower.model.logit_scale.device, tower.resolution
    width = tower.pooled(torch.zeros(1, 3, side, side, device=device)).shape[1]
    return Trunk(tower.name, _stages(tower.model.visual), width, tower.mean, tower.std, tower.digest)


def _stages(visual: Any) -> Mapping[str, nn.Module]:
    if not hasattr(visual, "attnpool"):
        return {"images": _Whole(visual)}
    trunk = tiny_stages(visual) if isinstance(visual, TinyResNet) else resnet_stages(visual)
    return {**trunk, "attnpool": _AttentionPool(visual.attnpool)}


class _AttentionPool(nn.Module):
    """Maps the last feature map to one vector in the joint space, at any resolution."""

    def __init__(self, pool: Any) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, features: Float[Tensor, "b d u v"]) -> Float[Tensor, "b e"]:
        return attention_pool(features, self.pool)


class _Whole(nn.Module):
    """A whole image encoder; maps images to one vector in the joint space."""

    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.images = image_tower(visual)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b e"]:
        return self.images.pooled(images)
