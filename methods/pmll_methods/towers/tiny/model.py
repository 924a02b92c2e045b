"""`tiny`: a CLIP model with under a million weights for 64-pixel images, with open_clip's attribute names.

It differs from an open_clip ResNet only in its trunk: one basic block per layer and a total stride of 8. A 64-pixel
image thus has an 8 x 8 map for dense methods (2 x 2 with open_clip's stride of 32).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from open_clip.modified_resnet import AttentionPool2d
from open_clip.transformer import TextTransformer
from torch import Tensor, nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with a 1 x 1 shortcut (He et al. 2016, Fig. 5 left)."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.downsample = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class TinyResNet(nn.Module):
    """The image tower: `stem`, `layer1` … `layer4`, `attnpool`, the names in open_clip's `ModifiedResNet`."""

    def __init__(
        self,
        image_size: int,
        stem: Sequence[int],
        widths: Sequence[int],
        strides: Sequence[int],
        heads: int,
        output_dim: int,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.output_dim = output_dim
        self.conv1 = nn.Conv2d(3, stem[0], 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem[0])
        self.conv2 = nn.Conv2d(stem[0], stem[1], 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(stem[1])
        layers = [
            nn.Sequential(BasicBlock(inside, outside, stride))
            for inside, outside, stride in zip((stem[1], *widths), widths, strides, strict=False)
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        map_size = image_size // (2 * math.prod(strides))
        self.attnpool = AttentionPool2d(map_size, widths[-1], heads, output_dim)

    def stem(self, x: Float[Tensor, "b 3 64 64"]) -> Float[Tensor, "b 32 32 32"]:
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)))

    def forward(self, x: Float[Tensor, "b 3 64 64"]) -> Float[Tensor, "b 96"]:
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        pooled: Tensor = self.attnpool(x)
        return pooled


class TinyCLIP(nn.Module):
    """Both towers, with the names of open_clip's `CLIP`, so that code for RN50 and RN101 runs on it unchanged."""

    attn_mask: Tensor

    def __init__(self, embed_dim: int, vision_cfg: Mapping[str, Any], text_cfg: Mapping[str, Any]) -> None:
        super().__init__()
        self.visual = TinyResNet(**vision_cfg, output_dim=embed_dim)
        text = TextTransformer(**text_cfg, output_dim=embed_dim)
        self.context_length = text.context_length
        self.vocab_size = text.vocab_size
        self.token_embedding = text.token_embedding
        self.positional_embedding = text.positional_embedding
        self.transformer = text.transformer
        self.ln_final = text.ln_final
        self.text_projection = text.text_projection
        self.text_pool_type = text.pool_type
        self.register_buffer("attn_mask", text.attn_mask, persistent=False)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def encode_image(self, image: Float[Tensor, "b 3 64 64"], normalize: bool = False) -> Float[Tensor, "b 96"]:
        """The pooled embedding of images scaled to [-1, 1]."""
        pooled: Tensor = self.visual(image)
        return F.normalize(pooled, dim=-1) if normalize else pooled

    def encode_text(self, text: Int[Tensor, "b n"], normalize: bool = False) -> Float[Tensor, "b 96"]:
        """The embedding of token ids, read at the end token (the largest id); n may be less than the context length."""
        length = text.shape[1]
        x = self.token_embedding(text) + self.positional_embedding[:length]
        x = self.ln_final(self.transformer(x, attn_mask=self.attn_mask[:length, :length]))
        at_end = x[torch.arange(len(x), device=x.device), text.argmax(dim=-1)]
        projected: Tensor = at_end @ self.text_projection
        return F.normalize(projected, dim=-1) if normalize else projected
