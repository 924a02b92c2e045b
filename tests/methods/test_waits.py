"""Training steps that do not wait for a GPU: what a step reads from the device, counted on a CPU."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from paper_steps import paper_step
from pmll_methods import registry
from pmll_methods.engine import loss_log
from pmll_methods.engine.member import Place

READS = {  # functions whose result, or its shape, depends on values: on a GPU the host waits for them
    *("__bool__", "__float__", "__int__", "__index__", "__contains__", "item", "tolist", "numpy", "cpu"),
    *("nonzero", "argwhere", "masked_select", "unique", "bincount", "equal", "linalg_eigh"),
}
INDEXED = {"__getitem__", "__setitem__", "index_put", "index_put_"}

ROWS = "rows are chosen by predictions; zeros instead of leaving rows out would change the rounding of the sum"
ALLOWED: dict[str, dict[tuple[str, int], str]] = {  # method: function that waits and how often, with the reason
    "scpnet": {("soft_cross_entropy", 2): ROWS},
    "scpnet-frozen": {("soft_cross_entropy", 2): ROWS},
    "scinet": {
        ("view_loss", 6): ROWS,
        ("instance_affinity", 1): "a mean over neighbouring pairs, which depend on features",
        ("spectrum", 1): "an eigendecomposition, which reports whether it has converged",
    },
    "ssmll": {("context_loss", 1): ROWS},
    "sarb": {("blendable", 1): "once per sweep, not per step"},
    "dsrb": {("blendable", 1): "once per sweep, not per step"},
}
NO_STEPS = {"linear-probe", "clip-zeroshot"}


class OnDevice(Tensor):
    """A tensor that counts as on the device, as does all that is computed from it. `waits` is filled while counting."""

    waits: ClassVar[Counter[str] | None] = None

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if cls.waits is not None and waits(getattr(func, "__name__", ""), args):
            frames = reversed(traceback.extract_stack())
            cls.waits[next((frame.name for frame in frames if "pmll_methods" in frame.filename), "here")] += 1
        result = super().__torch_function__(func, types, args, kwargs or {})  # type: ignore[no-untyped-call]
        return result.as_subclass(Tensor) if getattr(func, "__name__", "") == "cpu" else result


def waits(name: str, args: Any) -> bool:
    """Whether the host waits for the result of a function, or for its shape."""
    if name in INDEXED:
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        masked = any(isinstance(each, Tensor) and each.dtype == torch.bool for each in index)
        filled = name == "__setitem__" and not (isinstance(args[2], Tensor) and args[2].ndim)  # a fill needs no shape
        return masked and not filled
    return name in READS or (name == "where" and len(args) == 1)


def on_device(value: Any) -> Any:
    return tuple(map(on_device, value)) if isinstance(value, tuple) else value.as_subclass(OnDevice)


@contextmanager
def counted() -> Iterator[Counter[str]]:
    OnDevice.waits = Counter()
    try:
        yield OnDevice.waits
    finally:
        OnDevice.waits = None


def step_waits(name: str, regime: str) -> Counter[str]:
    """The waits of a step in a late epoch of the paper track, by the function of ours that waits."""
    made = paper_step(name, regime)
    learner, member = made.learner, made.member
    for module in learner.modules():
        for key, buffer in module._buffers.items():
            module._buffers[key] = None if buffer is None else on_device(buffer)
    made.batch = replace(made.batch, views=on_device(made.batch.views))
    batch = made.last_batch()
    for part in (batch, *batch.streams.values()):
        object.__setattr__(part, "labels", on_device(part.labels))
    with counted() as found:
        member.train_step(batch, learner.phases()[-1], Place(len(learner.phases()) - 1, 6, 3), 4)
    return found


@pytest.mark.parametrize("name", [name for name in registry.names() if name not in NO_STEPS])
def test_a_step_waits_for_the_device_only_where_stated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    regimes = registry.find(name).card.regimes
    monkeypatch.setattr(loss_log, "steps_per_read", lambda device: loss_log.READ_EVERY)
    assert dict(step_waits(name, "partial" if "partial" in regimes else regimes[0])) == dict(
        ALLOWED.get(name, {}).keys()
    )


def test_waits_are_seen() -> None:
    """A mask, a copy to the host and a test of a value count; a fill and arithmetic do not."""
    values = torch.tensor([1.0, -1.0]).as_subclass(OnDevice)
    with counted() as found:
        assert values[values > 0].sum() > 0
        values[values < 0] = 0
        assert values.tolist() == [1, 0]
    assert found == {"here": 3}
