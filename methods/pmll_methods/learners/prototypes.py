"""When class prototypes are computed, and from which view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..ranges import Whole
from ..recipe import Recipe
from ..settings import Settings, setting
from .learner import Sweep


@dataclass(frozen=True, kw_only=True)
class PrototypeSettings(Settings):
    """When prototypes are computed, and from which view."""

    prototype_epochs: tuple[Whole, ...] = setting(
        (5, 10, 15), "epochs before which prototypes are computed", "HCP-MLR-PL, scripts of HST and SARB"
    )
    prototype_view: Literal["test", "train"] = setting(
        "test", "view from which prototypes are computed; the released code uses the training views"
    )

    def prototype_sweep(self, epoch: int, recipe: Recipe) -> Sweep | None:
        """The sweep that computes them, if they are due before this epoch."""
        view = None if self.prototype_view == "test" else recipe.views[0]
        return Sweep(view=view) if epoch in self.prototype_epochs else None
