"""The metrics of a table by name, as headings show them."""

from __future__ import annotations

from collections.abc import Mapping

_F1 = ("OP", "OR", "OF1", "CP", "CR", "CF1", "CF1_macro")
_RULES = {"": "", "top3_": ", top 3", "top3_threshold_": ", top 3 and score ≥ 0"}
METRICS: Mapping[str, str] = {
    "map": "mAP",
    "map_hcp": "mAP (envelope)",
    **{rule + name: name.replace("CF1_macro", "macro CF1") + text for rule, text in _RULES.items() for name in _F1},
}
