"""The base class of learners on a frozen image-text tower."""

from __future__ import annotations

from dataclasses import dataclass

from typing_extensions import TypeVar

from ..presets.recipes import CONTROLLED
from ..recipe import Recipe, Track
from ..settings import Settings, setting
from ..towers.clip import load_clip
from ..towers.clip_tower import ClipTower
from ..towers.sources import clip_sources
from ..towers.weights import Source
from .learner import FeaturesT, HeadT, Learner

TOWER = "image-text model: an open_clip NAME:TAG, `local-dir:FOLDER`, or `tiny`"


@dataclass(frozen=True, kw_only=True)
class ClipSettings(Settings):
    """Settings of the image-text tower and its weights."""

    tower: str = setting("RN101:openai", TOWER)
    weights: str | None = setting(None, "weights file, or `random`; none: the weights that `tower` names")


SettingsT = TypeVar("SettingsT", bound=ClipSettings, default=ClipSettings)


class ClipLearner(Learner[SettingsT, HeadT, FeaturesT]):
    """Base class of learners on a frozen image-text tower. A subclass defines the features of images and texts."""

    controlled = Track(recipe=CONTROLLED, settings={"tower": "RN101:openai"})

    @classmethod
    def load_tower(cls, settings: SettingsT, recipe: Recipe) -> ClipTower:
        tower = load_clip(settings.tower, settings.weights)
        return tower.with_text(recipe.text_precision, joint=recipe.text_batch != "cell")

    @classmethod
    def tower_sources(cls, settings: SettingsT, recipe: Recipe) -> tuple[Source, ...]:
        return clip_sources(settings.tower, settings.weights, recipe.resolution)

    @property
    def clip(self) -> ClipTower:
        """The frozen tower, shared by the cells of a group."""
        tower = self.problem.tower
        assert isinstance(tower, ClipTower)
        return tower
