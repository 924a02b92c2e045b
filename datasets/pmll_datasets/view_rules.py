"""Versions of the view steps whose pixels have changed while their names stayed the same."""

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
    """The steps of the given views with a version above 1, and that version.

    >>> rules(["flip+bilinear+randaugment", "squash"])
    {'randaugment': 2}
    """
    return {step: RULES[step] for view in views for step in view.split("+") if step in RULES}
