"""The metrics of a table: their names, as headings show them, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ConfigError

_F1: Mapping[str, str] = {
    "OP": "Overall precision: of all predicted labels, pooled over classes, the share that is present",
    "OR": "Overall recall: of all present labels, pooled over classes, the share that is predicted",
    "OF1": "Overall F1: the harmonic mean of OP and OR",
    "CP": "Per-class precision: the mean over classes of the share of predicted labels that are present",
    "CR": "Per-class recall: the mean over classes of the share of present labels that are predicted",
    "CF1": "Per-class F1: the harmonic mean of CP and CR",
    "CF1_macro": "Macro F1: the mean over classes of the F1 of a class",
}
_RULES: Mapping[str, tuple[str, str]] = {
    "": ("", "a label is predicted if P(present) ≥ 0.5"),
    "top3_": (", top 3", "the three labels with the highest scores of an image are predicted"),
    "top3_threshold_": (
        ", top 3 and score ≥ 0",
        "a label is predicted if it is among the three with the highest scores of an image and P(present) ≥ 0.5",
    ),
}
METRICS: Mapping[str, str] = {
    "map": "mAP",
    "map_hcp": "mAP (envelope)",
    **{rule + name: name.replace("CF1_macro", "macro CF1") + how for rule, (how, _) in _RULES.items() for name in _F1},
}
EXPLAINED: Mapping[str, str] = {
    "map": (
        "Mean over classes of the average precision (AP): images are ranked by the score of the class, and AP is the"
        " mean of the precision at each image that has it. Classes without such a test image are left out."
    ),
    "map_hcp": (
        "mAP as the HCP code computes it: each precision is replaced by the highest one at the same or a larger recall."
    ),
    **{rule + name: f"{text}; {how}." for rule, (_, how) in _RULES.items() for name, text in _F1.items()},
}
"""What each metric means. All are between 0 and 100 in tables, and higher is better."""


def f1_pair(metric: str) -> tuple[str, str]:
    """OF1 and CF1 by the rule of a metric; by the threshold for `map`.

    Raises `ConfigError` for a metric that is of neither kind.

    >>> f1_pair("top3_CP")
    ('top3_OF1', 'top3_CF1')
    """
    rule = next((rule for rule in _RULES if metric.removeprefix(rule) in _F1), None if metric != "map" else "")
    if rule is None:
        raise ConfigError(
            f"the layout f1 shows OF1 and CF1; it cannot show {metric}", hint="leave out --metric, or try top3_OF1"
        )
    return f"{rule}OF1", f"{rule}CF1"
