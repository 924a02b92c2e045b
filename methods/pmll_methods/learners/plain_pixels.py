"""Pixels scaled to [0, 1] and no further: what codes that descend from ASL's show their trunks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float, UInt8
from torch import Tensor
from typing_extensions import TypeVar

from ..presets.trunks import CONTROLLED_TRUNK
from ..settings import Settings, setting
from .learner import HeadT
from .trunk import TrunkLearner, TrunkSettings


@dataclass(frozen=True, kw_only=True)
class PixelSettings(Settings):
    """How images are shown to the trunk."""

    normalise: bool | None = setting(
        None, "pixels as the trunk was trained to see them; none: on a frozen trunk alone", "released code: never"
    )


SettingsT = TypeVar("SettingsT", bound=TrunkSettings, default=Any)


class PlainPixels(TrunkLearner[SettingsT, HeadT]):
    """A trunk that sees pixels in [0, 1], unless the settings ask for what it was trained on."""

    controlled = replace(CONTROLLED_TRUNK, settings={**CONTROLLED_TRUNK.settings, "normalise": True})  # as for all

    def normalise(self, pixels: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Pixels as the trunk was trained to see them where that is asked for, else in [0, 1]."""
        shown: Settings = self.settings
        assert isinstance(shown, PixelSettings)
        if self.settings.frozen if shown.normalise is None else shown.normalise:
            return super().normalise(pixels)
        return pixels.float() / 255
