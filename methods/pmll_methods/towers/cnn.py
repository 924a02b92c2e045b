"""CNN trunks of torchvision and timm, and the embedded `tiny`: frozen, and split into named stages."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import timm
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torchvision import models

from ..method import MethodError
from .embedded import embedded
from .frozen import Channels, as_map, fold_batch_norm, freeze, normalise, state_digest
from .memory import Memory, once
from .sources import DEFAULT_WEIGHTS, mapless, refuse_unknown_trunk, torchvision_url
from .state import content_summary, read_state
from .weights import RANDOM, TIMM, split_tag, weights_file

IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)
LAYERS = ("layer1", "layer2", "layer3", "layer4")
CLASSIFIERS = ("fc.", "classifier.", "head.", "heads.")


class Stages(nn.Sequential):
    """Consecutive stages of a network; the identity if there are none."""

    if TYPE_CHECKING:  # nn.Module's own declaration returns Any

        def __call__(self, features: Tensor) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Trunk:
    """A pretrained CNN without its classifier: stages in order, from pixels to the last feature map.

    It is not an `nn.Module`, so a learner that holds it neither trains nor saves it; `top` returns trainable copies.
    """

    name: str
    stages: Mapping[str, nn.Module]
    channels: int
    mean: Channels
    std: Channels
    digest: str
    memory: Memory = field(default_factory=Memory, repr=False)
    _frozen: dict[str | None, Stages] = field(default_factory=dict, repr=False)

    def to(self, device: str) -> Trunk:
        """Move the weights to `device`, in place, and return the trunk."""
        for module in (*self.stages.values(), *self._frozen.values()):
            module.to(device)
        return self

    def parameters(self) -> Iterator[nn.Parameter]:
        """The weights of all stages."""
        for stage in self.stages.values():
            yield from stage.parameters()

    def normalise(self, pixels: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Pixels, normalised as in its pretraining."""
        return normalise(pixels, self.mean, self.std)

    @torch.no_grad()
    def prefix(self, images: Float[Tensor, "b 3 h w"], at: str | None) -> Float[Tensor, "b k u v"]:
        """Features of normalised images after the frozen stages before `at`; None: all stages, `all`: no stage."""
        return self.memory(("prefix", at), images, partial(self._computed, at=at))

    @torch.no_grad()
    def pooled(self, images: Float[Tensor, "b 3 h w"], how: str) -> Float[Tensor, "b k"]:
        """The last feature map of normalised images, pooled; the map itself, which is large, is not cached."""
        return self.memory(("pooled", how), images, lambda images: pool(self._computed(images, None), how))

    def _computed(self, images: Float[Tensor, "b 3 h w"], at: str | None) -> Float[Tensor, "b k u v"]:
        if at not in self._frozen:
            self._frozen[at] = fold_batch_norm(copy.deepcopy(_chain(self._stages(at)[0])))
        network = self._frozen[at]

        def make(images: Tensor) -> Tensor:
            return network(images.contiguous(memory_format=torch.channels_last)).contiguous()

        return once((self, at), images, make)

    def top(self, at: str | None) -> Stages:
        """A trainable copy of the stages from `at` onwards; `all`: of all stages, None: the identity."""
        if at is None:
            return Stages()
        own = copy.deepcopy(_chain(self._stages(at)[1])).requires_grad_(True)
        for part in own.modules():
            if hasattr(part, "inplace"):
                part.inplace = False  # type: ignore[assignment]  # a group's cells share its input
        return own

    def _stages(self, at: str | None) -> tuple[dict[str, nn.Module], dict[str, nn.Module]]:
        names = list(self.stages)
        at = names[0] if at == "all" else at
        if at is not None and at not in names:
            raise MethodError(f"{self.name} has no stage {at!r}", hint=f"available: {', '.join(names)}")
        cut = len(names) if at is None else names.index(at)
        return {name: self.stages[name] for name in names[:cut]}, {name: self.stages[name] for name in names[cut:]}


def pool(features: Float[Tensor, "b d h w"], how: str) -> Float[Tensor, "b k"]:
    """The mean over positions; for `avg+max` also a third of the maximum, which has a similar scale."""
    mean = features.mean(dim=(2, 3))
    return torch.cat([mean, features.amax(dim=(2, 3)) / 3], dim=1) if how == "avg+max" else mean


@lru_cache(maxsize=4)
def load_trunk(name: str, weights: str | None = None) -> Trunk:
    """A frozen trunk: a torchvision or timm name (`timm:NAME` where both have it), or `tiny`.

    `weights` is a file or `random`; None: published ImageNet weights, either those named after the architecture
    (`resnet101:IMAGENET1K_V2`, `timm:resnet50.a1_in1k`) or the default ones. Calls with the same arguments return
    the same object. Raises `MethodError` for an unknown name, and for weights that do not fit or cannot be obtained.
    """
    if name == "tiny":
        return _tiny_trunk(weights)
    bare, tag = split_tag(name)
    if bare in models.list_models(module=models):
        network = _torchvision_network(bare, tag or DEFAULT_WEIGHTS, weights)
        return _trunk(bare, _torchvision_stages(bare, network), 64)
    refuse_unknown_trunk(name)
    network = _timm_network(name.removeprefix(TIMM), weights)
    config = network.pretrained_cfg
    return _trunk(name, timm_stages(network), config["input_size"][-1], config["mean"], config["std"])


def _trunk(
    name: str,
    stages: Mapping[str, nn.Module],
    pixels: int,
    mean: Channels = IMAGENET_MEAN,
    std: Channels = IMAGENET_STD,
) -> Trunk:
    body = freeze(_chain(stages))
    with torch.no_grad():
        channels = body(torch.zeros(1, 3, pixels, pixels)).shape[1]
    return Trunk(name, stages, channels, tuple(mean), tuple(std), state_digest(body))


def _chain(stages: Mapping[str, nn.Module]) -> Stages:
    """Consecutive stages; dots are replaced, since torch does not allow them in the name of a module."""
    return Stages(OrderedDict((name.replace(".", "_"), module) for name, module in stages.items()))


def _tiny_trunk(weights: str | None) -> Trunk:
    tiny, mean, std = embedded(weights)
    return _trunk("tiny", tiny_stages(tiny.visual), tiny.visual.image_size, mean, std)


def tiny_stages(visual: Any) -> dict[str, nn.Module]:
    """The stages of `tiny`'s image encoder: stem, layer1 … layer4."""
    relu = nn.ReLU()
    stem = nn.Sequential(visual.conv1, visual.bn1, relu, visual.conv2, visual.bn2, relu)
    return {"stem": stem, **{layer: getattr(visual, layer) for layer in LAYERS}}


def _torchvision_network(name: str, tag: str, weights: str | None) -> Any:
    network = _randomly(lambda: models.get_model(name, weights=None))
    if weights is None:
        _load(network, _downloaded(name, tag), where=f"{name}:{tag}")
    elif weights != RANDOM:
        _load(network, read_state(weights_file(weights)), where=weights)
    return network


def _downloaded(name: str, tag: str) -> dict[str, Tensor]:
    """torchvision's weights, from its cache or the network."""
    url = torchvision_url(name, tag)
    chosen = models.get_model_weights(name).__members__[tag]
    try:
        state: dict[str, Tensor] = chosen.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise MethodError(
            f"the weights {tag} of {name} could not be downloaded: {error}",
            where=str(Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]),
            hint=f"put {url} there, or give a local file: --set weights=PATH",
        ) from error
    return state


def _timm_network(name: str, weights: str | None) -> Any:
    full = {"num_classes": 0, "global_pool": ""}
    if weights is None:
        try:
            return timm.create_model(name, pretrained=True, **full)
        except Exception as error:  # timm and its hub client raise various classes
            raise MethodError(
                f"the weights of timm's {name} could not be obtained: {error}",
                hint="download them with network access, and give the file: --set weights=PATH",
            ) from error
    network = _randomly(lambda: timm.create_model(name, pretrained=False, **full))
    if weights != RANDOM:
        _load(network, read_state(weights_file(weights)), where=weights)
    return network


def _randomly(build: Callable[[], nn.Module]) -> nn.Module:
    """A network with random weights from a fixed seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build()


def _load(network: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Load all tensors except the classifier's. Raises `MethodError` if one is missing or of another shape."""
    own = network.state_dict()
    fitting = {name: state[name] for name in own if name in state and state[name].shape == own[name].shape}
    lacking = [
        name
        for name in own
        if name not in fitting and not name.startswith(CLASSIFIERS) and not name.endswith("num_batches_tracked")
    ]
    if lacking:
        raise MethodError(
            f"{len(lacking)} of {len(own)} tensors are missing or of another shape, the first is {lacking[0]}; "
            f"{content_summary(state)}",
            where=where,
            hint="the file must contain the weights of this architecture under the library's names",
        )
    network.load_state_dict(fitting, strict=False)


def _torchvision_stages(name: str, network: nn.Module) -> dict[str, nn.Module]:
    """ResNets: stem, layer1 … layer4; networks with `features`: features.0 …; `MethodError` for the others."""
    if hasattr(network, "layer4"):
        return resnet_stages(network)
    features = getattr(network, "features", None)
    if not isinstance(features, nn.Sequential) or hasattr(network, "permute"):
        raise mapless(name)
    stages = {f"features.{part}": module for part, module in features.named_children()}
    return {**stages, "relu": nn.ReLU()} if isinstance(network, models.DenseNet) else stages


def timm_stages(network: nn.Module) -> dict[str, nn.Module]:
    """ResNets: stem, layer1 … layer4; any other network is one stage, `trunk`."""
    return resnet_stages(network) if isinstance(network, timm.models.ResNet) else {"trunk": _TimmMap(network)}


def resnet_stages(network: nn.Module) -> dict[str, nn.Module]:
    """The stages of a ResNet whose modules before `layer1` are registered in the order of their use."""
    children = dict(network.named_children())
    before = list(children)[: list(children).index("layer1")]
    stem = nn.Sequential(OrderedDict((name, children[name]) for name in before))
    return {"stem": stem, **{layer: children[layer] for layer in LAYERS}}


class _TimmMap(nn.Module):
    """The last feature map of any timm network as [b, d, h, w]."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d u v"]:
        return as_map(self.network, self.network.forward_features(images), images)
