"""The scripts of `benchmark/perf` run at a tiny size: both sides agree, and the figures of each side are printed."""

from __future__ import annotations

import sys

import dualcoop
import field
import hcp_steps
import pytest
import shared_tower
import text_tower
import torchmetrics_ap


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts set the number of threads of the process."""
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)


@pytest.mark.parametrize(("contexts", "texts"), [("shared", "group"), ("class-specific", "cell")])
def test_dualcoop_beside_the_released_form(
    contexts: str, texts: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    size = ["--tower", "tiny", "--resolution", "64", "--batch", "2", "--classes", "3", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", ["dualcoop.py", "--contexts", contexts, "--text-batch", texts, *size])
    dualcoop.main()
    printed = capsys.readouterr().out
    for side in ("group: ", "alone: ", "released: ", "nine steps alone / group of nine: "):
        assert side in printed


@pytest.mark.parametrize("method", ["sst", "sarb"])
def test_a_step_of_sst_and_sarb_beside_the_released_form(
    method: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    size = ["--tower", "tiny", "--resolution", "64", "--batch", "4", "--classes", "5", "--width", "16", "--rounds", "1"]
    options = ["--map-pool", "1", "--fused"] if method == "sst" else []
    monkeypatch.setattr(sys, "argv", ["hcp_steps.py", "--method", method, *size, *options])
    hcp_steps.main()
    assert "nine steps released / group of nine: " in capsys.readouterr().out


def test_the_text_tower_beside_open_clip(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["text_tower.py", "--tower", "tiny", "--n-ctx", "4", "--rounds", "1"])
    text_tower.main()
    printed = capsys.readouterr().out
    for form in ("pmll-bench", "text_batch=joint"):
        assert printed.count(f"gain of {form}: ") == len(text_tower.CASES)


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        (["--before", str(field.HERE)], ["clip-zeroshot, before: ", "clip-zeroshot, now: ", "gain "]),
        (
            ["--whole", "--set", "recipe.cache=false"],
            [
                "clip-zeroshot: ",
                "mAP with the settings: +0.00 to +0.00 points",
                "gain in time, now, with the settings: ",
            ],
        ),
    ],
    ids=["two checkouts", "at once"],
)
def test_what_a_run_takes(
    more: list[str], shown: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["field.py", "--methods", "clip-zeroshot", "--subset", "20", *more])
    monkeypatch.setenv("PYTHONPATH", "")  # is restored afterwards
    field.main()
    printed = capsys.readouterr().out
    assert all(text in printed for text in shown)
    assert printed.count(" CPU s") == 2


def test_average_precision_beside_torchmetrics(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torchmetrics", reason="needs torchmetrics, which nothing else needs")
    size = ["--images", "200", "--classes", "3", "--positives", "1", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", ["torchmetrics_ap.py", *size])
    torchmetrics_ap.main()
    assert "gain: " in capsys.readouterr().out


@pytest.mark.parametrize("case", ["prompts", "losses"])
def test_methods_together_on_one_tower(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    size = ["--tower", "tiny", "--resolution", "64", "--batch", "16", "--tests", "4", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", ["shared_tower.py", case, *size])
    shared_tower.main()
    cells, groups = {"prompts": (36, 4), "losses": (10, 10)}[case]
    printed = capsys.readouterr().out
    assert f"{cells} cells in 1 and in {groups} groups" in printed
    assert "scores bit-equal" in printed
