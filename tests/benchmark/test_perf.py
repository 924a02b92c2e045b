"""The scripts of `benchmark/perf` run at a tiny size: both sides agree, and the figures of each side are printed."""

from __future__ import annotations

import sys

import dualcoop
import pytest


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts set the number of threads of the process."""
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)


@pytest.mark.parametrize("contexts", ["shared", "class-specific"])
def test_dualcoop_beside_the_released_form(
    contexts: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    size = ["--tower", "tiny", "--resolution", "64", "--batch", "2", "--classes", "3", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", ["dualcoop.py", "--contexts", contexts, *size])
    dualcoop.main()
    printed = capsys.readouterr().out
    for side in ("group: ", "alone: ", "released: ", "nine steps alone / group of nine: "):
        assert side in printed
