"""Explains an error in a cell: what is wrong, where in the user's own file, and what to do about it."""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pmll_errors import one_line
from pmll_methods.method import Stopped
from pmll_methods.own_file import OWN

from ..errors import FileError, StoreError
from ..faults import PASSING
from .lease import LeaseLost
from .records import Cause

OF_A_RUN = "seed, device, recipe, save, restore, saved_steps, save_due, should_stop, report, record and after_epoch"
ALONE = "the memory is too small for this cell alone; reduce recipe.batch (this defines a new cell)"
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
    ("OutOfMemoryError", "", f"{ALONE}, or use a larger GPU"),
    ("MemoryError", "", f"{ALONE}, or use a machine with more memory"),
    ("RuntimeError", "DefaultCPUAllocator", f"{ALONE}, or use a machine with more memory"),
)
"""(class of the error, pattern of its message, what to do)."""
OUT_OF_MEMORY = re.compile(
    r"CUDA out of memory"
    r"|DefaultCPUAllocator: (can't allocate|not enough) memory"
    r"|CU(BLAS|DNN|SPARSE|SOLVER)_STATUS_ALLOC_FAILED"
)
BROKEN_MACHINE = re.compile(
    r"uncorrectable (ECC|NVLink) error"
    r"|\bXid\b"
    r"|has fallen off the bus"
    r"|GPU is lost"
    r"|CUDA( driver)? initialization"
    r"|CUDA error: (initialization error|no CUDA-capable device is detected|unknown error)"
    r"|CUDA-capable device\(s\) is/are busy or unavailable"
    r"|CUDA unknown error"
)
"""What PyTorch, cuBLAS and the CUDA runtime say if memory is short, or if the machine is at fault."""


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


def cause_of(error: BaseException) -> Cause:
    """The class of an error that ended a cell; it decides whether the cell is tried again.

    stopped: a request to stop, or another run that took over; oom: memory; node: the store's file system, another file
    system that did not answer, or a broken GPU; error: anything else.
    """
    if isinstance(error, Stopped | KeyboardInterrupt | LeaseLost):
        return "stopped"
    return next((cause for each in _chain(error) if (cause := _cause_of_one(each))), "error")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, its cause, the cause of that, and so on; an error may be among its own causes."""
    current: BaseException | None = error
    seen = set[int]()
    while current is not None and id(current) not in seen:
        yield current
        seen.add(id(current))
        current = current.__cause__


def _cause_of_one(error: BaseException) -> Cause | None:
    if isinstance(error, StoreError):
        return None if isinstance(error, FileError) else "node"
    if isinstance(error, OSError):
        return "oom" if error.errno == errno.ENOMEM else "node" if error.errno in PASSING else None
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "oom"
    if isinstance(error, RuntimeError):
        text = str(error)
        return "oom" if OUT_OF_MEMORY.search(text) else "node" if BROKEN_MACHINE.search(text) else None
    return None


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
    shown = what if isinstance(error, StoreError) else f"{kind}: {what}".strip(": ")  # not the fault of any code
    return Explanation(shown, str(where), hint, trace)


def place_in(error: BaseException) -> str:
    """Where in a user's own file an error or its cause arose: "mine.py:12, in loss"; "" if it arose elsewhere."""
    found = ""
    for each in _chain(error):
        for frame, line in traceback.walk_tb(each.__traceback__):
            if str(frame.f_globals.get("__name__")).startswith(OWN):
                found = f"{Path(frame.f_code.co_filename).name}:{line}, in {frame.f_code.co_name}"
    return found
