"""Which steps of views have changed since there are identities: their pixels are others under the old names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

RULES: Mapping[str, int] = {
    "randaugment": 2,  # solarize from its real threshold on, an even square cut out
    "dualcoop": 2,  # the same, and both ends of CutoutPIL's box
    "scpnet-strong": 2,  # solarize; FixMatch's square is moved inside
    "scinet-medium": 2,
}
"""The number of the rule that a step follows now; 1 where nothing is said."""


def rules(views: Iterable[str]) -> dict[str, int]:
    """The steps of some views that follow another rule than their first, with its number.

    >>> rules(["flip+bilinear+randaugment", "squash"])
    {'randaugment': 2}
    """
    return {step: RULES[step] for view in views for step in view.split("+") if step in RULES}
