"""Explains an error in a cell: what is wrong, where in the user's own file, and what to do about it."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from pathlib import Path

from pmll_errors import one_line
from pmll_methods.own_file import OWN

OF_A_RUN = "seed, device, recipe, save, restore, saved_steps, save_due, should_stop, report, record and after_epoch"
ARGUMENTS = r"\(\) (takes|missing|got)"
HINTS = (
    ("AttributeError", "'MethodRun' object has no attribute", f"the run passed to a method has {OF_A_RUN}"),
    ("AttributeError", "on the run passed to a method", "store state on the method, not on the run"),
    ("TypeError", "(fit|predict)" + ARGUMENTS, "define fit(self, train, run) and predict(self, images, run)"),
    ("TypeError", "loss" + ARGUMENTS, "define loss(self, batch, head, step)"),
    ("TypeError", "forward" + ARGUMENTS, "define forward(self, features, head)"),
    (
        "TypeError",
        "__init__" + ARGUMENTS,
        "define __init__(self, problem, settings), or __init__(self, settings) in a plain class",
    ),
    ("NotImplementedError", "", "a learner defines forward(self, features, head) and loss(self, batch, head, step)"),
    ("OutOfMemoryError", "", "reduce recipe.batch (this defines a new cell), or use a larger GPU"),
)
"""(class of the error, pattern of its message, what to do)."""


@dataclass(frozen=True)
class Explanation:
    """An error explained to a user: what is wrong, where, and what to do. `trace` is the whole traceback."""

    what: str
    where: str
    hint: str
    trace: str

    @property
    def cause(self) -> str:
        """What and where."""
        return one_line(self.what, self.where)

    @property
    def line(self) -> str:
        """All of it in one line, except the traceback."""
        return one_line(self.what, self.where, self.hint)


def explain(error: BaseException, target: str = "") -> Explanation:
    """Explain an error. `target` is the method's name, or the path of a user's own file."""
    kind, what = type(error).__name__, (getattr(error, "what", None) or str(error)).partition("\n")[0]
    where = getattr(error, "where", None) or place_in(error)
    if not where and kind == "TypeError" and target.endswith(".py"):
        where = Path(target).name  # wrong arguments: no line of the file was reached
    hint = getattr(error, "hint", None) or next(
        (hint for known, pattern, hint in HINTS if known == kind and re.search(pattern, what)), ""
    )
    trace = "".join(traceback.format_exception(error))
    return Explanation(f"{kind}: {what}".strip(": "), str(where), hint, trace)


def place_in(error: BaseException) -> str:
    """Where in a user's own file an error or its cause arose: "mine.py:12, in loss"; "" if it arose elsewhere."""
    current: BaseException | None = error
    found = ""
    while current is not None:
        for frame, line in traceback.walk_tb(current.__traceback__):
            if str(frame.f_globals.get("__name__")).startswith(OWN):
                found = f"{Path(frame.f_code.co_filename).name}:{line}, in {frame.f_code.co_name}"
        current = current.__cause__
    return found
