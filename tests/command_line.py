"""A command line, what it left behind, and a run that takes no time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

SMALL = ["--subset", "60", "--threads", "1", "--device", "cpu"]
METHOD = '''
"""A method of one's own."""
import os, signal
import numpy as np
from pmll_methods.method import Stopped

class Mine:
    """Scores by how often a label is known to be present."""

    def fit(self, train, run):
        for epoch in range(3):
            run.report(epoch + 1, 3, {{"loss": 1.0}})
        {fit}
        self.frequency = (train.labels > 0).mean(axis=0)

    def predict(self, images, run):
        noise = np.random.default_rng(run.seed).normal(size=(len(images), len(self.frequency)))
        return (self.frequency + noise){predict}
'''


class Answer(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        (line,) = self.out.splitlines()
        document: dict[str, Any] = json.loads(line)
        return document


Command = Callable[..., Answer]


def in_own_process(*argv: str, **environment: str) -> Answer:
    """Run a command line in a process of its own."""
    command = [sys.executable, "-m", "pmll_bench", *argv]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, env=os.environ | environment)
    return Answer(done.returncode, done.stdout, done.stderr)


def method_file(folder: Path, name: str = "mine", *, fit: str = "pass", predict: str = ".astype(np.float32)") -> str:
    """A user's own method file, with a line of `fit` and the end of `predict` to choose."""
    path = folder / f"{name}.py"
    path.write_text(METHOD.format(fit=fit, predict=predict), encoding="utf-8")
    return str(path)
