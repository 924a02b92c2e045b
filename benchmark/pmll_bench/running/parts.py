"""Trains a group in parts that fit into memory: what does not fit goes on from its checkpoints after the others."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeGuard

import torch

from pmll_errors import counted
from pmll_methods.engine.isolation import result_or_error
from pmll_methods.engine.torch_method import NoRoom

from ..store.failure import cause_of
from .training import Training

Work = Callable[[Sequence[Training]], None]


def in_parts(cells: Sequence[Training], work: Work, done: Work, note: Callable[[str], None]) -> None:
    """Do `work`, which trains and predicts, for all cells together, or for as many at a time as fit into memory.

    A lack of memory is not the failure of a cell that shares it with others: it is tried again with fewer of them, from
    its last checkpoint, after those that did fit are `done` and released. If none did fit, half of them are tried at a
    time. A cell that does not fit alone fails.
    """
    waiting = deque([list(cells)])
    while waiting:
        part = waiting.popleft()
        _do(work, part)
        short = [len(part) > 1 and _is_lack_of_memory(cell.failure) for cell in part]
        done([cell for cell, lacks in zip(part, short, strict=True) if not lacks])
        for cell in part:
            cell.method = None
        if rest := [cell for cell, lacks in zip(part, short, strict=True) if lacks]:
            _forget(rest)
            note(f"memory {counted(len(rest), 'cell')} of {len(part)} did not fit; they go on after the others")
            middle = len(rest) // 2 if len(rest) == len(part) else 0
            waiting.extendleft(half for half in (rest[middle:], rest[:middle]) if half)


def _do(work: Work, cells: Sequence[Training]) -> None:
    """Do the work for some cells. A lack of memory outside any of them fails all of them."""
    failed = result_or_error(partial(work, cells))
    if _is_lack_of_memory(failed):
        for cell in cells:
            cell.fail(failed)
    elif failed is not None:
        raise failed


def _is_lack_of_memory(failure: Exception | None) -> TypeGuard[Exception]:
    return isinstance(failure, NoRoom) or (failure is not None and cause_of(failure) == "oom")


def _forget(cells: Sequence[Training]) -> None:
    """Drop the errors of cells, whose tracebacks hold tensors, and return the memory to the device."""
    for cell in cells:
        cell.failure = None
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
