"""Functions for frozen towers: pixel normalisation, folded batch norm, feature maps, digests."""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .memory import once

ModuleT = TypeVar("ModuleT", bound=nn.Module)
Channels: TypeAlias = tuple[float, ...]  # one number for each of red, green, blue


def normalise(pixels: UInt8[Tensor, "b 3 h w"], mean: Channels, std: Channels) -> Float[Tensor, "b 3 h w"]:
    """(pixels / 255 - mean) / std in float32."""

    def make(pixels: Tensor) -> Tensor:
        shape = (1, 3, 1, 1)
        low = torch.tensor(mean, device=pixels.device).mul(255).view(shape)
        span = torch.tensor(std, device=pixels.device).mul(255).view(shape)
        return pixels.float().sub_(low).div_(span)

    return once(("normalise", mean, std), pixels, make)


def freeze(module: ModuleT) -> ModuleT:
    """Freeze a module in place, in evaluation mode and without gradients, and return it."""
    return module.requires_grad_(False).eval()


def state_digest(module: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of a module's tensors, sorted by name."""
    total = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        total.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\n".encode())
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()


def fold_batch_norm(module: ModuleT) -> ModuleT:
    """Freeze a convolutional network and fold its batch norms into the convolutions, in place.

    The outputs are unchanged up to rounding (3e-7); together with channels-last memory, the network is 1.2-1.3 times as
    fast. A batch norm is folded if it is registered directly after a convolution of its width, as always in ResNets.
    """
    children = list(module.named_children())
    for (conv_name, conv), (norm_name, norm) in pairwise(children):
        if (
            isinstance(conv, nn.Conv2d)
            and type(norm) is nn.BatchNorm2d
            and norm.num_features == conv.out_channels
            and norm.track_running_stats
        ):
            setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
            setattr(module, norm_name, nn.Identity())
    for _, child in children:
        fold_batch_norm(child)
    return freeze(module).to(memory_format=torch.channels_last)


def as_map(
    network: Any, features: Float[Tensor, "b ..."], images: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, "b d u v"]:
    """The output of a timm network as a feature map, with tokens arranged by position."""
    if features.ndim == 4:
        channels_last = getattr(network, "output_fmt", "NCHW") == "NHWC"
        return features.permute(0, 3, 1, 2) if channels_last else features
    tokens = features[:, network.num_prefix_tokens :]
    rows = round(math.sqrt(tokens.shape[1] * images.shape[2] / images.shape[3]))
    return tokens.mT.reshape(len(tokens), -1, rows, tokens.shape[1] // rows)
