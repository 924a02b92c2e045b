"""Image features of a CLIP model in the joint space: one vector per image (`pooled`) or per position (`dense`)."""

from __future__ import annotations

import copy
import math
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ..method import MethodError
from .frozen import as_map, fold_batch_norm
from .memory import once

Images: TypeAlias = Float[Tensor, "b 3 h w"]
Visual: TypeAlias = Any  # open_clip's image towers; their attributes are not typed


def image_tower(visual: Visual) -> ResNetImages | VitImages | TimmImages:
    """The features of an open_clip image tower, or of a tower with the attribute names of open_clip's ResNet."""
    if hasattr(visual, "attnpool"):
        return ResNetImages(visual)
    if hasattr(visual, "trunk"):
        return TimmImages(visual)
    if getattr(visual, "attn_pool", True) is None:
        return VitImages(visual)
    raise MethodError(
        f"{type(visual).__name__} has an unsupported attention pooler",
        hint="use a CLIP model with a ResNet, a plain ViT or a timm image tower",
    )


class ResNetImages(nn.Module):
    """A CLIP ResNet at any resolution: the positional embedding of the pool is resized to the feature map.

    `dualcoop`: the mean token and every position, with positional embedding (DualCoOp's code). `maskclip`: every
    position, without positional embedding (TaI-DPT). Both are c(v(token)) of the attention pool, without attention;
    the two linear maps are multiplied into one.
    """

    variants = ("dualcoop", "maskclip")

    def __init__(self, visual: Visual) -> None:
        super().__init__()
        own = copy.deepcopy(visual)  # `visual` keeps its batch norms, for learners that train it
        self.pool = own.attnpool
        self.visual = fold_batch_norm(own)
        self.project = chained(self.pool.v_proj, self.pool.c_proj)
        self.channels = self.project.in_features

    def feature_map(self, images: Images) -> Float[Tensor, "b d u v"]:
        """The last map before the attention pool, from which all other features are computed."""
        return once((self, "map"), images, self._feature_map)

    def _feature_map(self, images: Images) -> Float[Tensor, "b d u v"]:
        x: Tensor = images.contiguous(memory_format=torch.channels_last)
        for stage in ("stem", "layer1", "layer2", "layer3", "layer4"):
            x = getattr(self.visual, stage)(x)
        return x

    def pooled(self, images: Images) -> Float[Tensor, "b e"]:
        return attention_pool(self.feature_map(images), self.pool)

    def dense(self, images: Images, variant: str) -> Float[Tensor, "b n e"]:
        full = variant == "dualcoop"
        positions = self.pool.positional_embedding if full else None
        projected: Tensor = self.project(pool_tokens(self.feature_map(images), positions, with_mean=full))
        return projected


class VitImages(nn.Module):
    """A CLIP ViT at any resolution: its positional embedding is resized as in open_clip's loader.

    `ln_proj`: the tokens of the last block. `value`: only the value path of the last block (MaskCLIP).
    `value_residual`: the value path, added to the input of the block.
    """

    variants = ("ln_proj", "value", "value_residual")

    def __init__(self, visual: Visual) -> None:
        super().__init__()
        self.visual = visual
        self.channels = len(visual.class_embedding)

    def feature_map(self, images: Images) -> Float[Tensor, "b d u v"]:
        """The normalised tokens of the last block, arranged by position."""
        tokens: Tensor = self.visual.ln_post(self._last(images)[:, 1:])
        rows = images.shape[-2] // self.visual.patch_size[0]
        return tokens.mT.reshape(len(tokens), self.channels, rows, -1)

    def pooled(self, images: Images) -> Float[Tensor, "b e"]:
        return self.pool(self._last(images))

    def dense(self, images: Images, variant: str) -> Float[Tensor, "b n e"]:
        if variant == "ln_proj":
            return self.read(self._last(images))
        tokens = once((self, "but one"), images, lambda images: self._blocks(self._embedded(images), but=1))
        return self.read(self.values(tokens) if variant == "value" else tokens + self.values(tokens))

    def pool(self, tokens: Float[Tensor, "b t d"]) -> Float[Tensor, "b e"]:
        """The class token, or the mean of the other tokens, in the joint space."""
        norm, after = self.visual.ln_post, self.visual.final_ln_after_pool
        tokens = tokens if after else norm(tokens)
        pooled = tokens[:, 1:].mean(dim=1) if self.visual.pool_type == "avg" else tokens[:, 0]
        projected: Tensor = (norm(pooled) if after else pooled) @ self.visual.proj
        return projected

    def read(self, tokens: Float[Tensor, "b t d"]) -> Float[Tensor, "b n e"]:
        """Tokens without the class token, in the joint space."""
        projected: Tensor = self.visual.ln_post(tokens[:, 1:]) @ self.visual.proj
        return projected

    def values(self, tokens: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """The attention output of the last block if every token attends only to itself, without residual and MLP."""
        block, width = self.visual.transformer.resblocks[-1], tokens.shape[-1]
        weight, bias = block.attn.in_proj_weight[2 * width :], block.attn.in_proj_bias[2 * width :]
        values: Tensor = block.attn.out_proj(F.linear(block.ln_1(tokens), weight, bias))
        return values

    def _last(self, images: Images) -> Float[Tensor, "b t d"]:
        """The tokens of the last block."""
        return once((self, "tokens"), images, lambda images: self._blocks(self._embedded(images)))

    def _embedded(self, images: Images) -> Float[Tensor, "b t d"]:
        patches = self.visual.conv1(images)
        first = self.visual.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
        tokens = torch.cat([first, patches.flatten(2).mT], dim=1)
        positions = resized(self.visual.positional_embedding, patches.shape[-2:], antialias=True)
        embedded: Tensor = self.visual.ln_pre(tokens + positions)
        return embedded

    def _blocks(self, tokens: Tensor, but: int = 0) -> Tensor:
        blocks = self.visual.transformer.resblocks
        for block in blocks[: len(blocks) - but]:
            tokens = block(tokens)
        return tokens


class TimmImages(nn.Module):
    """A timm image tower. The vector of a position is the output of pooling and head for that position alone.

    With average pooling and a linear head, the mean over positions is the pooled vector.
    """

    variants = ("head",)

    def __init__(self, visual: Visual) -> None:
        super().__init__()
        self.visual = visual
        self.trunk = visual.trunk
        self.channels = int(self.trunk.num_features)

    def feature_map(self, images: Images) -> Float[Tensor, "b d u v"]:
        """The feature map of the trunk, before pooling."""
        return as_map(self.trunk, self._features(images), images)

    def pooled(self, images: Images) -> Float[Tensor, "b e"]:
        return self.read(self._features(images))

    def dense(self, images: Images, variant: str) -> Float[Tensor, "b n e"]:
        features = self._features(images)
        if features.ndim == 3:
            before = self.trunk.num_prefix_tokens
            tokens = features[:, before:]
            # all tokens are this position, whichever token the tower reads
            alone = tokens.flatten(0, 1)[:, None].expand(-1, before + 1, -1)
        elif getattr(self.trunk, "output_fmt", "NCHW") == "NHWC":
            tokens = features.flatten(1, 2)
            alone = tokens.flatten(0, 1)[:, None, None]
        else:
            tokens = features.flatten(2).mT
            alone = tokens.flatten(0, 1)[:, :, None, None]
        return self.read(alone).reshape(*tokens.shape[:2], -1)

    def read(self, features: Tensor) -> Float[Tensor, "b e"]:
        """The output of pooling and head for the features of the trunk, or for one position of them."""
        read: Tensor = self.visual.head(self.trunk.forward_head(features))
        return read

    def _features(self, images: Images) -> Tensor:
        return once((self, "features"), images, self._computed)

    def _computed(self, images: Images) -> Tensor:
        try:
            features: Tensor = self.trunk.forward_features(images)
        except AssertionError as error:  # raised by timm for an unsupported resolution
            raise MethodError(
                f"the tower does not support this resolution: {error}", hint="change recipe.resolution"
            ) from error
        return features


def pool_tokens(
    features: Float[Tensor, "b d u v"], positions: Float[Tensor, "p d"] | None, *, with_mean: bool
) -> Float[Tensor, "b n d"]:
    """The tokens of a CLIP attention pool: with `with_mean` the mean of the map, then its positions row by row.

    `positions` is added, with its grid resized to the map (bicubic, no antialiasing, as in DualCoOp's code).
    """
    tokens = features.flatten(2).mT
    if with_mean:
        tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1)
    if positions is None:
        return tokens
    return tokens + resized(positions, features.shape[-2:], antialias=False)[0 if with_mean else 1 :]


def attention_pool(features: Float[Tensor, "b d u v"], pool: Any) -> Float[Tensor, "b e"]:
    """CLIP's attention pool. Only the mean token is a query, since the other outputs are not used."""
    tokens = pool_tokens(features, pool.positional_embedding, with_mean=True)
    projections = (pool.q_proj(tokens[:, :1]), pool.k_proj(tokens), pool.v_proj(tokens))
    query, key, value = (x.unflatten(2, (pool.num_heads, -1)).transpose(1, 2) for x in projections)
    mixed = F.scaled_dot_product_attention(query, key, value)
    pooled: Tensor = pool.c_proj(mixed.transpose(1, 2).flatten(2)[:, 0])
    return pooled


def resized(positions: Float[Tensor, "p d"], size: tuple[int, ...], *, antialias: bool) -> Float[Tensor, "q d"]:
    """A positional embedding with its square grid resized (bicubic) to `size` = (rows, columns); entry 0 is kept."""
    side = math.isqrt(len(positions) - 1)
    if tuple(size) == (side, side):
        return positions
    grid = positions[1:].mT.reshape(1, -1, side, side)
    grid = F.interpolate(grid, size=tuple(size), mode="bicubic", align_corners=False, antialias=antialias)
    return torch.cat([positions[:1], grid[0].flatten(1).mT])


def chained(first: nn.Linear, second: nn.Linear) -> nn.Linear:
    """second(first(x)) as one frozen linear map, multiplied in float64."""
    weight = second.weight.double() @ first.weight.double()
    bias = second.weight.double() @ first.bias.double() + second.bias.double()
    # No random initialisation: loading a tower while a learner is built must not change the learner's random numbers.
    both: nn.Linear = nn.utils.skip_init(nn.Linear, first.in_features, second.out_features)
    both.to(first.weight).requires_grad_(False)
    both.weight.copy_(weight)
    both.bias.copy_(bias)
    return both
