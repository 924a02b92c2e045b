"""The logits of bilinear attention in chunks: equal to those written out, however they are cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from pmll_methods.nn import bilinear_logits as module
from pmll_methods.nn.bilinear_logits import bilinear_logits, written_out

Form = Callable[[Tensor, Tensor, Tensor], Tensor]


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def given(n: int, c: int, k: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    """a, e, v and the gradient of the logits."""
    torch.manual_seed(0)
    a, e, v, grad = (torch.randn(*shape, dtype=dtype) for shape in ((n, k), (c, k), (k,), (n, c)))
    return a, e, v, grad


def results(form: Form, a: Tensor, e: Tensor, v: Tensor, grad: Tensor) -> list[Tensor]:
    """The logits and the gradients of a, e and v."""
    leaves = [each.clone().requires_grad_() for each in (a, e, v)]
    logits = form(*leaves)
    return [logits.detach(), *torch.autograd.grad(logits, leaves, grad)]


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("chunk", [1, 2**14])
@pytest.mark.parametrize("shape", [(256, 20, 48), (63, 13, 33), (30, 20, 512), (49, 1, 64), (1, 7, 40)])
def test_chunks_change_no_bit(shape: tuple[int, int, int], chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    for one, other in zip(results(bilinear_logits, *given(*shape)), results(written_out, *given(*shape)), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("chunk", [1, 2**14])
def test_recomputing_changes_rounding_at_most(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_STORED", 0)
    monkeypatch.setattr(module, "CHUNK", chunk)
    values = given(63, 13, 33, torch.float64)
    for one, other in zip(results(bilinear_logits, *values), results(written_out, *values), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)


def test_what_is_too_large_is_not_kept_for_the_backward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    shape = (49, 20, 32)
    for most in (49 * 20 * 32, 49 * 20 * 32 - 1):
        monkeypatch.setattr(module, "MOST_STORED", most)
        kept.append(values_kept(*given(*shape)[:3]))
    assert kept[0] - kept[1] == 49 * 20 * 32


def values_kept(*leaves: Tensor) -> int:
    """The number of values that are kept for the backward pass."""
    sizes: list[int] = []

    def pack(tensor: Tensor) -> None:
        sizes.append(tensor.numel())

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda nothing: nothing):
        bilinear_logits(*(each.requires_grad_() for each in leaves))
    return sum(sizes)


def test_mixed_precision_rounds_as_written_out() -> None:
    a, e, v, grad = given(49, 20, 32)
    low = (a.bfloat16(), e.bfloat16(), v)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        one, other = (results(form, *low, grad.bfloat16()) for form in (bilinear_logits, written_out))
    for left, right in zip(one, other, strict=True):
        assert torch.equal(left, right)
