"""Copies from host memory to a GPU that do not wait for the work queued there."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


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
