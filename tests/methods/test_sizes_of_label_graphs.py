"""At the papers' sizes, methods with graphs over labels have the released numbers of parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pmll_methods.add_gcn import AddGcn
from pmll_methods.gcn_ml import GcnMl
from pmll_methods.learners.learner import AnyLearner, Problem
from pmll_methods.settings import resolve
from pmll_methods.ssgrl import Ssgrl

TRUNK, LAYER4 = 42_500_160, 14_964_736  # ResNet-101 without its classifier, and the part that HCP trains
WORDS = 300


def sizes(cls: type[AnyLearner], classes: int, folder: Path, **changes: Any) -> tuple[int, int]:
    """Trained parameters behind the trunk, and in the trunk, of a full-size learner with random weights."""
    given: dict[str, Any] = {"weights": "random", "train_from": "layer4", **changes}
    if "words" in cls.Settings.__dataclass_fields__:
        given["words"] = str(folder / f"{classes}.npy")
        np.save(given["words"], np.zeros((classes, WORDS), dtype=np.float32))
    settings, recipe, *_ = resolve(cls.card, cls.Settings(), "paper", given, {})
    names = tuple(f"class {i}" for i in range(classes))
    labels = torch.ones((2, classes), dtype=torch.int8)
    tower = cls.load_tower(settings, recipe)
    problem = Problem(classes=names, prompt_names=names, labels=labels, regime="partial", recipe=recipe, tower=tower)
    made = cls(problem, settings)
    whole, top = count(made), made.get_submodule("top")
    return whole - count(top), count(top)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


@pytest.mark.parametrize(("classes", "released"), [(20, 57_109_221), (80, 57_200_721), (200, 57_426_921)])
def test_ssgrl_as_in_the_tables(classes: int, released: int, tmp_path: Path) -> None:
    behind, top = sizes(Ssgrl, classes, tmp_path)
    fixed = classes * WORDS + 2 * classes**2  # released as parameters that don't train: words, A and its transpose
    assert (top, TRUNK + behind + fixed) == (LAYER4, released)
    if classes == 80:
        assert top + behind == 29_628_497


def test_ssgrl_as_first_released(tmp_path: Path) -> None:
    behind, top = sizes(Ssgrl, 80, tmp_path, width=None, attention_width=1024)
    assert (TRUNK + behind, top + behind) == (92_270_737, 64_735_313)


@pytest.mark.parametrize(("classes", "released"), [(20, 44_904_912), (80, 44_910_912)])
def test_ml_gcn(classes: int, released: int, tmp_path: Path) -> None:
    assert TRUNK + sizes(GcnMl, classes, tmp_path)[0] + classes**2 == released  # A is a parameter there


@pytest.mark.parametrize(("classes", "released"), [(20, 47_852_424), (80, 48_171_744)])
def test_add_gcn(classes: int, released: int, tmp_path: Path) -> None:
    unused = classes**2  # a mask that the released code holds and never uses
    assert TRUNK + sizes(AddGcn, classes, tmp_path)[0] + unused == released
