"""Mistakes of a method's author, told by what to write instead before they become a puzzle in the loop."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..learners.learner import AnyLearner, Problem
from ..method import Diverged, MethodError

NAMED_TERMS = 'return named terms, each a single number: {"bce": loss.mean()}'
CONNECTED = "keep .detach(), .item() and torch.no_grad() away from what leads from parameters to the loss"
NOT_FINITE = "look for log(0), 0/0 or a root of 0 in the loss; a lower recipe.lr may help"
NO_SUPER = "begin __init__ with super().__init__(problem, settings)"


def build_learner(learner_class: type[AnyLearner], problem: Problem, settings: Any) -> AnyLearner:
    """An untrained learner. Raises `MethodError` where its `__init__` leaves out that of its base."""
    try:
        learner = learner_class(problem, settings)
    except AttributeError as error:
        if "before Module.__init__()" not in str(error):
            raise
        raise MethodError(
            f"{learner_class.__name__}.__init__ sets a layer before super().__init__() is called", hint=NO_SUPER
        ) from error
    if getattr(learner, "problem", None) is None:
        raise MethodError(f"{learner_class.__name__}.__init__ doesn't call super().__init__()", hint=NO_SUPER)
    return learner


def check_terms(given: Any, learner: AnyLearner) -> Mapping[str, Tensor]:
    """What `loss` returned, if it is what a learner is to return. Raises `MethodError`."""
    where = source_location(learner.loss)
    if not isinstance(given, Mapping):
        raise MethodError(f"loss returned {described(given)}, not a dict of named terms", where=where, hint=NAMED_TERMS)
    if not given:
        raise MethodError("loss returned no terms", where=where, hint=NAMED_TERMS)
    for name, term in given.items():
        if not isinstance(term, Tensor):
            what = f"the term {name!r} of the loss is {described(term)}, not a tensor"
            raise MethodError(what, where=where, hint=CONNECTED)
        if term.ndim:
            what = f"the term {name!r} of the loss has shape {tuple(term.shape)}, not that of a single number"
            raise MethodError(what, where=where, hint="take its mean or its sum")
    return given


def check_finite(total: float, terms: Mapping[str, float], learner: AnyLearner, epoch: int, step: int) -> None:
    """Raise `Diverged`, naming the terms, where a loss is not finite. `epoch` and `step` count from 0."""
    if math.isfinite(total):
        return
    wrong = [f"the term {name!r} is {value}" for name, value in terms.items() if not math.isfinite(value)]
    said = ", ".join(wrong) or f"the sum of its terms is {total}"
    what = f"the loss is not finite in epoch {epoch + 1}, step {step + 1}: {said}"
    raise Diverged(what, where=source_location(learner.loss), hint=NOT_FINITE)


def check_attached(total: Tensor, learner: AnyLearner) -> None:
    """Raise `MethodError` where no gradient leads from a loss to what is trained."""
    if not total.requires_grad:
        what = "no term of the loss depends on a trained parameter"
        raise MethodError(what, where=source_location(learner.loss), hint=CONNECTED)


def check_logits(logits: Any, images: int, learner: AnyLearner) -> None:
    """Raise `MethodError` where `forward` doesn't give one logit an image and class."""
    expected = (images, len(learner.problem.classes))
    if isinstance(logits, Tensor) and logits.shape == expected:
        return
    got = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else described(logits)
    raise MethodError(
        f"forward returned {got}, expected {expected} (images, classes)",
        where=source_location(learner.forward),
        hint="return one logit per image and class, the classes in the order of problem.classes",
    )


def described(value: Any) -> str:
    """What a value is, as a reader calls it."""
    return "nothing" if value is None else f"a {type(value).__name__}"


def source_location(function: Callable[..., Any]) -> str | None:
    """Where a function is written: "mine.py:12, in loss"; None where that can't be told."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}, in {code.co_name}" if code else None
