"""The parts of `pmll-bench check`: small data sets, trials of a method on them, and the checks by name."""

from __future__ import annotations

from .parametrize import parametrize_with_checks

__all__ = ["parametrize_with_checks"]
