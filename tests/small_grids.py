"""A user's own method file, a grid of it that takes no time, and a stop flag that goes up by itself."""

from __future__ import annotations

import threading
from pathlib import Path

from pmll_bench.plan.planning import Plan, plan
from pmll_bench.plan.request import Request

METHOD = """
import os, signal
import numpy as np
from pmll_methods.method import Stopped

class Mine:
    def __init__(self):
        if os.environ.get("BROKEN"):
            raise ValueError("the lake is dry")

    def fit(self, train, run):
        for name in os.environ.get("SIGNALS", "").split():
            os.kill(os.getpid(), getattr(signal, name))
        if run.should_stop():
            if (step := os.environ.get("SAVES", "1")).isdecimal():
                run.save({"step": int(step)}, int(step))
            raise Stopped
        self.classes = len(train.classes)

    def predict(self, images, run):
        return np.random.default_rng(run.seed).normal(size=(len(images), self.classes)).astype(np.float32)
"""
RATIOS = (0.1, 0.3, 0.5, 0.9)


def method_file(folder: Path) -> str:
    """A method that sends its own process the SIGNALS named in the environment, and can't be made if BROKEN is set."""
    path = folder / "mine.py"
    path.write_text(METHOD)
    return str(path)


def small_grid(folder: Path) -> Plan:
    """Four cells, a group each."""
    return plan(Request(methods=(method_file(folder),), ratios=RATIOS, subset=60))


class StopsAfter(threading.Event):
    """A stop flag that is set once it was looked at often enough."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.left = looks

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0
