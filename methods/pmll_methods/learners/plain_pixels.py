"""Pixels in [0, 1] without normalisation, as in code derived from ASL's."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Float, UInt8
from torch import Tensor
from typing_extensions import TypeVar

from ..presets.trunks import CONTROLLED_TRUNK
from ..settings import Settings, setting
from ..towers.memory import once
from .learner import HeadT
from .trunk import TrunkLearner, TrunkSettings


@dataclass(frozen=True, kw_only=True)
class PixelSettings(Settings):
    """The setting of pixel normalisation."""

    normalise: bool | None = setting(
        None,
        "normalise pixels with the trunk's mean and deviation; none: only on a frozen trunk",
        "released code: never",
    )


SettingsT = TypeVar("SettingsT", bound=TrunkSettings, default=TrunkSettings)


class PlainPixels(TrunkLearner[SettingsT, HeadT]):
    """A trunk on pixels in [0, 1], or on normalised ones. Its settings must include `PixelSettings`."""

    controlled = replace(CONTROLLED_TRUNK, settings={**CONTROLLED_TRUNK.settings, "normalise": True})  # as for all

    def normalise(self, pixels: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Pixels in [0, 1], or normalised as in the trunk's pretraining."""
        shown: Settings = self.settings
        assert isinstance(shown, PixelSettings)
        if self.settings.frozen if shown.normalise is None else shown.normalise:
            return super().normalise(pixels)
        return once("plain pixels", pixels, lambda pixels: pixels.float() / 255)
