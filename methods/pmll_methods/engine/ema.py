"""Exponential moving average of the trained tensors: e <- decay * e + (1 - decay) * m after every step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def averaged(module: nn.Module) -> dict[str, Tensor]:
    """The tensors to average: trained parameters and batch-norm statistics, but not the state of a method."""
    tensors: dict[str, Tensor] = {
        name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad
    }
    for prefix, part in module.named_modules():
        if isinstance(part, _BatchNorm):
            tensors |= {f"{prefix}.{name}".lstrip("."): buffer for name, buffer in part.named_buffers(recurse=False)}
    return tensors


def start(module: nn.Module) -> dict[str, Tensor]:
    """An average initialised with the module's current tensors."""
    return {name: tensor.detach().clone() for name, tensor in averaged(module).items()}


@torch.no_grad()
def update(average: Mapping[str, Tensor], current: Mapping[str, Tensor], decay: float) -> None:
    """Update the average in place. Counters are truncated towards zero, as a copy into an integer tensor does."""
    for name, tensor in current.items():
        if tensor.is_floating_point():
            average[name].mul_(decay).add_(tensor.detach(), alpha=1 - decay)
        else:
            average[name].copy_(decay * average[name].double() + (1 - decay) * tensor.double())


@contextmanager
def swapped_in(module: nn.Module, average: Mapping[str, Tensor] | None) -> Iterator[None]:
    """Load the average into the module for the duration of the block."""
    if not average:
        yield
        return
    own = start(module)
    load(module, average)
    try:
        yield
    finally:
        load(module, own)


@torch.no_grad()
def load(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy `tensors` into the module."""
    for name, tensor in averaged(module).items():
        tensor.copy_(tensors[name])
