"""mypy checks what a learner does with its settings, its head, its features and its tower."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

LEARNERS = """
from dataclasses import dataclass

import torch
from torch import Tensor

from pmll_methods.learners.clip_learner import ClipLearner, ClipSettings
from pmll_methods.learners.learner import Batch, Step
from pmll_methods.learners.trunk import ClassifierSettings, TrunkClassifier
from pmll_methods.ranges import Weight
from pmll_methods.settings import setting

@dataclass(frozen=True, kw_only=True)
class FocalSettings(ClassifierSettings):
    gamma: Weight = setting(2.0, "focusing parameter")

class Focal(TrunkClassifier[FocalSettings]):
    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        logits = self(batch.features, head)
        right = self.settings.gamma * logits.sigmoid().mean()
        self.settings.gama  # E: "FocalSettings" has no attribute "gama"
        logits.sigmoidd()  # E: "Tensor" has no attribute "sigmoidd"
        step.epochs  # E: "Step" has no attribute "epochs"
        return {"focal": right}

class Prompt(ClipLearner[ClipSettings, Tensor]):
    def head(self) -> Tensor:
        return torch.zeros(3, self.clip.channels)

    def forward(self, features: Tensor, head: Tensor) -> Tensor:
        self.clip.logit_scales  # E: "ClipTower" has no attribute "logit_scales"
        return self.clip.logit_scale * features @ head.mT

    def loss(self, batch: Batch, head: Tensor, step: Step) -> dict[str, Tensor]:
        self(batch.features, None)  # E: has incompatible type "None"; expected "Tensor"
        return {"cosine": self(batch.features, head).mean()}

class Plain(TrunkClassifier):  # states nothing: the settings of its base, no head
    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        self.settings.poolings  # E: "ClassifierSettings" has no attribute "poolings"
        return {"plain": self(batch.features, head).mean()}

class Mixed(ClipLearner[FocalSettings, Tensor]):  # E: "FocalSettings" of "ClipLearner" must be a subtype
    pass
"""


def test_mypy_finds_the_mistakes_in_a_learner_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = pytest.importorskip("mypy.api", reason="mypy is in the extra `dev`")
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    file = tmp_path / "mine.py"
    file.write_text(LEARNERS, encoding="utf-8")
    report, trouble, _ = api.run(["--config-file=pyproject.toml", str(file)])
    assert not trouble
    expected = [
        (number, line.partition("# E: ")[2])
        for number, line in enumerate(LEARNERS.split("\n"), start=1)
        if "# E: " in line
    ]
    found = re.findall(r"mine\.py:(\d+): error: (.*)", report)
    assert [int(number) for number, _ in found] == [number for number, _ in expected], report
    for (_, message), (_, part) in zip(found, expected, strict=True):
        assert part in message
