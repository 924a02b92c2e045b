"""Weights files: what wraps the tensors is taken off or told, and NaN never becomes a tower."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision import models

from pmll_methods.method import MethodError
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.cnn import load_trunk
from pmll_methods.towers.state import read_state
from pmll_methods.towers.words import word_vectors

STATE = {"conv1.weight": torch.ones(2, 3), "fc.bias": torch.zeros(2)}


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"model": STATE, "optimizer": {"state": {}, "param_groups": []}},
        {"model_state_dict": STATE},
        {f"module.{name}": tensor for name, tensor in STATE.items()},
        {"state_dict": {f"module._orig_mod.{name}": tensor for name, tensor in STATE.items()}},
    ],
    ids=["bare", "state_dict", "model", "model_state_dict", "data parallel", "compiled"],
)
def test_what_training_wraps_round_weights_is_taken_off(tmp_path: Path, content: dict[str, Any]) -> None:
    read = read_state(saved(tmp_path / "w.pt", content))
    assert list(read) == list(STATE)
    torch.testing.assert_close(read["conv1.weight"], STATE["conv1.weight"])


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (
            {"model_ema": STATE, "epoch": 3},
            "contains 'model_ema', 'epoch', tensors by name are in 'model_ema' (2",
            "_ema'",
        ),
        (
            {"student": STATE, "teacher": STATE},
            "are in 'student' (2 entries), 'teacher' (2 entries)",
            "FILE)['student']",
        ),
        ({"net": STATE, "best": torch.tensor(0.5)}, "contains 'net', 'best'", "FILE)['net']"),
        ({"epoch": 3}, "contains 'epoch', tensors by name are in none", "None"),
        (torch.ones(3), "it contains a Tensor, not tensors by name", "state_dict()"),
        ([torch.ones(3)], "it contains a list, not tensors by name", "state_dict()"),
    ],
)
def test_a_checkpoint_of_another_form_is_told_by_what_it_holds(
    tmp_path: Path, content: Any, message: str, hint: str
) -> None:
    path = saved(tmp_path / "w.pt", content)
    with pytest.raises(MethodError) as caught:
        read_state(path)
    assert message in caught.value.what
    assert hint in str(caught.value.hint)
    assert caught.value.where == str(path)


def test_what_is_no_weights_file_is_told(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.pt", models.squeezenet1_1(weights=None))
    (tmp_path / "cut.pt").write_bytes(whole.read_bytes()[:5000])
    (tmp_path / "empty.pt").touch()
    (tmp_path / "text.pt").write_text("see the README")
    np.savez(tmp_path / "arrays.npz", a=np.ones(3))
    told = {
        "whole.pt": "it contains a pickled model or other pickled objects",
        "cut.pt": "it is truncated",
        "empty.pt": "it is empty",
        "text.pt": "",
        "arrays.npz": "it is a NumPy archive",
    }
    for name, message in told.items():
        with pytest.raises(MethodError, match=f"not a weights file: {message}"):
            read_state(tmp_path / name)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float, suffix: str) -> None:
    state = {**STATE, "fc.bias": torch.tensor([0.0, value])}
    path = tmp_path / f"w{suffix}"
    torch.save(state, path) if suffix == ".pt" else save_file(state, path)
    with pytest.raises(MethodError, match=r"NaN or infinite weights in 1 of 2 tensors, the first is fc\.bias"):
        read_state(path)


def test_an_infinite_mask_is_no_fault(tmp_path: Path) -> None:
    mask = torch.full((2, 2), float("-inf")).triu(1)
    assert "attn_mask" in read_state(saved(tmp_path / "w.pt", {**STATE, "attn_mask": mask}))


def test_weights_under_names_of_another_program_are_told_by_those_of_the_file(tmp_path: Path) -> None:
    network: dict[str, Tensor] = models.resnet18(weights=None).state_dict()
    path = saved(tmp_path / "w.pt", {f"backbone.{name}": tensor for name, tensor in network.items()})
    with pytest.raises(MethodError, match=r"122 tensors, all names begin with 'backbone\.'"):
        load_trunk("resnet18", str(path))
    with pytest.raises(MethodError, match=r"do not fit the model.*122 tensors, all names begin with 'backbone\.'"):
        load_clip("RN50", str(path))


def test_word_vectors_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", np.array([[1.0, 2.0], [np.nan, 1.0]], np.float32))
    with pytest.raises(MethodError, match="NaN or infinite numbers in 1 word vectors, the first of 'dog'"):
        word_vectors(str(tmp_path / "words.npy"), ["cat", "dog"])
    (tmp_path / "words.txt").write_text("cat 1 2\ndog inf 2\n")
    with pytest.raises(MethodError, match="the first of 'dog'"):
        word_vectors(str(tmp_path / "words.txt"), ["cat", "dog"])
