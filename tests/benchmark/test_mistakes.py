"""A method's author is told what went wrong, in which line of their file, and what to write instead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import Command
from pmll_bench.checks.catalogue import NEEDED
from pmll_bench.checks.check import check
from pmll_methods import registry
from pmll_methods.method import MethodError

HEAD = """
from dataclasses import replace

import numpy as np
import torch
from learners import CARD, RECIPE, Linear
from pmll_methods.learners.learner import Learner
from pmll_methods.recipe import Track

"""
LEARNER = """class Mine(Linear):
    card = replace(CARD, name="mine", tracks={"smoke": Track(recipe=RECIPE)})

"""
PLAIN = """class Mine:
    def fit(self, train, run):
        self.classes = len(train.classes)

"""
LOSS = "def loss(self, batch, head, step):"
FORWARD = "def forward(self, features, head):"
PREDICT = "def predict(self, images, run):"
INIT = "def __init__(self, problem, settings):"
NAMED = 'return named terms, each a single number: {"bce": loss.mean()}'
CONNECTED = "avoid .detach(), .item() and torch.no_grad()"
SUPER = "start __init__ with super().__init__(problem, settings)"
ARRAY = "return a float32 NumPy array [images, classes]"

MISTAKES = {
    # what the file holds besides its head; where; what is wrong; what to do
    "a layer before super().__init__": (LEARNER, INIT, "self.linear = torch.nn.Linear(3, 20)", 14, "", SUPER),
    "no super().__init__": (LEARNER, INIT, "self.size = 3", None, "does not call super().__init__()", SUPER),
    "a loss that is not a dict": (
        LEARNER, LOSS, "return self(batch.features, head).mean()", 13, "a Tensor, expected a dict", NAMED,
    ),
    "a loss that returns nothing": (LEARNER, LOSS, "pass", 13, "loss returned nothing, expected a dict", NAMED),
    "a loss without terms": (LEARNER, LOSS, "return {}", 13, "loss returned no terms", NAMED),
    "a term that is a float": (LEARNER, LOSS, "return {'bce': 0.5}", 13, "'bce' of the loss is a float", CONNECTED),
    "a term that is no single number": (
        LEARNER, LOSS, "return {'bce': self(batch.features, head)}", 13,
        "'bce' of the loss has shape (8, 20)", "its mean",
    ),
    "a loss without a gradient": (
        LEARNER, LOSS, "return {'bce': self(batch.features, head).mean().detach()}", 13,
        "no term of the loss depends on a trained parameter", CONNECTED,
    ),
    "a loss that is not a number": (
        LEARNER, LOSS, "return {'a': self(batch.features, head).mean(), 'b': torch.log(-torch.ones(()))}", 13,
        "Diverged: the loss is not finite in epoch 1, step 1: the term 'b' is nan", "log(0)",
    ),
    "logits of a wrong shape": (
        LEARNER, FORWARD, "return super().forward(features, head)[: 8 if self.training else 1]", 13,
        "forward returned shape (1, 20), expected (8, 20)", "one logit",
    ),
    "a name that isn't there": (LEARNER, LOSS, "return batch.lables", 14, "no attribute 'lables'", ""),
    "a learner without a loss": (
        LEARNER.replace("Linear", "Learner"), FORWARD, "return features", None, "NotImplementedError: Mine.loss",
        "a learner defines forward(self, features, head) and loss(self, batch, head, step)",
    ),
    "scores that are nothing": (PLAIN, PREDICT, "pass", 14, "predict returned nothing", ARRAY),
    "scores that are a tensor": (
        PLAIN, PREDICT, "return torch.zeros(len(images), 20)", 14, "predict returned a Tensor", ARRAY,
    ),
    "scores of a wrong shape": (
        PLAIN, PREDICT, "return np.zeros((20, len(images)), np.float32)", 14, "predict returned shape (20, 12)", ARRAY,
    ),
    "scores that are not numbers": (
        PLAIN, PREDICT, "return np.full((len(images), 20), np.nan, np.float32)", 14,
        "240 scores that are not finite", "0/0",
    ),
    "an argument too few": (
        PLAIN, "def predict(self, images):", "pass", None, "predict() takes 2 positional arguments",
        "define fit(self, train, run) and predict(self, images, run)",
    ),
    "a wish that a run doesn't grant": (
        PLAIN, PREDICT, "return run.hidden()", 15, "no attribute 'hidden'", "has seed, device, recipe, save",
    ),
}  # fmt: skip


def written(folder: Path, head: str, signature: str, body: str) -> str:
    path = folder / "mine.py"
    path.write_text(f"{HEAD}{head}    {signature}\n        {body}\n")
    return str(path)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_check_names_the_mistake_the_line_and_what_to_do(mistake: str, tmp_path: Path) -> None:
    head, signature, body, line, what, hint = MISTAKES[mistake]
    found = next(check(written(tmp_path, head, signature, body)))
    assert (found.check, found.result) == (NEEDED.name, "failed")
    assert what in found.seen
    assert line is None or f"(mine.py:{line}, in " in found.seen
    assert hint in found.hint if hint else found.hint == "fix the error that the method raises"
    assert found.seen.partition(" (mine.py")[0].partition(": ")[2] in found.trace.rstrip().splitlines()[-1]


def test_a_learner_without_a_card_is_told_what_a_card_looks_like(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from pmll_methods.learners.learner import Learner\n\nclass Mine(Learner):\n    pass\n")
    with pytest.raises(MethodError, match="the learner Mine has no card") as caught:
        registry.find(str(path))
    assert "card = Card(name=" in (caught.value.hint or "")


def test_a_method_that_would_be_called_like_a_built_in_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from pmll_methods.bce import Bce\n\nclass Mine(Bce):\n    pass\n")
    with pytest.raises(MethodError, match="the method has the name of a built-in method, 'bce'"):
        registry.find(str(path))


GRID = ("--ratios", "0.5", "--subset", "24", "--threads", "1", "--track", "smoke")


def test_a_failed_run_says_where_and_points_to_the_traceback(tmp_path: Path, command: Command) -> None:
    method = written(tmp_path, PLAIN, PREDICT, "return run.hidden()")
    answer = command("run", "--methods", method, *GRID)
    assert answer.code == 4
    assert (
        "AttributeError: 'MethodRun' object has no attribute 'hidden' (mine.py:15, in predict); the run" in answer.err
    )
    (line,) = (line for line in answer.err.splitlines() if line.startswith("  traceback: "))
    trace = Path(line.split()[1]).read_text()
    assert f'File "{method}", line 15, in predict\n    return run.hidden()' in trace
    assert line.strip() in command("status").out


def test_debug_shows_the_traceback_of_a_failed_cell_and_of_a_failed_check(tmp_path: Path, command: Command) -> None:
    method = written(tmp_path, PLAIN, PREDICT, "return run.hidden()")
    run, status = command("--debug", "run", "--methods", method, *GRID), command("status", "--debug")
    for text in (run.err, status.out, command("check", method, "--debug").out):
        assert f'File "{method}", line 15, in predict\n    return run.hidden()' in text
    plain = command("check", method).out
    assert "Traceback" not in plain
    assert "traceback: --debug shows it" in plain
    first, *_ = json.loads(command("check", method, "--json").out)["checks"]
    assert "return run.hidden()" in first["trace"]


def test_a_file_that_does_not_parse_is_told_with_its_line_wherever_it_lies(tmp_path: Path, command: Command) -> None:
    (tmp_path / "mine.py").write_text("class Mine:\n    def fit(self, train, run)\n        pass\n")
    answer = command("run", "--methods", "mine.py", *GRID)
    assert answer.code == 3
    assert "the file cannot be imported: SyntaxError" in answer.err
    assert "mine.py:2" in answer.err


def test_a_method_without_a_paper_track_is_shown(tmp_path: Path, command: Command) -> None:
    (tmp_path / "mine.py").write_text(HEAD + LEARNER + "    pass\n")
    shown = command("show", "mine.py")
    assert shown.code == 0, shown.err
    refused = command("show", "mine.py", "--datasets", "voc2007")
    assert "unknown track 'paper'" in refused.err
    assert command("show", "mine.py", "--datasets", "voc2007", "--track", "smoke").code == 0
