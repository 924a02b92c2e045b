"""Small CLIPs with random weights, made by open_clip's own classes; quick to run, built like the real ones."""

from __future__ import annotations

from typing import Any

import open_clip
import torch
from torch import Tensor

from pmll_methods.towers.clip_tower import ClipTower, clip_tower

RESNET = {"layers": [1, 1, 1, 1], "width": 16, "head_width": 64, "image_size": 64}
VIT = {"layers": 2, "width": 32, "head_width": 8, "patch_size": 16, "image_size": 64}
MOBILENET = {
    "timm_model_name": "mobilenetv2_050",
    "timm_model_pretrained": False,
    "timm_pool": "avg",
    "timm_proj": "linear",
    "timm_proj_bias": True,
    "image_size": 64,
}
TEXT = {"width": 32, "heads": 4, "layers": 3, "context_length": 77}


def small_clip(vision: dict[str, Any], *, custom: bool = False, quick_gelu: bool = False, **text: Any) -> Any:
    """open_clip's model with random weights; batch norms hold statistics as after training."""
    torch.manual_seed(0)
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    model = kind(embed_dim=24, vision_cfg=dict(vision), text_cfg={**TEXT, **text}, quick_gelu=quick_gelu).eval()
    for parameter in model.parameters():
        if parameter.ndim < 2:
            parameter.data += 0.1 * torch.randn_like(parameter)  # no bias is 0, no norm and no scale exactly 1
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(0.1 * torch.randn_like(buffer))
        if name.endswith("running_var"):
            buffer.copy_(0.5 + torch.rand_like(buffer))
    return model


def tower_of(model: Any, name: str = "small") -> ClipTower:
    """The tower over such a model."""
    tokenizer = open_clip.SimpleTokenizer(context_length=model.context_length)
    return clip_tower(name, model, tokenizer, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)


def close(found: Tensor, expected: Tensor, tolerance: float = 5e-6) -> None:
    """Hold two features together, by the largest difference relative to the largest entry."""
    assert found.shape == expected.shape
    assert float((found - expected).abs().max() / expected.abs().max()) < tolerance


def images(side: int, count: int = 2) -> Tensor:
    """Noise that stands for normalised images."""
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))
