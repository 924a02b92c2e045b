"""The embedded tower `tiny`, pretrained or with random weights, and how its pixels are normalised."""

from __future__ import annotations

from ..method import MethodError
from .frozen import Channels
from .tiny import TinyCLIP, config, load_tiny, random_tiny
from .weights import RANDOM


def embedded(weights: str | None) -> tuple[TinyCLIP, Channels, Channels]:
    """The embedded `tiny` with pretrained or `random` weights, and the mean and standard deviation of its pixels."""
    if weights not in (None, RANDOM):
        raise MethodError(
            f"invalid weights {weights!r} for tiny (expected none or random)", hint="do not set `weights`"
        )
    model = load_tiny() if weights is None else random_tiny(seed=0)
    preprocess = config()["preprocess_cfg"]
    return model, tuple(preprocess["mean"]), tuple(preprocess["std"])
