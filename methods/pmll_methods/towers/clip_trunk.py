"""The image encoder of a CLIP model as a trunk: its feature map before pooling, for methods without text."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from jaxtyping import Float
from torch import Tensor, nn

from .clip import load_clip
from .clip_stages import image_stages
from .clip_tower import ClipTower
from .cnn import Trunk, timm_stages
from .dense import ResNetImages, TimmImages, VitImages
from .weights import CLIP


@lru_cache(maxsize=4)
def load_clip_trunk(name: str, weights: str | None = None) -> Trunk:
    """A frozen trunk, with the arguments of `load_clip`. Calls with the same arguments return the same object."""
    return clip_trunk(load_clip(name, weights))


def clip_trunk(tower: ClipTower) -> Trunk:
    """The image encoder as a trunk; images are normalised as for CLIP.

    A ResNet has the stages stem, layer1 … layer4. A timm tower has those of timm's network (see `load_trunk`). A ViT is
    one stage, `patches`.
    """
    return Trunk(CLIP + tower.name, _stages(tower), tower.channels, tower.mean, tower.std, tower.digest)


def _stages(tower: ClipTower) -> Mapping[str, nn.Module]:
    if isinstance(tower.images, ResNetImages):
        return {name: stage for name, stage in image_stages(tower).stages.items() if name != "attnpool"}
    if isinstance(tower.images, TimmImages):
        return timm_stages(tower.images.trunk)
    return {"patches": _PatchMap(tower.images)}


class _PatchMap(nn.Module):
    """Maps images to the last tokens of a ViT, arranged by position."""

    def __init__(self, images: VitImages) -> None:
        super().__init__()
        self.images = images

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d u v"]:
        return self.images.feature_map(images)
