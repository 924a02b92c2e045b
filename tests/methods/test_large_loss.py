"""Large losses, Hill, SPLC and the selective loss: against golden files, and what each setting does."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from golden import Arrays, cases, load
from pmll_methods.large_loss import LlCp, LlCpSettings, LlCt, LlR
from pmll_methods.learners.learner import Batch, Problem, PseudoLabels, Step
from pmll_methods.losses.csl import csl, selected
from pmll_methods.losses.hill import hill
from pmll_methods.losses.large_loss import assume_negative, clean_rate, large_losses
from pmll_methods.losses.splc import corrected, splc
from pmll_methods.presets.recipes import SMOKE_TRUNK
from pmll_methods.towers.cnn import load_trunk

SCHEMES: dict[str, type[LlR]] = {"LL-R": LlR, "LL-Ct": LlCt, "LL-Cp": LlCp}
RULES = {"strict": "above", "inclusive": "reaching"}
SMALL: dict[str, Any] = {"tower": "tiny", "train_from": "none"}


def close(found: Tensor, expected: Any, meta: dict[str, Any]) -> None:
    wanted = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found.double(), wanted, rtol=meta["rtol"], atol=meta["atol"])


def gradient(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    point = logits.clone().requires_grad_()
    return torch.autograd.grad(loss(point), point)[0]


def learner_on(scheme: type[LlR], labels: Tensor, **settings: Any) -> LlR:
    """The method itself, but for its features, which are taken for its logits."""
    classes = tuple(str(number) for number in range(labels.shape[1]))
    tower = load_trunk("tiny")
    problem = Problem(
        classes=classes, prompt_names=classes, labels=labels, regime="partial", recipe=SMOKE_TRUNK, tower=tower
    )

    class Given(scheme):  # type: ignore[misc, valid-type]
        def forward(self, features: Tensor, head: None) -> Tensor:
            return features

    given: LlR = Given(problem, scheme.Settings(**SMALL, **settings))
    return given


def of_scheme(arrays: Arrays, options: dict[str, Any]) -> LlR:
    settings = {"delta": options["delta_rel"], "candidates": "all"}
    scheme = SCHEMES[options["scheme"]]
    if scheme is LlCp:
        settings["permanent"] = RULES[options["permanent_rule"]] if options["permanent"] else "never"
    return learner_on(scheme, torch.tensor(arrays["in.labels"]).to(torch.int8), **settings)


def step(learner: LlR, logits: Tensor, rows: Tensor, epoch: int) -> Tensor:
    batch = Batch((logits,), learner.problem.labels[rows], rows)
    return learner.loss(batch, None, Step(0, epoch, 0, 1, torch.Generator()))["an"]


@pytest.mark.parametrize("path", [case for kind in ("ll_r", "ll_ct", "ll_cp") for case in cases(kind)])
def test_golden_large_losses(path: Path) -> None:
    arrays, meta = load(path)
    learner = of_scheme(arrays, meta["options"])
    for epoch, batches in enumerate(torch.tensor(arrays["in.order"])):
        for number, rows in enumerate(batches):
            logits = torch.tensor(arrays["in.logits"])[epoch][rows]
            labels = learner.current_labels(Batch((logits,), learner.problem.labels[rows], rows))
            count = math.ceil(logits.numel() * learner.share(epoch))
            assert count == arrays["out.k"][epoch, number]
            modified = torch.zeros_like(logits, dtype=torch.bool)
            if count:
                large = large_losses(assume_negative(logits, labels), labels, count, known=True)
                close(large.threshold, arrays["out.threshold"][epoch, number], meta)
                modified = large.reaching
            assert torch.equal(modified, torch.tensor(arrays["out.modified"])[epoch][rows])
            close(step(learner, logits, rows, epoch), arrays["out.loss"][epoch, number], meta)
        after = learner.labels if isinstance(learner, LlCp) else learner.problem.labels
        assert torch.equal(after.long(), torch.tensor(arrays["out.labels_after"])[epoch])


@pytest.mark.parametrize("path", cases("hill"))
def test_golden_hill(path: Path) -> None:
    arrays, meta = load(path)
    logits, labels = torch.tensor(arrays["in.logits"]).double(), torch.tensor(arrays["in.targets"])
    shape = {name: meta["options"][name] for name in ("lamb", "margin", "gamma")}
    close(hill(logits, labels, **shape), arrays["out.loss"], meta)
    close(gradient(lambda x: hill(x, labels, **shape), logits), arrays["out.grad"], meta)


@pytest.mark.parametrize("path", cases("splc"))
def test_golden_splc(path: Path) -> None:
    arrays, meta = load(path)
    logits, labels = torch.tensor(arrays["in.logits"]).double(), torch.tensor(arrays["in.targets"])
    options = {name: meta["options"][name] for name in ("epoch", "tau", "margin", "gamma", "change_epoch")}
    close(splc(logits, labels, **options), arrays["out.loss"], meta)
    close(gradient(lambda x: splc(x, labels, **options), logits), arrays["out.grad"], meta)
    if options["epoch"] >= options["change_epoch"]:
        shifted = logits - options["margin"] * (labels > 0)
        assert torch.equal(corrected(shifted, labels, options["tau"]), torch.tensor(arrays["out.targets"]) > 0)


@pytest.mark.parametrize("path", cases("csl"))
def test_golden_csl(path: Path) -> None:
    arrays, meta = load(path)
    options = meta["options"]
    logits, labels = torch.tensor(arrays["in.logits"]), torch.tensor(arrays["in.labels"])
    prior = torch.tensor(arrays["param.prior"]) if "param.prior" in arrays else None
    which = {name: options[name] for name in ("mode", "topk", "prior_threshold")}
    shape = {name: options[name] for name in ("gamma_pos", "gamma_neg", "gamma_unknown", "alpha_unknown", "clip")}
    weight = selected(logits, labels, prior, **which)
    close(weight, arrays["out.weight"], meta)
    close(weight * csl(logits, labels, **shape), arrays["out.loss_matrix"], meta)
    close((weight * csl(logits, labels, **shape)).sum(), arrays["out.loss"], meta)
    close(gradient(lambda x: (weight * csl(x, labels, **shape)).sum(), logits), arrays["out.grad_logits"], meta)


LABELS = torch.tensor([[1, 0, 0, -1], [0, 1, 0, 0], [-1, 0, 0, 0]], dtype=torch.int8)
LOGITS = torch.tensor([[-2.0, 3.0, 1.0, 4.0], [0.5, -1.0, 2.0, -3.0], [5.0, -4.0, 0.0, -2.0]])
ROWS = torch.arange(3)


def test_known_labels_are_doubted_only_where_the_released_rule_is_asked_for() -> None:
    guarded, released = (large_losses(LOGITS.abs(), LABELS, 12, known=known).reaching for known in (False, True))
    assert torch.equal(guarded, LABELS == 0)
    assert released.all()
    for scheme in SCHEMES.values():
        losses = [
            float(step(learner_on(scheme, LABELS, delta=0.9, candidates=who), LOGITS, ROWS, 1))
            for who in ("unknown", "all")
        ]
        assert losses[0] != losses[1]


@pytest.mark.parametrize("scheme", SCHEMES.values())
def test_in_the_first_epoch_and_without_growth_all_labels_are_believed(scheme: type[LlR]) -> None:
    plain = assume_negative(LOGITS, LABELS).mean()
    assert step(learner_on(scheme, LABELS, delta=0.2), LOGITS, ROWS, 0) == plain
    assert step(learner_on(scheme, LABELS, delta=0.0), LOGITS, ROWS, 5) == plain
    assert step(learner_on(scheme, LABELS, delta=0.2), LOGITS, ROWS, 1) < plain


def test_without_permanent_changes_ll_cp_is_ll_ct() -> None:
    never, temporary = learner_on(LlCp, LABELS, delta=0.1, permanent="never"), learner_on(LlCt, LABELS, delta=0.1)
    for epoch in range(4):
        assert step(never, LOGITS, ROWS, epoch) == step(temporary, LOGITS, ROWS, epoch)
    assert torch.equal(never.state_dict()["labels"], LABELS)


def test_what_ll_cp_changes_stays_changed_and_is_kept_in_a_checkpoint() -> None:
    changed = {}
    for rule in ("above", "reaching"):
        learner = learner_on(LlCp, LABELS, delta=0.2, permanent=rule)
        step(learner, LOGITS, ROWS, 1)
        changed[rule] = learner.state_dict()["labels"].clone()
        assert torch.equal(learner.problem.labels, LABELS)
    found = [(labels != LABELS).nonzero().tolist() for labels in changed.values()]
    assert found == [[[0, 1], [1, 2]], [[0, 1], [0, 2], [1, 2]]]
    assert set(LlCpSettings(permanent="reaching").__dict__) >= {"permanent", "delta", "candidates"}


def test_the_clean_rate_falls_by_repeated_subtraction() -> None:
    assert clean_rate(0, 0.002) == 1
    assert math.ceil(1000 * (1 - clean_rate(1, 0.002))) == 3  # rounding adds one, as in the released code


def test_a_negative_that_hill_is_sure_is_present_pulls_no_more() -> None:
    labels = torch.zeros(1, 3, dtype=torch.int8)
    pull = gradient(lambda x: hill(x, labels), torch.tensor([[0.5, 3.0, 90.0]]))[0]
    assert pull[0] > pull[1] > 0
    assert pull[2] == pytest.approx(0, abs=1e-6)
    assert hill(torch.tensor([[-1e4, 1e4, -1e4]]), torch.tensor([[0, 0, 1]], dtype=torch.int8)).isfinite()


def test_labels_that_are_corrected_for_good_are_told() -> None:
    learner = learner_on(LlCp, torch.tensor([[1, 0, -1], [0, 1, 0]], dtype=torch.int8), delta=0.1, permanent="reaching")
    told = learner.pseudo_labels()["corrected"]
    assert isinstance(told, PseudoLabels)
    assert not told.labels.any()  # told all the same: that nothing is corrected would be worth knowing
    step(learner, torch.tensor([[0.0, 5.0, 0.0], [4.0, 0.0, 0.0]]), torch.arange(2), epoch=1)
    told = learner.pseudo_labels()["corrected"]
    assert isinstance(told, PseudoLabels)
    assert told.labels.tolist() == [[0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("scheme", SCHEMES.values())
def test_what_an_epoch_doubts_is_told_until_the_next_epoch_doubts_anew(scheme: type[LlR]) -> None:
    learner = learner_on(scheme, LABELS, delta=0.05)
    step(learner, LOGITS, ROWS, 0)
    assert "doubted" not in learner.pseudo_labels()
    step(learner, LOGITS, ROWS, 1)
    told = learner.pseudo_labels()["doubted"]
    assert isinstance(told, PseudoLabels)
    assert told.labels.tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    step(learner, -LOGITS, ROWS, 2)
    told = learner.pseudo_labels()["doubted"]
    assert isinstance(told, PseudoLabels)
    assert told.labels[0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(("classes", "corrected"), [(20, 1), (31, 1), (32, 2)])
def test_by_default_ll_cp_corrects_labels_for_good_on_few_classes_too(classes: int, corrected: int) -> None:
    labels = torch.zeros(16, classes, dtype=torch.int8)
    logits = torch.linspace(-4, 4, labels.numel()).reshape(labels.shape)
    by_default = learner_on(LlCp, labels, delta=0.002)
    above = learner_on(LlCp, labels, delta=0.002, permanent="above")
    for learner in (by_default, above):
        step(learner, logits, torch.arange(16), 1)
    assert (by_default.state_dict()["labels"] > 0).sum() == corrected
    assert (above.state_dict()["labels"] > 0).sum() == corrected - 1
