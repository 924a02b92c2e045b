"""Base of learners for single positive labels: unknown labels count as absent at the start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int8
from torch import Tensor
from typing_extensions import TypeVar

from ..method import MethodError
from ..ranges import Positive
from ..settings import setting
from .trunk import ClassifierSettings, TrunkClassifier, known_log_odds


@dataclass(frozen=True, kw_only=True)
class SinglePositiveSettings(ClassifierSettings):
    """Settings of the learners whose unknown labels count as absent at the start."""

    tower: str = setting("resnet50", "trunk, see `bce`", "released code")
    train_from: str = setting("all", "first stage that trains, `all`, or `none`", "released code, mode end_to_end")


SettingsT = TypeVar("SettingsT", bound=SinglePositiveSettings, default=Any)


class SinglePositiveLearner(TrunkClassifier[SettingsT]):
    """A trunk and a linear classifier whose biases start as if all that is unknown were absent."""

    Settings = SinglePositiveSettings

    def log_odds(self, labels: Int8[Tensor, "n c"]) -> Float[Tensor, " c"]:
        return known_log_odds(labels.masked_fill(labels == 0, -1))


@dataclass(frozen=True, kw_only=True)
class ExpectationSettings(SinglePositiveSettings):
    """How many labels an image is expected to have."""

    expected_positives: Positive | None = setting(
        None,
        "present labels per image, k; none: from the known labels, where absent ones are known, too",
        "counted; released code: a number a data set",
    )


def expected_positives(labels: Int8[Tensor, "n c"], given: float | None) -> float:
    """k: as given, else the share of present labels among the known ones times the number of classes.

    Raises `MethodError` where no label is known to be absent, so that the share says nothing.
    """
    if given is not None:
        return given
    if not (labels < 0).any():
        raise MethodError(
            "how many labels an image has can't be told from present labels alone",
            hint="--set expected_positives=K, as many as an image has on average",
        )
    return labels.shape[1] * float((labels > 0).sum() / (labels != 0).sum())
