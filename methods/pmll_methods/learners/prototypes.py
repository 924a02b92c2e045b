"""The settings that determine when class prototypes are computed, and from which view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..ranges import Whole
from ..recipe import Recipe
from ..settings import Settings, setting
from .learner import Sweep


@dataclass(frozen=True, kw_only=True)
class PrototypeSettings(Settings):
    """The epochs and the view of class prototypes."""

    prototype_epochs: tuple[Whole, ...] = setting(
        (5, 10, 15), "epochs before which prototypes are computed", "HCP-MLR-PL, scripts of HST and SARB"
    )
    prototype_view: Literal["test", "train"] = setting(
        "test", "view from which prototypes are computed; the released code uses training views"
    )

    def prototype_sweep(self, epoch: int, recipe: Recipe) -> Sweep | None:
        """The sweep that computes prototypes before `epoch`; None if there is none."""
        view = None if self.prototype_view == "test" else recipe.views[0]
        return Sweep(view=view) if epoch in self.prototype_epochs else None
