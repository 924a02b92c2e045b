"""Tells what went wrong in a cell: what, where in the user's own file, and a hint that fits the mistake."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from pathlib import Path

from pmll_errors import one_line
from pmll_methods.own_file import OWN

LENT = "seed, device, recipe, save, restore, saved_steps, save_due, should_stop, report, record and after_epoch"
ARGUMENTS = r"\(\) (takes|missing|got)"
HINTS = (
    ("AttributeError", "'LentRun' object has no attribute", f"the run that a method is given has {LENT}"),
    ("AttributeError", "can't be changed", "keep what a method remembers in the method itself"),
    ("TypeError", "(fit|predict)" + ARGUMENTS, "write fit(self, train, run) and predict(self, images, run)"),
    ("TypeError", "loss" + ARGUMENTS, "write loss(self, batch, head, step)"),
    ("TypeError", "forward" + ARGUMENTS, "write forward(self, features, head)"),
    (
        "TypeError",
        "__init__" + ARGUMENTS,
        "write __init__(self, problem, settings); in a plain class (self, settings)",
    ),
    ("NotImplementedError", "", "a learner writes forward(self, features, head) and loss(self, batch, head, step)"),
    ("OutOfMemoryError", "", "reduce recipe.batch, which makes another cell, or use a larger GPU"),
)
"""By the class of an error and what it says: what to do."""


@dataclass(frozen=True)
class Told:
    """An error as a reader needs it. `trace` is the whole traceback."""

    what: str
    where: str
    hint: str
    trace: str

    @property
    def line(self) -> str:
        """All of it in one line, but for the traceback."""
        return one_line(self.what, self.where, self.hint)


def tell_of(error: BaseException, target: str = "") -> Told:
    """What there is to say of an error; `target` names the method: its file where it is a user's own."""
    kind, what = type(error).__name__, (getattr(error, "what", None) or str(error)).partition("\n")[0]
    where = getattr(error, "where", None) or place_in(error)
    if not where and kind == "TypeError" and target.endswith(".py"):
        where = Path(target).name  # arguments that don't fit: no line of the file was reached
    hint = getattr(error, "hint", None) or next(
        (hint for known, pattern, hint in HINTS if known == kind and re.search(pattern, what)), ""
    )
    trace = "".join(traceback.format_exception(error))
    return Told(f"{kind}: {what}".strip(": "), str(where), hint, trace)


def place_in(error: BaseException) -> str:
    """Where in a user's own file an error or its cause arose: "mine.py:12, in loss"; "" where it has no part in it."""
    current: BaseException | None = error
    found = ""
    while current is not None:
        for frame, line in traceback.walk_tb(current.__traceback__):
            if str(frame.f_globals.get("__name__")).startswith(OWN):
                found = f"{Path(frame.f_code.co_filename).name}:{line}, in {frame.f_code.co_name}"
        current = current.__cause__
    return found
