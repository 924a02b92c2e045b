"""The logits of low-rank bilinear attention, k_lc = v · tanh(a_l ⊙ e_c), without tensors that outgrow the caches.

Written out, the forward and the backward pass make six tensors over positions, classes and width, and most of the time
is spent on fetching memory for them. Here a single one is made, and the rest is computed in chunks. The values and all
gradients are equal to the bit to those of `written_out`: sums run over whole axes, in the same order.
"""

from __future__ import annotations

from math import gcd
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

MOST_STORED = 2**28  # values of tanh kept for the backward pass: 1 GiB in fp32; if there are more, none is kept
CHUNK = 2**20  # values of a chunk, per thread
REGISTERS = 64  # values that torch sums in one group of registers; the rest of a row is summed in another order


def bilinear_logits(a: Float[Tensor, "n k"], e: Float[Tensor, "c k"], v: Float[Tensor, " k"]) -> Float[Tensor, "n c"]:
    """v · tanh(a_n ⊙ e_c) for all positions n and classes c. On a GPU and in mixed precision, it is written out."""
    if a.device.type != "cpu" or not a.dtype == e.dtype == v.dtype:
        return written_out(a, e, v)
    logits: Tensor = _Logits.apply(a, e, v)
    return logits


def written_out(a: Float[Tensor, "n k"], e: Float[Tensor, "c k"], v: Float[Tensor, " k"]) -> Float[Tensor, "n c"]:
    """The same, with a tensor over positions, classes and width for each operation."""
    return (a[:, None] * e).tanh() @ v


class _Logits(torch.autograd.Function):
    """Keeps tanh(a ⊙ e) for the backward pass if it is small enough, and recomputes it otherwise."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, e: Tensor, v: Tensor) -> Tensor:
        (n, width), classes = a.shape, len(e)
        whole = n * classes * width <= MOST_STORED
        joint = a.new_empty(n if whole else 0, classes, width)
        logits = a.new_empty(n, classes)
        # a multiple of 8 rows, which BLAS processes together
        for rows in _chunks(n, classes * width, step=8):
            of_rows = _joint(a[rows], e, joint[rows] if whole else a.new_empty(len(a[rows]), classes, width))
            if not whole:
                logits[rows] = of_rows @ v
        ctx.save_for_backward(a, e, v, joint)
        return joint @ v if whole else logits

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, e, v, joint = ctx.saved_tensors
        (grad,), (n, width), classes = grads, a.shape, len(e)
        whole = len(joint) == n
        of_a, of_e, of_v = torch.empty_like(a), torch.empty_like(e), torch.zeros_like(v)
        if whole:
            of_v = joint.view(-1, width).mT.mv(grad.reshape(-1))
        for rows in _chunks(n, classes * width):
            of_rows = joint[rows] if whole else _joint(a[rows], e)
            if not whole:
                of_v.addmv_(of_rows.view(-1, width).mT, grad[rows].reshape(-1))
            torch.sum(_before_tanh(of_rows, grad[rows], v).mul_(e), dim=1, out=of_a[rows])
        for some in _chunks(classes, n * width, step=REGISTERS // gcd(REGISTERS, width)):
            of_some = joint[:, some] if whole else _joint(a, e[some])
            torch.sum(_before_tanh(of_some, grad[:, some], v).mul_(a[:, None]), dim=0, out=of_e[some])
        return of_a, of_e, of_v


def _joint(a: Tensor, e: Tensor, out: Tensor | None = None) -> Float[Tensor, "n c k"]:
    """tanh(a ⊙ e)."""
    return torch.mul(a[:, None], e, out=out).tanh_()


def _before_tanh(joint: Float[Tensor, "n c k"], grad: Float[Tensor, "n c"], v: Float[Tensor, " k"]) -> Tensor:
    """The gradient with respect to a ⊙ e."""
    outer = grad[..., None] * v
    torch.ops.aten.tanh_backward.grad_input(outer, joint, grad_input=outer)
    return outer


def _chunks(length: int, each: int, step: int = 1) -> list[slice]:
    """Slices of an axis of which every entry has `each` values; all but the last have a multiple of `step` entries."""
    fitting = CHUNK * torch.get_num_threads() // each
    size = max(step, fitting // step * step)
    return [slice(start, start + size) for start in range(0, length, size)]
