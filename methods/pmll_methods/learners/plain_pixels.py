"""Pixels scaled to [0, 1] and no further: what codes that descend from ASL's show their trunks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Float, UInt8
from torch import Tensor

from ..presets.trunks import CONTROLLED_TRUNK
from ..settings import Settings, setting
from .trunk import TrunkLearner


@dataclass(frozen=True, kw_only=True)
class PixelSettings(Settings):
    """How images are shown to the trunk."""

    normalise: bool | None = setting(
        None, "pixels as the trunk was trained to see them; none: on a frozen trunk alone", "released code: never"
    )


class PlainPixels(TrunkLearner):
    """A trunk that sees pixels in [0, 1], unless the settings ask for what it was trained on."""

    controlled = replace(CONTROLLED_TRUNK, settings={**CONTROLLED_TRUNK.settings, "normalise": True})  # as for all

    def normalise(self, pixels: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """Pixels as the trunk was trained to see them where that is asked for, else in [0, 1]."""
        asked = self.settings.normalise
        if self.settings.frozen if asked is None else asked:
            return super().normalise(pixels)
        return pixels.float() / 255
