"""Versions of the steps of views whose pixels have changed under the same name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

RULES: Mapping[str, int] = {
    "randaugment": 2,  # solarize from the exact threshold, a cutout of even size
    "dualcoop": 2,  # the same, and CutoutPIL's box includes both ends
    "scpnet-strong": 2,  # solarize; FixMatch's square is moved inside the image
    "scinet-medium": 2,
}
"""The current version of a step; 1 for all others."""


def rules(views: Iterable[str]) -> dict[str, int]:
    """The steps of some views that are no longer in their first version, with the version.

    >>> rules(["flip+bilinear+randaugment", "squash"])
    {'randaugment': 2}
    """
    return {step: RULES[step] for view in views for step in view.split("+") if step in RULES}
