"""A whole training step of SST, HST and SARB, and what changes from epoch to epoch, are those of the released code."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from golden import Arrays, cases, load
from pmll_methods.engine.schedule import learning_rate
from pmll_methods.hst import Hst, HstSettings
from pmll_methods.learners.label_features import LabelFeatureLearner
from pmll_methods.learners.learner import Batch, Problem, Step, ramp
from pmll_methods.presets.recipes import HCP
from pmll_methods.sarb import Sarb, SarbSettings
from pmll_methods.sst import Sst, SstSettings
from pmll_methods.towers.cnn import Trunk

MODULES = {
    "SemanticDecoupling.": "decoupling.",
    "GraphNeuralNetwork.": "graph.ggnn.",
    "intra_": "pair_head.",
    "fc.": "graph.fc.",
    "classifiers.": "graph.classifiers.",
    "intraMargin": "theta_intra",
    "interMargin": "theta_inter",
}
TERMS = {  # of the golden files, where ours have other names
    "con": "contrastive",
    "cooc": "cooccurrence",
    "proto_released": "prototype",
    "proto": "prototype",
    "inst": "instance",
}


def close(found: Tensor, expected: np.ndarray, meta: dict[str, Any]) -> None:
    torch.testing.assert_close(found.detach().double(), torch.as_tensor(expected), rtol=meta["rtol"], atol=meta["atol"])


def ours(name: str) -> str:
    """The name of a released parameter in our modules."""
    return next((new + name.removeprefix(old) for old, new in MODULES.items() if name.startswith(old)), name)


def a_problem(labels: Tensor, features: Tensor) -> Problem:
    """Whose trunk leaves the given map as it is."""
    names = tuple(f"class {number}" for number in range(labels.shape[1]))
    trunk = Trunk("none", {"all": nn.Identity()}, features.shape[1], (0, 0, 0), (1, 1, 1), digest="")
    return Problem(classes=names, prompt_names=names, labels=labels, regime="partial", recipe=HCP, tower=trunk)


def the_learner(arrays: Arrays, options: dict[str, Any], words: Path) -> LabelFeatureLearner[Any]:
    """The learner of a golden file, as released, before its step."""
    labels = torch.from_numpy(arrays["in.targets"]).to(torch.int8)
    np.save(words, arrays["param.wordFeatures"])
    shared: dict[str, Any] = {
        "tower": "none",
        "train_from": "none",
        "words": str(words),
        "map_pool": 1,
        "width": None,
        "attention_width": len(arrays["param.SemanticDecoupling.fc1.weight"]),
        "graph_steps": options["time_steps"],
        "contrastive": options["w_con"],
    }
    problem = a_problem(labels, torch.from_numpy(arrays["in.feature_map"]))
    made = {"SST": as_sst, "HST": as_hst, "SARB": as_sarb}[options["method"]](problem, shared, arrays, options)
    made.double()
    weights = {ours(name.removeprefix("param.")): array for name, array in arrays.items() if name.startswith("param.")}
    state = {name: torch.as_tensor(array) for name, array in weights.items()}
    state |= {"words": state.pop("wordFeatures"), "adjacency": state.pop("inMatrix")}
    assert torch.equal(state.pop("outMatrix"), state["adjacency"].mT)
    missing, unexpected = made.load_state_dict(state, strict=False)
    assert not unexpected
    assert {name.split(".")[0] for name in missing} <= {"memory", "prototypes", "intra_labels", "inter_labels"}
    return made


def as_sst(
    problem: Problem, shared: dict[str, Any], arrays: Arrays, options: dict[str, Any]
) -> LabelFeatureLearner[Any]:
    slots = torch.from_numpy(arrays["in.memory_before"])
    settings = SstSettings(
        **shared,
        cooccurrence=options["w_cooc"],
        pair_unknown="negative",
        memory=slots.shape[1],
        memory_mean="all",
        margin=options["margin"],
        margin_step=0.0,
        margin_floor=0.0,
    )
    made = Sst(problem, settings)
    made.memory.slots, made.memory.filled = slots, slots.any(dim=2).sum(dim=1)
    return made


def as_hst(
    problem: Problem, shared: dict[str, Any], arrays: Arrays, options: dict[str, Any]
) -> LabelFeatureLearner[Any]:
    settings = HstSettings(
        **shared,
        cooccurrence=options["w_cooc"],
        pair_unknown="negative",
        theta_weight=options["w_theta"],
        prototype_weight=options["w_proto"],
        prototype_loss="released",
    )
    made = Hst(problem, settings)
    with_prototypes(made, arrays)
    return made


def as_sarb(
    problem: Problem, shared: dict[str, Any], arrays: Arrays, options: dict[str, Any]
) -> LabelFeatureLearner[Any]:
    made = Sarb(problem, SarbSettings(**shared, prototypes=arrays["in.prototypes"].shape[1]))
    with_prototypes(made, arrays)
    return made


def with_prototypes(made: Hst | Sarb, arrays: Arrays) -> None:
    centres = torch.from_numpy(arrays["in.prototypes"])
    made.prototypes.centres = centres
    made.prototypes.count = torch.full((len(centres),), centres.shape[1])


def drawing(arrays: Arrays, patch: pytest.MonkeyPatch) -> None:
    """Random numbers of a step: those of the file, in the order in which the released code draws them."""

    def replay(*names: str) -> Callable[..., Tensor]:
        numbers: Iterator[Tensor] = iter([torch.as_tensor(arrays[name]) for name in names if name in arrays])
        return lambda *_, **__: next(numbers)

    patch.setattr(torch, "randperm", replay("in.perm_pos2neg", "in.perm_neg2neg"))
    patch.setattr(torch, "randint", replay("in.prototype_index"))
    patch.setattr(torch, "rand", replay("in.rand"))


@pytest.mark.parametrize("path", cases("hcp_total_loss"))
def test_golden_hcp_total_loss(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, meta = load(path)
    options = meta["options"]
    learner = the_learner(arrays, options, tmp_path / "words.npy")
    features, labels = torch.from_numpy(arrays["in.feature_map"]), torch.from_numpy(arrays["in.targets"])
    drawing(arrays, monkeypatch)
    batch = Batch((features,), labels.to(torch.int8), torch.arange(len(labels)))
    at = Step(0, options["epoch"], options["batch_index"], options["steps_per_epoch"], torch.Generator())
    terms = learner.loss(batch, None, at)
    torch.stack(list(terms.values())).sum().backward()

    wanted = {name.removeprefix("out.loss."): value for name, value in arrays.items() if name.startswith("out.loss.")}
    assert terms.keys() <= {TERMS.get(name, name) for name in wanted}
    for name, value in wanted.items():
        close(terms.get(TERMS.get(name, name), torch.zeros((), dtype=torch.float64)), value, meta)
    close(torch.stack(list(terms.values())).sum(), arrays["out.total"], meta)
    close(learner(features, None), arrays["out.logits"], meta)
    close(learner.decoupled(features)[0], arrays["out.semantic"], meta)
    for name, parameter in learner.named_parameters():
        released = next(each for each in arrays if each.startswith("out.grad.") and ours(each[9:]) == name)
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        close(found, arrays[released], meta)


@pytest.mark.parametrize("path", cases("hcp_schedule"))
def test_golden_hcp_schedule(path: Path) -> None:
    arrays, meta = load(path)
    options, epochs = meta["options"], [int(epoch) for epoch in arrays["in.epoch"]]
    start, interval, last = options["start_epoch"], options["recompute_interval"], epochs[-1] + 1
    recipe = HCP.at(lr=options["lr"], decay_epochs=tuple(range(options["lr_step"], last, options["lr_step"])))
    falls = [round(math.log(learning_rate(recipe, epoch, 1, last) / recipe.lr, 0.1)) for epoch in epochs]  # by tenths
    close(recipe.lr * options["lr_gamma"] ** torch.tensor(falls, dtype=torch.float64), arrays["out.lr"], meta)
    steps = int(arrays["in.steps_per_epoch"])
    rising = [[ramp(epoch, int(step), steps) for step in arrays["in.batch_index"]] for epoch in epochs]
    close(torch.tensor(rising, dtype=torch.float64), arrays["out.ramp"], meta)

    sst = SstSettings(
        transfer_from=start,
        margin=options["margin_start"],
        margin_step=options["margin_step"],
        margin_floor=options["margin_floor"],
    )
    margins = [sst.margin_at(epoch) for epoch in epochs]
    close(torch.tensor(margins, dtype=torch.float64), arrays["out.sst_margin"], meta)

    problem = a_problem(torch.ones(2, 3, dtype=torch.int8), torch.zeros(2, 6, 1, 1))
    shared: dict[str, Any] = {"tower": "none", "words": "one-hot", "train_from": "none", "map_pool": 1, "width": None}
    batch = Batch((torch.rand(2, 6, 1, 1),), problem.labels, torch.arange(2))
    learner = Sst(problem, SstSettings(**shared, transfer_from=start))
    late = ["intra" in learner.loss(batch, None, Step(0, epoch, 0, 1, torch.Generator())) for epoch in epochs]
    assert late == arrays["out.late_terms_on"].tolist()

    multiple = -(-start // interval) * interval  # HST counts epochs from 0, the others from the start
    hst = Hst(problem, HstSettings(**shared, prototype_epochs=tuple(range(multiple, last, interval))))
    sarb = Sarb(problem, SarbSettings(**shared, prototype_epochs=tuple(range(start, last, interval))))
    for made, name in ((hst, "hst"), (sarb, "sarb_dsrb")):
        swept = [made.sweep_plan(epoch) is not None for epoch in epochs]
        assert swept == arrays[f"out.recompute_{name}"].tolist()
