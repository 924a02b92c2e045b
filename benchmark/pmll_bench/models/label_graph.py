"""The label graph of a method (SCPNet's structured prior) and its label features before and after it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pmll_methods.engine.contract import build_learner
from pmll_methods.learners.learner import AnyLearner, Problem
from pmll_methods.settings import from_plain
from pmll_methods.towers.words import word_vectors

from ..errors import ConfigError
from ..plan.planned import Planned
from ..plan.planning import open_dataset
from ..running.method_files import find_method
from ..store.store import Store


class LabelRelations(NamedTuple):
    """Class names, the weights of each label on itself and its neighbours (A*, eq. 4), and the label features."""

    labels: tuple[str, ...]
    weights: Float[np.ndarray, "c c"]
    before: Float[np.ndarray, "c e"]
    after: Float[np.ndarray, "c e"]


def untrained_relations(planned: Planned, store: Store) -> LabelRelations:
    """The graph of a cell before training: text features of the names, and the same after one step Ā Z of the graph.

    It needs the method's tower and the class names, no images. Raises `ConfigError` if the method has no label graph.
    """
    data, kind = open_dataset(planned), find_method(store, planned)
    if not kind.grouped:
        raise _no_graph(planned.cell.method)
    settings = from_plain(kind.settings_class, planned.settings, where="settings")
    learner_class: type[AnyLearner] = kind.cls
    tower = learner_class.load_tower(settings, planned.recipe)
    problem = Problem(
        classes=data.classes,
        prompt_names=data.prompt_names,
        labels=torch.from_numpy(data.train.labels.copy()),
        regime=planned.cell.regime,
        recipe=planned.recipe,
        tower=tower,
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        learner = build_learner(learner_class, problem, settings)
        names = _names(learner, planned.cell.method)
        return _relations(learner, names, _edges(learner, "bar") @ names)


@torch.no_grad()
def trained_relations(learner: AnyLearner) -> LabelRelations:
    """The graph of a trained learner: text features of the names, and the label features that it has learned.

    Raises `ConfigError` if the method has no label graph.
    """
    names = _names(learner, learner.card.name)
    head = learner.head()
    refined = head[0] if isinstance(head, tuple) and isinstance(head[0], Tensor) else names
    return _relations(learner, names, refined)


def _names(learner: AnyLearner, method: str) -> Float[Tensor, "c e"]:
    """The text features of the class names."""
    clip = getattr(learner, "clip", None)
    if clip is None or not isinstance(getattr(learner, "star", None), Tensor):
        raise _no_graph(method)
    return word_vectors(clip, learner.problem.prompt_names).cpu()


def _edges(learner: AnyLearner, name: str) -> Float[Tensor, "c c"]:
    edges = getattr(learner, name)
    assert isinstance(edges, Tensor)
    return edges.cpu().float()


def _relations(learner: AnyLearner, before: Tensor, after: Tensor) -> LabelRelations:
    weights, first, second = (tensor.double().cpu().numpy() for tensor in (_edges(learner, "star"), before, after))
    return LabelRelations(learner.problem.prompt_names, weights, first, second)


def _no_graph(method: str) -> ConfigError:
    return ConfigError(f"{method} has no label graph", hint="choose scpnet, scpnet-frozen or scinet")
