"""The examples of the documentation, taken from its pages, run as they stand there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pmll_bench.cli import main
from pmll_datasets.registry import DATASETS, Entry

DOCS = Path(__file__).parents[1] / "docs"
QUICK = ["--subset", "40", "--ratios", "0.5", "--threads", "1", "--device", "cpu", "--set", "recipe.epochs=1"]


def code(page: str, number: int = 0) -> str:
    """A Python block of a page."""
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)[number]


def ended(*argv: str) -> int:
    with pytest.raises(SystemExit) as exit:
        main(argv)
    return int(exit.value.code or 0)


def test_the_example_of_a_method_keeps_all_rules_and_runs_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("focal.py").write_text(code("add-a-method.md"), encoding="utf-8")
    assert ended("check", "focal.py") == 0
    assert ended("run", "--methods", "focal.py", "bce", *QUICK) == 0
    assert re.search(r"^focal", capsys.readouterr().out, re.MULTILINE)


def test_the_example_of_a_data_set_is_read_by_its_line_of_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "ponds"
    for folder in ("images", "labels"):
        (home / folder).mkdir(parents=True)
    (home / "classes.txt").write_text("frog heron reed\n")
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        (home / f"{split}.txt").write_text(" ".join(f"{split}{n}" for n in range(12)))
        for n in range(12):
            Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(home / "images" / f"{split}{n}.png")
            (home / "labels" / f"{split}{n}.txt").write_text(("frog", "heron reed", "reed", "")[n % 4])
    loader = tmp_path / "loaders" / "ponds.py"
    loader.parent.mkdir()
    loader.write_text(code("add-a-data-set.md"), encoding="utf-8")
    monkeypatch.syspath_prepend(str(loader.parent))
    lines: dict[str, Entry] = eval(f"{{{code('add-a-data-set.md', 1)}}}", {"Entry": Entry})
    monkeypatch.setitem(DATASETS, "ponds", lines["ponds"])
    monkeypatch.setitem(sys.modules, "pmll_datasets.ponds", __import__("ponds"))
    monkeypatch.chdir(tmp_path)
    here = ["--datasets", "ponds", "--data-root", str(home), "--device", "cpu", "--threads", "1"]
    assert ended("run", "--methods", "clip-zeroshot", "--track", "smoke", *here) == 0
    assert "12 training and 12 test pictures, 3 classes" in capsys.readouterr().out
