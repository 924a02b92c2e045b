"""CNN trunks are the library's networks, cut where training starts; the frozen part is shared, the rest copied."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn

from pmll_methods.method import MethodError
from pmll_methods.towers.cnn import Trunk, load_trunk
from pmll_methods.towers.frozen import fold_batch_norm


def images(side: int = 64) -> Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    assert found.shape == expected.shape
    assert float((found - expected).abs().max() / expected.abs().max()) < tolerance


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """ResNet-18 weights in a file: batch norms with statistics, a classifier of another data set."""
    torch.manual_seed(1)
    network = torchvision.models.resnet18(num_classes=7)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.get_buffer("running_mean"), std=0.1)
            nn.init.uniform_(module.get_buffer("running_var"), 0.5, 1.5)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(network.state_dict(), path)
    return str(path)


def network_of(weights: str) -> nn.Module:
    network: nn.Module = torchvision.models.resnet18(num_classes=7)
    network.load_state_dict(torch.load(weights, weights_only=True))
    return network.eval().requires_grad_(False)


def last_map(network: nn.Module, images: Tensor) -> Tensor:
    for name, module in network.named_children():
        if name == "avgpool":
            break
        images = module(images)
    return images


def test_a_resnet_has_the_stages_of_its_paper(weights: str) -> None:
    trunk = load_trunk("resnet18", weights)
    assert list(trunk.stages) == ["stem", "layer1", "layer2", "layer3", "layer4"]
    assert trunk.channels == 512
    assert trunk.mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize("at", [None, "stem", "layer3", "layer4"])
def test_wherever_it_is_cut_the_two_parts_give_the_networks_last_map(weights: str, at: str | None) -> None:
    trunk = load_trunk("resnet18", weights)
    found = trunk.top(at).eval()(trunk.prefix(images(), at))
    close(found.detach(), last_map(network_of(weights), images()))


def test_the_frozen_part_is_shared_and_gets_no_gradient_the_top_is_ones_own(weights: str) -> None:
    trunk = load_trunk("resnet18", weights)
    assert load_trunk("resnet18", weights) is trunk
    one, other = trunk.top("layer4"), trunk.top("layer4")
    assert all(parameter.requires_grad for parameter in one.parameters())
    features = trunk.prefix(images(), "layer4")
    assert not features.requires_grad
    with torch.no_grad():
        next(one.parameters()).zero_()
    assert next(other.parameters()).any()
    close(trunk.top("layer4").eval()(features).detach(), last_map(network_of(weights), images()))


def test_a_top_in_training_mode_keeps_its_own_batch_norm(weights: str) -> None:
    trunk = load_trunk("resnet18", weights)
    top = trunk.top("layer4").train()
    before = trunk.prefix(images(), "layer4")
    top(before)
    assert any(isinstance(module, nn.BatchNorm2d) and module.num_batches_tracked for module in top.modules())
    assert torch.equal(trunk.prefix(images(), "layer4"), before)


def test_a_top_that_begins_with_an_in_place_activation_leaves_the_shared_features_alone() -> None:
    trunk = load_trunk("squeezenet1_1", "random")
    features = trunk.prefix(images(), "features.1")
    kept = features.clone()
    trunk.top("features.1")(features)
    assert torch.equal(features, kept)


def test_a_learner_that_keeps_a_trunk_does_not_adopt_it(weights: str) -> None:
    learner = nn.Module()
    setattr(learner, "trunk", load_trunk("resnet18", weights))  # noqa: B010 (a module declares no attributes)
    assert not list(learner.parameters())


@pytest.mark.parametrize("build", [torchvision.models.resnet50, torchvision.models.densenet121])
def test_folding_batch_norm_changes_nothing(build: type[nn.Module]) -> None:
    torch.manual_seed(0)
    network = build().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.get_buffer("running_mean"), std=0.1)
            nn.init.uniform_(module.get_buffer("running_var"), 0.5, 1.5)
    expected = network(images()).detach()
    folded = fold_batch_norm(network)
    norms = [module for module in folded.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) < 64
    close(folded(images()), expected)


def test_other_torchvision_networks_are_cut_between_their_blocks(shared: Path) -> None:
    path = shared / "data" / "weights" / "mobilenet_v2-torchvision" / "mobilenet_v2.safetensors"
    trunk = load_trunk("mobilenet_v2", str(path))
    assert list(trunk.stages) == [f"features.{block}" for block in range(19)]
    network = torchvision.models.mobilenet_v2()
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(path).items()})
    expected = network.eval().features(images()).detach()
    close(trunk.prefix(images(), None), expected)
    found = trunk.top("features.18").eval()(trunk.prefix(images(), "features.18")).detach()
    close(found, expected)
    assert trunk.channels == found.shape[1] == 1280
    assert found.dtype == torch.float32


@pytest.mark.parametrize("name", ["squeezenet1_1", "densenet121", "vgg11_bn", "timm:resnet18", "timm:mobilenetv2_050"])
def test_random_weights_are_the_same_every_time(name: str) -> None:
    first, second = load_trunk.__wrapped__(name, "random"), load_trunk.__wrapped__(name, "random")
    assert first.digest == second.digest
    assert first.prefix(images(), None).shape[1] == first.channels


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "vit_tiny_patch16_224", "resnet18"])
def test_a_timm_network_gives_its_features_as_a_map(name: str) -> None:
    trunk = load_trunk(f"timm:{name}", "random")
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=0, global_pool="").eval()
    shown = images(224)[:1]
    features = network.forward_features(shown).detach()
    found = trunk.prefix(shown, None)
    if name.startswith("swin"):
        features = features.permute(0, 3, 1, 2)
    elif name.startswith("vit"):
        features = features[:, 1:].mT.unflatten(2, (14, 14))
    close(found, features)
    assert list(trunk.stages)[-1] == ("layer4" if name == "resnet18" else "trunk")


def test_pixels_are_normalised_as_the_trunk_was_trained(weights: str) -> None:
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    expected = torchvision.transforms.functional.normalize(pixels / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    torch.testing.assert_close(load_trunk("resnet18", weights).normalise(pixels), expected, rtol=0, atol=1e-6)
    timm_trunk = load_trunk("timm:vit_tiny_patch16_224", "random")
    assert timm_trunk.mean == (0.5, 0.5, 0.5)


def test_an_unknown_stage_is_refused_with_those_there_are(weights: str) -> None:
    with pytest.raises(MethodError, match="resnet18 has no stage 'layer5'") as caught:
        load_trunk("resnet18", weights).top("layer5")
    assert caught.value.hint == "available: stem, layer1, layer2, layer3, layer4"


@pytest.mark.parametrize(
    ("name", "weights", "message", "hint"),
    [
        ("resnet1001", None, "unknown trunk 'resnet1001'", "did you mean 'resnet101'"),
        ("resnet18:IMAGENET", None, "torchvision has no weights 'IMAGENET' for resnet18", "IMAGENET1K_V1"),
        ("resnet18", "nowhere/resnet18.pth", "no weights at nowhere/resnet18.pth", "weights is a file or `random`"),
        ("vit_b_32", "random", "vit_b_32 has no plain feature map", "timm:vit_base"),
        ("tiny", "tiny.pt", "for tiny", "do not set"),
    ],
)
def test_what_cannot_be_loaded_says_what_to_give(name: str, weights: str | None, message: str, hint: str) -> None:
    with pytest.raises(MethodError, match=re.escape(message)) as caught:
        load_trunk(name, weights)
    assert hint in str(caught.value.hint)


def test_weights_that_cannot_be_downloaded_say_which_file_goes_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", refuse)
    with pytest.raises(MethodError, match="IMAGENET1K_V1 of resnet18 could not be downloaded") as caught:
        load_trunk("resnet18")
    assert Path(str(caught.value.where)).name == "resnet18-f37072fd.pth"
    assert "resnet18-f37072fd.pth there, or give a local file: --set weights=PATH" in str(caught.value.hint)
    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(MethodError, match=r"weights of timm's resnet18\.a1_in1k could not be obtained"):
        load_trunk("timm:resnet18.a1_in1k")


def test_weights_of_another_architecture_are_refused(weights: str) -> None:
    with pytest.raises(MethodError, match=r"\d+ of \d+ tensors are missing or of another shape") as caught:
        load_trunk("resnet50", weights)
    assert weights in str(caught.value.where)


@pytest.mark.parametrize("weights", [None, "random"])
def test_the_embedded_tiny_is_a_trunk_too(weights: str | None) -> None:
    trunk: Trunk = load_trunk("tiny", weights)
    assert list(trunk.stages) == ["stem", "layer1", "layer2", "layer3", "layer4"]
    assert (trunk.channels, trunk.mean) == (144, (0.5, 0.5, 0.5))
    assert trunk.prefix(images(), "layer4").shape == (2, 112, 8, 8)
