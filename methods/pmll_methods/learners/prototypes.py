"""When and from which view a learner gathers the prototypes of classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..ranges import Whole
from ..recipe import Recipe
from ..settings import Settings, setting
from .learner import Sweep


@dataclass(frozen=True, kw_only=True)
class PrototypeSettings(Settings):
    """When and from what prototypes are gathered."""

    prototype_epochs: tuple[Whole, ...] = setting(
        (5, 10, 15), "epochs before which prototypes are gathered", "HCP-MLR-PL, scripts of HST and SARB"
    )
    prototype_view: Literal["test", "train"] = setting(
        "test", "the view in which they are gathered; the released code takes the training views"
    )

    def prototype_sweep(self, epoch: int, recipe: Recipe) -> Sweep | None:
        """The sweep that gathers them, in the epochs in which they are."""
        view = None if self.prototype_view == "test" else recipe.views[0]
        return Sweep(view=view) if epoch in self.prototype_epochs else None
