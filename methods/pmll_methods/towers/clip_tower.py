"""A frozen CLIP tower, whichever library made its model: importing it is cheap, `clip.load_clip` imports open_clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, TypeAlias

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from ..method import MethodError
from .dense import ResNetImages, TimmImages, VitImages, image_tower
from .frozen import Channels, freeze, normalise, state_digest
from .memory import Memory
from .text import TextTower

Tokenize: TypeAlias = Callable[[list[str]], Int64[Tensor, "c l"]]


@dataclass(frozen=True, eq=False)
class ClipTower:
    """A frozen image-text model. It is not an `nn.Module`, so a learner that holds it neither trains nor saves it."""

    name: str
    model: Any  # open_clip's CLIP, whose attributes are not typed
    images: ResNetImages | VitImages | TimmImages
    text: TextTower
    tokenizer: Tokenize
    mean: Channels
    std: Channels
    digest: str
    memory: Memory = field(default_factory=Memory, repr=False)

    @property
    def resolution(self) -> int:
        """The side of its training images in pixels."""
        size = self.model.visual.image_size
        return int(size if isinstance(size, int) else size[0])

    @property
    def context_length(self) -> int:
        """The maximum number of tokens in a text."""
        return int(self.model.context_length)

    @property
    def logit_scale(self) -> float:
        """1 / τ, by which CLIP multiplies cosines."""
        return float(self.model.logit_scale.exp())

    @property
    def variants(self) -> tuple[str, ...]:
        """The kinds of dense features; the first is the default."""
        return self.images.variants

    def to(self, device: str) -> ClipTower:
        """Move the weights to `device`, in place, and return the tower."""
        self.model.to(device)
        self.images.to(device)
        return self

    def with_text(self, precision: Literal["fp32", "bf16"], *, joint: bool = False) -> ClipTower:
        """The same tower, whose texts are encoded in `precision`; `joint` as in `TextTower`."""
        if (precision, joint) == (self.text.precision, self.text.joint):
            return self
        return replace(self, text=TextTower(self.model, precision, joint=joint))

    def parameters(self) -> Iterator[nn.Parameter]:
        """The weights of both encoders."""
        yield from self.model.parameters()

    def normalise(self, pixels: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Pixels, normalised as in its pretraining."""
        return normalise(pixels, self.mean, self.std)

    @torch.no_grad()
    def pooled(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b e"]:
        """One vector per normalised image, not of unit length."""
        return self.memory("pooled", images, self.images.pooled)

    @torch.no_grad()
    def dense(self, images: Float[Tensor, "b 3 h w"], variant: str | None = None) -> Float[Tensor, "b n e"]:
        """One vector per position of normalised images, of a kind in `variants`."""
        chosen = variant or self.variants[0]
        if chosen not in self.variants:
            raise MethodError(
                f"{self.name} has no dense features {chosen!r}", hint=f"available: {', '.join(self.variants)}"
            )
        return self.memory(("dense", chosen), images, partial(self.images.dense, variant=chosen))

    @property
    def channels(self) -> int:
        """The number of channels of `feature_map`."""
        return self.images.channels

    @torch.no_grad()
    def feature_map(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d u v"]:
        """The last feature map of normalised images, before pooling and projection to the joint space."""
        return self.memory("feature map", images, self.images.feature_map)

    def tokenize(self, texts: Sequence[str]) -> Int64[Tensor, "c l"]:
        """Token ids, padded to `context_length`."""
        return self.tokenizer(list(texts))

    @torch.no_grad()
    def encode_text(self, ids: Int64[Tensor, "c l"]) -> Float[Tensor, "c e"]:
        """The features of whole prompts, not of unit length."""
        return self.text.encode_ids(ids.to(self.model.logit_scale.device))


def clip_tower(name: str, model: Any, tokenizer: Tokenize, mean: Sequence[float], std: Sequence[float]) -> ClipTower:
    """A tower from a model under open_clip's attribute names. The model is frozen in place."""
    digest = state_digest(freeze(model))
    return ClipTower(
        name=name,
        model=model,
        images=image_tower(model.visual),
        text=TextTower(model),
        tokenizer=tokenizer,
        mean=tuple(mean),
        std=tuple(std),
        digest=digest,
    )
