"""Single-positive losses and their methods: what is unknown counts as absent, little, or as estimated."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from golden import cases, load
from learners import MemoryRun
from pmll_methods.engine.member import Member, Place
from pmll_methods.learners.learner import Batch, Problem, PseudoLabels, Step
from pmll_methods.learners.single_positive import SinglePositiveSettings, expected_positives
from pmll_methods.learners.trunk import known_log_odds
from pmll_methods.losses import single_positive
from pmll_methods.losses.large_loss import assume_negative
from pmll_methods.losses.single_positive import an, an_ls, epr, expectation, iu, role, wan
from pmll_methods.method import MethodError
from pmll_methods.presets.recipes import SMOKE_TRUNK
from pmll_methods.recipe import Recipe
from pmll_methods.registry import find
from pmll_methods.role import Role, start_estimates
from pmll_methods.towers.cnn import load_trunk

LABELS = torch.tensor([[1, 0, 0, -1], [0, 1, 0, 0], [0, 0, 0, 0], [1, 1, -1, -1]], dtype=torch.int8)
POSITIVE = LABELS.clamp_min(0)
LOGITS = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
METHODS = ("an", "an-ls", "wan", "epr", "role", "ll-r", "ll-ct", "ll-cp", "hill", "splc")


def close(found: Tensor, expected: Any, meta: dict[str, Any]) -> None:
    wanted = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=meta["rtol"], atol=meta["atol"])


def gradient(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    point = logits.clone().requires_grad_()
    return torch.autograd.grad(loss(point), point)[0]


def entries(kind: str, options: dict[str, Any]) -> Callable[[Tensor, Tensor], Tensor]:
    """The project's function of a kind, which gives the loss of each entry."""
    if kind == "an_ls":
        return lambda x, labels: an_ls(x, labels, smoothing=options["ls_coef"])
    if options["form"] == "logits":
        return assume_negative
    assert options["eps"] == single_positive.EPSILON
    return {"an": an, "wan": wan, "iu": iu}[kind]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        pytest.param(k, *c.values, id=f"{k}-{c.id}", marks=c.marks)
        for k in ("an", "an_ls", "wan", "iu")
        for c in cases(k)
    ],
)
def test_golden_losses_of_each_entry(kind: str, path: Path) -> None:
    arrays, meta = load(path)
    logits, labels = torch.tensor(arrays["in.logits"]), torch.tensor(arrays["in.labels"])
    loss = entries(kind, meta["options"])
    close(loss(logits, labels), arrays["out.loss_matrix"], meta)
    close(loss(logits, labels).mean(), arrays["out.loss"], meta)
    close(gradient(lambda x: loss(x, labels).mean(), logits), arrays["out.grad_logits"], meta)


@pytest.mark.parametrize("path", cases("epr"))
def test_golden_epr(path: Path) -> None:
    arrays, meta = load(path)
    logits, labels = torch.tensor(arrays["in.logits"]), torch.tensor(arrays["in.labels"])
    expected = float(arrays["param.expected_num_pos"])
    close(iu(logits, labels), arrays["out.loss_matrix"], meta)
    close(expectation(logits, expected), arrays["out.reg"], meta)
    close(epr(logits, labels, expected=expected), arrays["out.loss"], meta)
    found = gradient(lambda x: epr(x, labels, expected=expected), logits)
    close(found, arrays["out.grad_logits"], meta)


@pytest.mark.parametrize("path", cases("role"))
def test_golden_role(path: Path) -> None:
    arrays, meta = load(path)
    logits, labels = torch.tensor(arrays["in.logits"]), torch.tensor(arrays["in.labels"])
    estimates, expected = torch.tensor(arrays["in.est_logits"]), float(arrays["param.expected_num_pos"])
    close((expectation(logits, expected) + expectation(estimates, expected)) / 2, arrays["out.reg"], meta)
    close(role(logits, estimates, labels, expected=expected), arrays["out.loss"], meta)
    found = gradient(lambda x: role(x, estimates, labels, expected=expected), logits)
    close(found, arrays["out.grad_logits"], meta)
    found = gradient(lambda x: role(logits, x, labels, expected=expected), estimates)
    close(found, arrays["out.grad_est_logits"], meta)


def test_without_smoothing_an_ls_is_an() -> None:
    torch.testing.assert_close(terms(built("an-ls", smoothing=0.0)), terms(built("an")))
    assert torch.equal(an_ls(LOGITS, LABELS, smoothing=0), an(LOGITS, LABELS))
    assert not torch.equal(an_ls(LOGITS, LABELS), an(LOGITS, LABELS))


def test_known_absent_labels_cost_a_plain_negative() -> None:
    absent = LABELS < 0
    assert torch.equal(wan(LOGITS, LABELS)[absent], an(LOGITS, LABELS)[absent])
    assert torch.equal(iu(LOGITS, LABELS)[absent], an(LOGITS, LABELS)[absent])
    moved = gradient(lambda x: role(x, LOGITS, LABELS, expected=1.0) - role(x, LOGITS, POSITIVE, expected=1.0), LOGITS)
    assert (moved[absent] > 0).all()
    assert moved[~absent].abs().max() < 1e-8


def test_a_single_class_gives_a_finite_loss() -> None:
    assert wan(LOGITS[:, :1], LABELS[:, :1]).isfinite().all()


def test_huge_logits_overflow_nowhere() -> None:
    logits, labels = torch.tensor([[1e4, -1e4, 1e4, -1e4]]), torch.tensor([[1, 1, 0, 0]], dtype=torch.int8)
    for loss in (an, an_ls, wan, iu):
        assert loss(logits, labels).isfinite().all()
        point = logits.clone().requires_grad_()
        assert torch.autograd.grad(loss(point, labels).sum(), point)[0].isfinite().all()


def built(name: str, recipe: Recipe = SMOKE_TRUNK, /, **settings: Any) -> Any:
    """An untrained learner on the embedded trunk, as the smoke track has it."""
    kind = find(name)
    track = kind.card.tracks["smoke"]
    problem = Problem(
        classes=("a", "b", "c", "d"),
        prompt_names=("a", "b", "c", "d"),
        labels=LABELS,
        regime="partial",
        recipe=recipe,
        tower=load_trunk("tiny"),
    )
    torch.manual_seed(0)
    return kind.cls(problem, kind.settings_class(**{**track.settings, **settings}))


def images(learner: Any, positions: Tensor | None = None) -> Batch[Any]:
    """All of the labels, on images of noise."""
    pixels = torch.randint(256, (4, 3, 64, 64), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    rows = torch.arange(4) if positions is None else positions
    return Batch((learner.encode(pixels),), learner.problem.labels[rows], rows)


def terms(learner: Any, epoch: int = 1, positions: Tensor | None = None) -> float:
    """The loss on fixed images, summed over its terms."""
    found = learner.loss(images(learner, positions), None, Step(0, epoch, 0, 1, torch.Generator()))
    return float(sum(value.item() for value in found.values()))


@pytest.mark.parametrize("name", METHODS)
def test_biases_start_where_the_loss_wants_them_if_images_say_nothing(name: str) -> None:
    if name == "role":
        learner: Role = built(name)
        mean = learner.estimates.sigmoid().mean(dim=0)
        torch.testing.assert_close(learner.classifier.bias.sigmoid(), mean, atol=0.1, rtol=0)
        return
    found, assumed = built(name).classifier.bias, known_log_odds(LABELS.masked_fill(LABELS == 0, -1))
    wanted = torch.logit(0.1 + 0.8 * assumed.sigmoid()) if name == "an-ls" else assumed
    torch.testing.assert_close(found.detach(), wanted)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("train_from", ["layer4", "none"])
def test_on_the_paper_track_the_classifier_starts_as_torch_draws_it(name: str, train_from: str) -> None:
    assert find(name).card.tracks["paper"].settings["start"] == "released"
    assert built(name).settings.start == "log-odds"
    released, ours = (built(name, train_from=train_from, start=start) for start in ("released", "log-odds"))
    bound = released.classifier.in_features**-0.5
    assert released.classifier.weight.detach().std().item() == pytest.approx(bound / 3**0.5, rel=0.1)
    largest, of_ours = (each.classifier.bias.detach().abs().max().item() for each in (released, ours))
    assert largest <= bound < of_ours


@pytest.mark.parametrize(
    ("name", "settings", "scaled"),
    [
        ("hill", {"normalise": None}, True),
        ("splc", {"normalise": None}, True),
        ("hill", {"normalise": None, "train_from": "none"}, False),
        ("hill", {"normalise": True}, False),
        ("an", {}, False),
    ],
)
def test_hill_and_splc_see_pixels_from_0_to_1_as_released(name: str, settings: dict[str, Any], scaled: bool) -> None:
    kind, pixels = find(name), torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 3, 1, 1)
    found = built(name, **settings).normalise(pixels).flatten().tolist()
    assert (found == pytest.approx([0.0, 0.2, 1.0])) is scaled
    if name != "an":
        default: Any = kind.settings_class()
        assert default.normalise is None
        assert kind.card.tracks["smoke"].settings["normalise"]
        assert kind.card.tracks["controlled"].settings["normalise"]


@pytest.mark.parametrize("name", METHODS)
def test_the_papers_recipe_trains_the_whole_trunk_unless_it_is_frozen(name: str) -> None:
    kind = find(name)
    assert issubclass(kind.settings_class, SinglePositiveSettings)
    paper = kind.settings_class()
    assert (paper.tower, paper.first_trained, paper.frozen) == ("resnet50", "all", False)
    assert kind.settings_class(train_from="none").frozen
    assert kind.card.tracks["paper"].frozen is not None
    size = sum(p.numel() for p in built(name, train_from="all").parameter_groups()["trunk"])
    assert size > sum(p.numel() for p in built(name).parameter_groups()["trunk"])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("an-ls", {"smoothing": 0.3}),
        ("epr", {"expected_positives": 3.0}),
        ("role", {"expected_positives": 3.0}),
        ("hill", {"lamb": 2.0}),
        ("hill", {"margin": 0.0}),
        ("hill", {"gamma": 0.0}),
        ("splc", {"tau": 0.01}),
        ("splc", {"change_epoch": 2, "tau": 0.01}),
        ("splc", {"margin": 0.0}),
        ("splc", {"gamma": 0.0}),
    ],
)
def test_each_setting_changes_the_loss(name: str, change: dict[str, Any]) -> None:
    usual = {"tau": 0.01} if "change_epoch" in change else {}
    assert terms(built(name, **change)) != terms(built(name, **usual))


def test_role_starts_sure_of_what_is_known_and_unsure_of_the_rest() -> None:
    start = start_estimates(LABELS)
    assert start[LABELS > 0].tolist() == pytest.approx([5.2933] * 4, abs=1e-4)
    assert start[LABELS < 0].tolist() == pytest.approx([-5.2933] * 3, abs=1e-4)
    unknown = start[LABELS == 0]
    assert unknown.abs().max() <= 0.405466
    assert len(set(unknown.tolist())) == unknown.numel()


def test_the_number_of_labels_an_image_is_expected_to_have_is_told() -> None:
    assert built("epr").pseudo_labels() == {"expected_positives": 1.9}
    estimated = built("epr", expected_positives=None)
    known = LABELS[LABELS != 0]
    assert estimated.pseudo_labels() == {"expected_positives": pytest.approx(4 * float((known > 0).float().mean()))}


def test_roles_estimates_are_told_as_labels() -> None:
    learner: Role = built("role")
    told = learner.pseudo_labels()
    assert told["expected_positives"] == 1.9
    assert isinstance(told["estimates"], PseudoLabels)
    known = LABELS != 0
    assert torch.equal(told["estimates"].labels[known], LABELS[known])
    assert torch.equal(told["estimates"].labels[~known] > 0, learner.estimates[~known] > 0)


def test_roles_estimates_learn_at_a_rate_of_their_own_and_by_position() -> None:
    learner: Role = built("role")
    groups = learner.parameter_groups()
    assert [len(groups["head"]), len(groups["estimates"])] == [2, 1]
    assert find("role").card.tracks["paper"].recipe.lr_scale == {"estimates": 10}
    assert terms(learner) != terms(learner, positions=torch.tensor([0, 2, 1, 3]))
    pixels = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    batch = Batch((learner.encode(pixels),), LABELS[[2]], torch.tensor([2]))
    loss = learner.loss(batch, None, Step(0, 0, 0, 1, torch.Generator()))["role"]
    moved = torch.autograd.grad(loss, learner.estimates)[0]
    assert moved.abs().sum(dim=1).bool().tolist() == [False, False, True, False]


def linear_first(name: str = "role") -> tuple[Any, Member]:
    """A learner whose first half of four epochs is a linear phase, before its first step."""
    recipe = SMOKE_TRUNK.at(weight_decay=0, batch_norm="train")
    learner = built(name, recipe, linear_phase=0.5, linear_lr=0.01)
    member = Member(learner, MemoryRun(recipe=recipe))
    member.begin_phase()
    return learner, member


@pytest.mark.parametrize(("name", "learned"), [("an-ls", {"classifier"}), ("role", {"classifier", "estimates"})])
def test_a_linear_phase_trains_the_classifier_on_a_trunk_that_stays_as_it_is(name: str, learned: set[str]) -> None:
    learner, member = linear_first(name)
    linear, whole = learner.phases()
    assert (linear.epochs, whole.epochs) == (2, 2)
    assert SMOKE_TRUNK.lr * linear.lr_scale == pytest.approx(0.01)
    assert linear.views == (SMOKE_TRUNK.test_view,)
    assert linear.streams == whole.streams == {"all": SMOKE_TRUNK.batch}
    given = built(name, linear_phase=0.5, linear_batch=3).phases()
    assert [phase.streams["all"] for phase in given] == [3, SMOKE_TRUNK.batch]
    before = {name: value.clone() for name, value in learner.state_dict().items()}

    def changed() -> set[str]:
        return {name.split(".")[0] for name, value in learner.state_dict().items() if not value.equal(before[name])}

    member.train_step(images(learner), linear, Place(phase=0), 1)
    assert changed() == learned
    member.begin_phase()
    member.train_step(images(learner), whole, Place(phase=1), 1)
    assert changed() == learned | {"top"}


def test_what_the_linear_phase_is_sure_of_can_still_change_after_it() -> None:
    learner, member = linear_first()
    learner.estimates.data.fill_(50.0)
    member.train_step(images(learner), learner.phases()[1], Place(phase=1), 1)
    assert learner.estimates.abs().max() <= math.log(1e5)


@pytest.mark.parametrize(("epochs", "phase"), [(1, 1.0), (4, 0.0)])
def test_there_is_no_linear_phase_that_would_leave_no_epoch_for_the_trunk(epochs: int, phase: float) -> None:
    assert len(built("role", SMOKE_TRUNK.at(epochs=epochs), linear_phase=phase).phases()) == 1
    assert len(built("role", train_from="none", linear_phase=0.5).phases()) == 1


def test_the_expected_number_of_labels_is_given_or_estimated_or_asked_for() -> None:
    assert expected_positives(LABELS, 2.5) == 2.5
    assert expected_positives(LABELS, None) == pytest.approx(4 * 4 / 7)
    with pytest.raises(MethodError) as error:
        expected_positives(POSITIVE, None)
    assert "expected_positives" in str(error.value.hint)


@pytest.mark.parametrize("name", METHODS)
def test_each_card_has_its_own_name_and_the_regimes_that_the_loss_is_defined_for(name: str) -> None:
    card = find(name).card
    assert (card.name, card.regimes) == (name, ("full", "partial", "single-positive"))
