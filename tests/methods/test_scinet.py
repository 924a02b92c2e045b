"""SCINet: fusion, relations and losses against golden files, and what its switches change."""

from __future__ import annotations

from typing import Any

import open_clip
import pytest
import torch
from torch import Tensor, nn

from pmll_methods.learners.learner import Batch, Problem, PseudoLabels, Step
from pmll_methods.method import MethodError
from pmll_methods.nn.confidence import fused, instance_affinity, label_correlation, spectrum
from pmll_methods.recipe import Recipe
from pmll_methods.scinet import Scinet, ScinetSettings
from pmll_methods.towers.clip_tower import ClipTower
from small_clips import RESNET, TEXT, small_clip, tower_of

CLASSES = ("cat", "dog", "red car", "bus", "tree", "boat")
RECIPE = Recipe(resolution=64, views=("weak", "scinet-medium", "scpnet-strong"), batch=8, epochs=2, lr=1e-3)
LABELS = torch.randint(-1, 2, (40, len(CLASSES)), generator=torch.Generator().manual_seed(3), dtype=torch.int8)


@pytest.fixture(scope="module")
def tower() -> ClipTower:
    return tower_of(small_clip(RESNET))


def scinet(
    tower: ClipTower, labels: Tensor = LABELS, recipe: Recipe = RECIPE, regime: str = "partial", **settings: Any
) -> Scinet:
    problem = Problem(classes=CLASSES, prompt_names=CLASSES, labels=labels, regime=regime, recipe=recipe, tower=tower)
    torch.manual_seed(0)
    return Scinet(problem, ScinetSettings(**{"hard_k": 2, **settings}))


def two_steps(learner: Scinet) -> dict[str, float]:
    """The loss terms of a second step, in which thresholds and running means have something to go by."""
    learner.believed |= learner.problem.labels > 0
    generator = torch.Generator().manual_seed(1)
    weak = torch.randn(8, learner.clip.pooled(torch.zeros(1, 3, 64, 64)).shape[1], generator=generator)
    features = [weak + spread * torch.randn(weak.shape, generator=generator) for spread in (0.0, 0.5, 1.0)]
    if learner.settings.cross_prompt != "off":  # as after training: the maps start at zero
        for layer in (learner.prompter.to_text, learner.prompter.to_image):
            if layer is not None:
                nn.init.constant_(layer.bias, 0.5)
    for positions in (torch.arange(8), torch.arange(4, 12)):
        views = tuple(features[: len(learner.phases()[0].views)])
        batch = Batch(views, learner.problem.labels[positions], positions)
        terms = learner.loss(batch, learner.head(), Step(0, 1, 0, 1, torch.Generator()))
    return {name: float(term.detach()) for name, term in terms.items()}


@pytest.mark.parametrize(
    "switch",
    [
        {"variant": "released", "train_from": "none"},
        {"cross_prompt": "text"},
        {"cross_prompt": "image"},
        {"cross_prompt": "both"},
        {"start": "a drawing of one"},
        {"start": None, "n_ctx": 2},
        {"relation": "cosine"},
        {"neighbours": 2},
        {"share": 0.5},
        {"temperature": 1.0},
        {"fusion": "off"},
        {"augmentation": "weak"},
        {"augmentation": "weak+medium"},
        {"losses": ("b", "c")},
        {"losses": ("a", "c")},
        {"losses": ("a", "b")},
        {"lambda_u": 1.0},
        {"lambda_c": 1.0},
        {"hard_k": 1},
        {"cutoff": 0.1},
        {"unknown": "ignored"},
        {"known_negatives": "ignore"},
        {"scale": 30.0},
    ],
    ids=str,
)
def test_every_switch_changes_the_loss(tower: ClipTower, switch: dict[str, Any]) -> None:
    assert two_steps(scinet(tower, **switch)) != two_steps(scinet(tower))


def fused_by(learner: Scinet) -> Tensor:
    """What fusion makes of random probabilities of 8 random images whose labels nobody knows."""
    generator = torch.Generator().manual_seed(1)
    images, p = torch.randn(8, 24, generator=generator), torch.rand(8, len(CLASSES), generator=generator)
    confidence: Tensor = learner.fusion(images, p, torch.zeros(p.shape, dtype=torch.int8))
    return confidence


@pytest.mark.parametrize(
    "switch",
    [
        *({"fusion": over} for over in ("off", "instance", "label")),
        {"lambda_n": 1.0},
        {"lambda_q": 1.0},
        {"nearest": 2},
        {"relation": "cosine"},
    ],
    ids=str,
)
def test_every_switch_of_fusion_changes_the_confidence(tower: ClipTower, switch: dict[str, Any]) -> None:
    assert not torch.equal(fused_by(scinet(tower, **switch)), fused_by(scinet(tower)))


def test_fusion_over_one_graph_is_fusion_over_both_with_the_other_ones_weight_at_zero(tower: ClipTower) -> None:
    one, other = scinet(tower, fusion="instance"), scinet(tower, lambda_q=0.0)
    assert torch.equal(fused_by(one), fused_by(other))


def test_without_its_three_terms_augmentation_adds_nothing(tower: ClipTower) -> None:
    assert two_steps(scinet(tower, augmentation="weak")) == pytest.approx(two_steps(scinet(tower, losses=())))


def test_known_negatives_are_ignored_as_if_nobody_had_told_them(tower: ClipTower) -> None:
    told = two_steps(scinet(tower, known_negatives="ignore", relation="cosine"))
    assert told == two_steps(scinet(tower, LABELS.clamp(min=0), relation="cosine"))


def test_crossed_prompts_start_as_plain_ones(tower: ClipTower) -> None:
    plain, crossed = scinet(tower).head(), scinet(tower, cross_prompt="both").head()
    assert torch.equal(plain.texts, crossed.texts)
    assert not crossed.shift.any()


def test_crossed_prompts_score_an_image_alone_as_among_others(tower: ClipTower) -> None:
    learner = scinet(tower, cross_prompt="both")
    two_steps(learner)
    features = learner.encode(torch.randint(0, 256, (5, 3, 64, 64), dtype=torch.uint8))
    torch.testing.assert_close(learner(features, learner.head())[:1], learner(features[:1], learner.head()))


def test_one_view_of_the_recipe_serves_for_all_three(tower: ClipTower) -> None:
    assert scinet(tower, recipe=RECIPE.at(views=("squash",))).phases()[0].views == ("squash",) * 3
    with pytest.raises(MethodError, match="expected 3"):
        scinet(tower, recipe=RECIPE.at(views=("weak", "weak"))).phases()


def test_pairs_of_labels_hardly_seen_together_take_the_similarity_of_their_names() -> None:
    names = torch.full((2, 2), 0.7)
    labels = torch.tensor([[1, 1], [-1, -1], [1, 1], [-1, -1], [1, 0], [0, 1]], dtype=torch.int8)
    assert label_correlation(labels, names, least=5)[0, 1] == pytest.approx(0.7)
    assert label_correlation(labels, names, least=4)[0, 1] == pytest.approx(1)
    assert label_correlation(-labels * torch.tensor([1, -1], dtype=torch.int8), names, least=4)[0, 1] == 0


def test_images_that_are_all_alike_are_smoothed_to_their_mean() -> None:
    instances = spectrum(instance_affinity(torch.ones(3, 4).double(), neighbours=5))
    lonely = spectrum(torch.zeros(2, 2).double())
    p = torch.tensor([[0.0, 1.0], [0.3, 1.0], [0.9, 1.0]]).double()
    torch.testing.assert_close(fused(p, instances, lonely, 1e6, 0.0), p.mean(dim=0).expand(3, 2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "head", "crossed", "image"),
    [("RN50", 8_390_656, 1_574_400, 38_316_896), ("RN101", 2_099_200, 525_312, 56_259_936)],
)
def test_parameter_counts_are_the_released_ones(name: str, head: int, crossed: int, image: int) -> None:
    config = open_clip.get_model_config(name)
    with torch.device("meta"):
        assert size(open_clip.CLIP(**config).visual) == image
    text = TEXT | {"width": config["text_cfg"]["width"], "layers": 1}
    real = tower_of(open_clip.CLIP(embed_dim=config["embed_dim"], vision_cfg=RESNET, text_cfg=text))
    assert size(scinet(real)) == head
    assert size(scinet(real, cross_prompt="both")) == head + crossed


def test_the_released_variant_trains_the_whole_image_tower(tower: ClipTower) -> None:
    frozen, trained = scinet(tower), scinet(tower, variant="released")
    assert size(trained) - size(frozen) == size(small_clip(RESNET).visual)
    assert size(scinet(tower, variant="released", train_from="none")) == size(frozen)


def size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_where_no_label_is_known_to_be_absent_unknown_ones_count_as_absent_whatever_is_set(tower: ClipTower) -> None:
    present = LABELS.clamp(min=0)
    found = [two_steps(scinet(tower, present, regime="single-positive", unknown=how)) for how in ("absent", "ignored")]
    assert found[0] == found[1]
    assert two_steps(scinet(tower, present, unknown="ignored")) != found[0]


def test_what_is_believed_is_told(tower: ClipTower) -> None:
    learner = scinet(tower)
    assert learner.pseudo_labels() == {}
    two_steps(learner)
    told = learner.pseudo_labels()["pseudo"]
    assert isinstance(told, PseudoLabels)
    assert torch.equal(told.labels > 0, learner.believed)


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_an_image_without_any_label_keeps_what_was_last_believed_of_it(tower: ClipTower, variant: str) -> None:
    """With partial labels many images have no known positive, and some views of them are unsure of everything."""
    learner = scinet(tower, -torch.ones_like(LABELS), variant=variant, train_from="none")  # nothing may be believed
    learner.believed[:8, 2] = True
    before = learner.believed.clone()
    two_steps(learner)
    assert torch.equal(learner.believed, before)
