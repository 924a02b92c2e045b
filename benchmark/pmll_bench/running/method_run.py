"""The `Run` passed to a method. It exposes only what a method may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pmll_datasets.handles import Handle, make_handle
from pmll_datasets.handles import resolve as _resolve
from pmll_methods.method import ImageSet, Positions, Run, Scores, State
from pmll_methods.recipe import Recipe


class MethodRun:
    """Forwards calls to a `Run`. It holds only a handle, so no label, store or path can be reached from it.

    Its attributes cannot be set: a method stores its state on itself.
    """

    __slots__ = ("_handle",)

    def __init__(self, run: Run) -> None:
        object.__setattr__(self, "_handle", make_handle(run))

    _handle: Handle[Run]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot set {name!r} on the run passed to a method")

    @property
    def seed(self) -> int:
        return _resolve(self._handle).seed

    @property
    def device(self) -> str:
        return _resolve(self._handle).device

    @property
    def recipe(self) -> Recipe:
        return _resolve(self._handle).recipe

    def save(self, state: State, step: int = 0) -> None:
        _resolve(self._handle).save(state, step)

    def restore(self, step: int | None = None) -> State | None:
        return _resolve(self._handle).restore(step)

    def saved_steps(self) -> tuple[int, ...]:
        return _resolve(self._handle).saved_steps()

    def save_due(self) -> bool:
        return _resolve(self._handle).save_due()

    def should_stop(self) -> bool:
        return _resolve(self._handle).should_stop()

    def report(self, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        _resolve(self._handle).report(epoch, epochs, losses)

    def record(self, name: str, positions: Positions, values: np.ndarray) -> None:
        _resolve(self._handle).record(name, positions, values)

    def after_epoch(self, epoch: int, predict: Callable[[ImageSet], Scores]) -> None:
        _resolve(self._handle).after_epoch(epoch, predict)

    def wants(self, epoch: int, predict: Callable[[ImageSet], Scores], scores: Scores | None = None) -> ImageSet | None:
        return _resolve(self._handle).wants(epoch, predict, scores)
