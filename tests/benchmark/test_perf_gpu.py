"""The measurements of a GPU, at a tiny size on a CPU: every comparison runs, and its sides compute the same."""

from __future__ import annotations

import sys

import gpu
import pytest


def test_the_measurements_of_a_gpu_run_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What changes no number on any device differs by 0 here; the other sides differ by what rounding explains."""
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--tiny"])
    assert gpu.main() == 0
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    differences = {(row[1], row[4].strip(" |")) for row in rows if row[3] != "1"}
    for exact in ("losses read in every step", "images copied in turn"):
        assert (exact, "0") in differences
    assert {float(shown) < 0.3 for _, shown in differences} == {True}
    assert {row[1] for row in rows} >= {
        *gpu.STEPS,
        *gpu.SST_STEPS,
        "one call",
        "bf16",
        "weights in channels-last memory",
    }
