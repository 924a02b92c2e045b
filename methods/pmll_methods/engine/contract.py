"""Checks of the values that a learner returns, with errors that say how to correct a mistake."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from ..learners.learner import AnyLearner, Problem
from ..method import Diverged, MethodError
from ..settings import Settings

NAMED_TERMS = 'return named terms, each a single number: {"bce": loss.mean()}'
CONNECTED = "avoid .detach(), .item() and torch.no_grad() between parameters and loss"
NOT_FINITE = "check the loss for log(0), 0/0 or the square root of 0; a lower recipe.lr may help"
NO_SUPER = "start __init__ with super().__init__(problem, settings)"


def build_learner(learner_class: type[AnyLearner], problem: Problem, settings: Settings) -> AnyLearner:
    """An untrained learner. Raises `MethodError` if its `__init__` does not call that of its base class first."""
    try:
        learner = learner_class(problem, settings)
    except AttributeError as error:
        if "before Module.__init__()" not in str(error):
            raise
        raise MethodError(
            f"{learner_class.__name__}.__init__ sets a layer before super().__init__() is called", hint=NO_SUPER
        ) from error
    if getattr(learner, "problem", None) is None:
        raise MethodError(f"{learner_class.__name__}.__init__ does not call super().__init__()", hint=NO_SUPER)
    return learner


def check_terms(given: object, learner: AnyLearner) -> Mapping[str, Tensor]:
    """The terms that `loss` returned. Raises `MethodError` unless they are named scalar tensors."""
    where = source_location(learner.loss)
    if not isinstance(given, Mapping):
        raise MethodError(
            f"loss returned {described(given)}, expected a dict of named terms", where=where, hint=NAMED_TERMS
        )
    if not given:
        raise MethodError("loss returned no terms", where=where, hint=NAMED_TERMS)
    for name, term in given.items():
        if not isinstance(term, Tensor):
            what = f"the term {name!r} of the loss is {described(term)}, expected a tensor"
            raise MethodError(what, where=where, hint=CONNECTED)
        if term.ndim:
            what = f"the term {name!r} of the loss has shape {tuple(term.shape)}, expected a single number"
            raise MethodError(what, where=where, hint="take its mean or its sum")
    return given


def check_finite(total: float, terms: Mapping[str, float], learner: AnyLearner, epoch: int, step: int) -> None:
    """Raise `Diverged`, naming the terms, if a loss is not finite. `epoch` and `step` count from 0."""
    if math.isfinite(total):
        return
    wrong = [f"the term {name!r} is {value}" for name, value in terms.items() if not math.isfinite(value)]
    shown = ", ".join(wrong) or f"the sum of its terms is {total}"
    what = f"the loss is not finite in epoch {epoch + 1}, step {step + 1}: {shown}"
    raise Diverged(what, where=source_location(learner.loss), hint=NOT_FINITE)


def check_attached(total: Tensor, learner: AnyLearner) -> None:
    """Raise `MethodError` if the loss has no gradient."""
    if not total.requires_grad:
        what = "no term of the loss depends on a trained parameter"
        raise MethodError(what, where=source_location(learner.loss), hint=CONNECTED)


def check_logits(logits: object, images: int, learner: AnyLearner) -> None:
    """Raise `MethodError` unless `forward` returned one logit per image and class."""
    expected = (images, len(learner.problem.classes))
    if isinstance(logits, Tensor) and logits.shape == expected:
        return
    got = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else described(logits)
    raise MethodError(
        f"forward returned {got}, expected {expected} (images, classes)",
        where=source_location(learner.forward),
        hint="return one logit per image and class, the classes in the order of problem.classes",
    )


def described(value: object) -> str:
    """The type of a value, for a message: "nothing", "a list"."""
    return "nothing" if value is None else f"a {type(value).__name__}"


def source_location(function: Callable[..., object]) -> str | None:
    """The location of a function, "mine.py:12, in loss"; None if it is unknown."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}, in {code.co_name}" if code else None
