"""The image encoder of a CLIP model as a trunk: named stages, its last map, CLIP's normalisation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from pmll_methods.learners.trunk import TrunkLearner, TrunkSettings
from pmll_methods.method import MethodError
from pmll_methods.presets.recipes import SMOKE_TRUNK
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.clip_tower import ClipTower
from pmll_methods.towers.clip_trunk import clip_trunk
from pmll_methods.towers.cnn import Trunk, load_trunk
from pmll_methods.towers.weights import tower_identity
from small_clips import MOBILENET, RESNET, VIT, small_clip, tower_of

LAYERS = ["stem", "layer1", "layer2", "layer3", "layer4"]
TOWERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "resnet": (RESNET, LAYERS),
    "vit": (VIT, ["patches"]),
    "timm": (MOBILENET, ["trunk"]),
}


def loaded(tower: str, weights: str | None = None) -> Trunk:
    return TrunkLearner.load_tower(TrunkSettings(tower=tower, weights=weights), SMOKE_TRUNK)


def images(side: int = 64) -> Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=TOWERS)
def built(request: pytest.FixtureRequest) -> tuple[ClipTower, Trunk, list[str]]:
    vision, stages = TOWERS[request.param]
    tower = tower_of(small_clip(vision, custom=request.param == "timm"))
    return tower, clip_trunk(tower), stages


def test_its_stages_have_names_and_end_in_the_last_map_before_pooling(
    built: tuple[ClipTower, Trunk, list[str]],
) -> None:
    tower, trunk, stages = built
    assert list(trunk.stages) == stages
    expected = tower.feature_map(images())
    assert expected.shape[1] == trunk.channels
    for at in (None, "all", stages[-1]):
        found = trunk.top(at).eval()(trunk.prefix(images(), at)).detach()
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_its_top_trains_and_the_tower_stays(built: tuple[ClipTower, Trunk, list[str]]) -> None:
    tower, trunk, stages = built
    before = tower.pooled(images())
    top = trunk.top(stages[-1]).train()
    top(trunk.prefix(images(), stages[-1])).square().mean().backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in top.parameters())
    with torch.no_grad():
        for parameter in top.parameters():
            parameter.zero_()
    assert torch.equal(tower.pooled(images()), before)


def test_images_are_normalised_as_clips(built: tuple[ClipTower, Trunk, list[str]]) -> None:
    tower, trunk, _ = built
    assert (trunk.mean, trunk.std, trunk.digest) == (tower.mean, tower.std, tower.digest)
    assert trunk.mean[0] == pytest.approx(0.48145466)


def test_a_clip_is_named_behind_its_prefix() -> None:
    trunk = loaded("clip:tiny")
    assert trunk is loaded("clip:tiny")
    assert trunk.name == "clip:tiny"
    assert trunk.digest == load_clip("tiny").digest
    pixels = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    alone = load_trunk("tiny")
    expected = alone.prefix(alone.normalise(pixels), None)
    torch.testing.assert_close(trunk.prefix(trunk.normalise(pixels), None), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("tower", "named"), [("clip:RN5", "RN50"), ("clip:RN50:opena", "openai")])
def test_a_clip_that_is_not_known_or_has_no_such_weights_is_refused(tower: str, named: str) -> None:
    with pytest.raises(MethodError) as error:
        loaded(tower)
    assert named in str(error.value.hint)


def test_a_stage_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(MethodError, match="no stage 'layer9'") as error:
        loaded("clip:tiny").top("layer9")
    assert error.value.hint == "available: stem, layer1, layer2, layer3, layer4"


@pytest.mark.parametrize(
    ("tower", "stage"),
    [
        ("resnet101", "layer4"),
        ("resnet101:IMAGENET1K_V2", "layer4"),
        ("timm:resnet50.a1_in1k", "layer4"),
        ("wide_resnet50_2", "layer4"),
        ("tiny", "layer4"),
        ("clip:tiny", "layer4"),
        ("clip:RN101:openai", "layer4"),
        ("clip:ViT-B-16:openai", None),
        ("clip:local-dir:towers/one", None),
        ("timm:resnetv2_50", None),
        ("timm:tiny_vit_5m_224", None),
        ("mobilenet_v2", None),
    ],
)
def test_resnets_train_from_layer4_wherever_they_come_from(tower: str, stage: str | None) -> None:
    settings = TrunkSettings(tower=tower)
    assert (settings.first_trained, settings.frozen) == (stage, stage is None)
    assert TrunkSettings(tower=tower, train_from="none").frozen
    assert TrunkSettings(tower=tower, train_from="all").first_trained == "all"


def test_an_identity_tells_a_clips_trunk_from_the_clip_and_holds_its_weights() -> None:
    assert tower_identity("clip:RN50:openai", None) == "clip:RN50:openai"
    assert tower_identity("clip:RN50:openai", "random") == "clip:RN50:random"
    assert tower_identity("clip:tiny", None) == f"clip:{tower_identity('tiny', None)}"
