"""What a training step asks of its device: copies that do not wait, seeds, memory format, matrix precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor, nn


def to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """The tensor on `device`. A copy to a GPU goes through pinned memory and takes its turn among the queued work."""
    if torch.device(device).type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def beside_work(tensor: Tensor, device: torch.device | str) -> Tensor:
    """As `to_device`, but a copy to a GPU runs beside the queued work, in a stream of its own: for batches of images.

    Work that is queued later waits for the copy.
    """
    if torch.device(device).type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    copies, work = _copy_stream(torch.device(device)), torch.cuda.current_stream(torch.device(device))
    with torch.cuda.stream(copies):
        copied = to_device(tensor, device)
    work.wait_stream(copies)
    copied.record_stream(work)  # its memory is not reused before the work that reads it is done
    return copied


@cache
def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


def seed_draws(seed: int, device: torch.device | str) -> None:
    """Seed torch's own generators, of the CPU and of `device`, as `torch.manual_seed` does for all devices.

    `torch.manual_seed` takes 0.1 ms where CUDA is not in use, longer than some kernels of a step.
    """
    torch.default_generator.manual_seed(seed)
    given = torch.device(device)
    if given.type == "cuda":
        torch.cuda.init()
        number = torch.cuda.current_device() if given.index is None else given.index
        torch.cuda.default_generators[number].manual_seed(seed)


def to_channels_last(module: nn.Module) -> None:
    """Convert the weights of two-dimensional convolutions to channels-last memory, in place.

    Their outputs then have this format too, and differ by rounding.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            part.to(memory_format=torch.channels_last)


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Compute float32 matrix products of the block with `precision`: "highest", or "high" for TF32 on a GPU.

    "highest" is torch's default and leaves the setting of the process unchanged.
    """
    before = torch.get_float32_matmul_precision()
    if precision != "highest":
        torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
