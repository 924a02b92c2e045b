"""The file of a kept model: what a learner has learned, and what it takes to build that learner again.

It is in the format safetensors, which holds tensors and text, never code. `learner.NAME` are the tensors of the
learner's state: parameters, and buffers such as prototypes and thresholds. `labels.known` and `labels.present` are the
masked labels that it was trained on, one bit per entry, because initialisation depends on them. Frozen towers are not
stored: the metadata names them by the digest of their weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int8
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from pmll_methods.learners.learner import AnyLearner, Problem
from pmll_methods.method import ImageSet, Scores
from pmll_methods.towers.frozen import state_digest
from pmll_methods.towers.tower import Tower

FORMAT = "pmll.model/1"
KEY = "pmll_bench"  # of the metadata; one key, because safetensors writes several in any order
LEARNER, KNOWN, PRESENT = "learner.", "labels.known", "labels.present"


class StoredModel(NamedTuple):
    """The content of a model file: the learner's state, the masked training labels, class names and the tower."""

    state: Mapping[str, Tensor]
    labels: Int8[np.ndarray, "n c"]
    classes: tuple[str, ...]
    prompt_names: tuple[str, ...]
    tower: str  # the digest of its weights; "" if there is none


def model_bytes(learner: AnyLearner) -> bytes:
    """The content of the file for a trained learner; equal models give equal bytes."""
    problem = learner.problem
    about = {
        "schema": FORMAT,
        "classes": problem.classes,
        "prompt_names": problem.prompt_names,
        "images": problem.n_train,
        "tower": tower_digest(problem.tower),
    }
    state = {f"{LEARNER}{name}": _own(tensor) for name, tensor in learner.state_dict().items()}
    content: bytes = save({**_packed(problem), **state}, metadata={KEY: json.dumps(about, ensure_ascii=False)})
    return content


@runtime_checkable
class OfLearner(Protocol):
    """A `predict` of `after_epoch` that gives access to its learner, as that of the training loop."""

    def as_if_ended(self) -> AbstractContextManager[AnyLearner]: ...


def epoch_model(predict: Callable[[ImageSet], Scores]) -> bytes | None:
    """The model of an epoch, with the weights that predict; None if the method is not a learner."""
    if not isinstance(predict, OfLearner):
        return None
    with predict.as_if_ended() as learner:
        return model_bytes(learner)


def read_model(content: bytes) -> StoredModel:
    """The model in a file. Raises `ValueError` if the content is not a model of this format."""
    try:
        tensors = load(content)
        about = _metadata(content)
        if about["schema"] != FORMAT:
            raise ValueError(f"the format is {about['schema']}, this version reads {FORMAT}")
        shape = about["images"], len(about["classes"])
        known, present = (_unpacked(tensors.pop(name), shape) for name in (KNOWN, PRESENT))
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"not a kept model: {type(error).__name__}: {error}") from error
    return StoredModel(
        state={name.removeprefix(LEARNER): tensor for name, tensor in tensors.items()},
        labels=np.where(known, np.where(present, 1, -1), 0).astype(np.int8),
        classes=tuple(about["classes"]),
        prompt_names=tuple(about["prompt_names"]),
        tower=about["tower"],
    )


def tower_digest(tower: Tower | None) -> str:
    """The digest of the weights of a frozen tower as it was loaded; "" if there is none."""
    digest = getattr(tower, "digest", None)
    if isinstance(digest, str):
        return digest
    return state_digest(tower) if isinstance(tower, nn.Module) else ""


def _own(tensor: Tensor) -> Tensor:
    """A copy that shares no memory, as safetensors requires."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _packed(problem: Problem) -> dict[str, Tensor]:
    labels = problem.labels.cpu().numpy()
    return {name: torch.from_numpy(np.packbits(bits)) for name, bits in ((KNOWN, labels != 0), (PRESENT, labels > 0))}


def _unpacked(bits: Tensor, shape: tuple[int, int]) -> np.ndarray:
    images, classes = shape
    return np.unpackbits(bits.numpy(), count=images * classes).reshape(shape).astype(bool)


def _metadata(content: bytes) -> dict[str, Any]:
    """The metadata: safetensors begins with the length of its head as 8 bytes, then the head as JSON."""
    length = int.from_bytes(content[:8], "little")
    about: dict[str, Any] = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][KEY])
    return about
