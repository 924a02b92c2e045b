"""`tests/soak/rounding.py`: what it compares, and when it calls a number undecided."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from soak import rounding

USUAL: rounding.Table = {("bce", 0.3): 58.2, ("bce", 0.7): 65.5, ("ssgrl", 0.3): 57.0, ("ssgrl", 0.7): 66.0}


def test_the_largest_change_of_a_method_counts_upwards_or_downwards() -> None:
    up, down = {**USUAL, ("ssgrl", 0.3): 59.5}, {**USUAL, ("ssgrl", 0.7): 61.0, ("bce", 0.3): 58.1}
    assert rounding.moved(USUAL, [up, down]) == pytest.approx({"bce": 0.1, "ssgrl": 5.0})


@pytest.mark.parametrize(("other", "ends"), [(57.9, 0), (58.1, 1), (56.0, 1)])
def test_a_point_or_more_is_too_much(
    other: float, ends: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(grid: Sequence[str], kind: str = "") -> rounding.Table:
        return {**USUAL, ("ssgrl", 0.3): other} if kind == "sse" else USUAL

    monkeypatch.setattr(rounding, "measured", measured)
    assert rounding.main([]) == ends
    assert f"| `ssgrl` | 57.00 | 66.00 | {abs(other - 57.0):.2f} |" in capsys.readouterr().out


def test_a_run_is_read_by_method_and_ratio() -> None:
    found = rounding.measured(["--methods", "clip-zeroshot", "--ratios", "0.5", "--subset", "20"], "threads")
    assert found.keys() == {("clip-zeroshot", 0.5)}
    assert 10 < found["clip-zeroshot", 0.5] <= 100
