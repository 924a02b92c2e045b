"""The base class of learners for single positive labels: the initial biases treat unknown labels as absent."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int8
from torch import Tensor
from typing_extensions import TypeVar

from ..method import MethodError
from ..ranges import Positive
from ..settings import setting
from .trunk import ClassifierSettings, TrunkClassifier, known_log_odds


@dataclass(frozen=True, kw_only=True)
class SinglePositiveSettings(ClassifierSettings):
    """Settings of learners for single positive labels."""

    tower: str = setting("resnet50", "trunk, see `bce`", "released code")
    train_from: str = setting("all", "first trained stage, `all`, or `none`", "released code, mode end_to_end")


SettingsT = TypeVar("SettingsT", bound=SinglePositiveSettings, default=SinglePositiveSettings)


class SinglePositiveLearner(TrunkClassifier[SettingsT]):
    """A trunk with a linear classifier, whose initial biases treat unknown labels as absent."""

    Settings = SinglePositiveSettings

    def log_odds(self, labels: Int8[Tensor, "n c"]) -> Float[Tensor, " c"]:
        return known_log_odds(labels.masked_fill(labels == 0, -1))


@dataclass(frozen=True, kw_only=True)
class ExpectationSettings(SinglePositiveSettings):
    """The expected number of labels per image."""

    expected_positives: Positive | None = setting(
        None,
        "expected positives per image, k; none: estimated from the known labels, which must include absent ones",
        "counted; released code: one number per data set",
    )


def expected_positives(labels: Int8[Tensor, "n c"], given: float | None) -> float:
    """k: `given`, or else the share of positives among the known labels times the number of classes.

    Raises `MethodError` if no label is known to be absent, because the share is then unknown.
    """
    if given is not None:
        return given
    if not (labels < 0).any():
        raise MethodError(
            "the number of labels per image cannot be estimated from positives only",
            hint="--set expected_positives=K, the mean number per image",
        )
    return labels.shape[1] * float((labels > 0).sum() / (labels != 0).sum())
