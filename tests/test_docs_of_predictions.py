"""A practitioner follows the page on one's own images from a folder and a file of labels to predictions."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from doc_pages import text_of
from pmll_bench.cli import main
from pmll_bench.errors import Exit
from pmll_methods.method import key

PAGE = "your-own-images.md"
SECTION = "From images to predictions"


def section() -> str:
    text = text_of(PAGE).partition(f"\n## {SECTION}\n")[2]
    return text.partition("\n## ")[0]


def commands() -> list[list[str]]:
    """The commands of the section in their order, without `pmll-bench`."""
    blocks = re.findall(r"^```sh\n(.*?)^```", section(), re.DOTALL | re.MULTILINE)
    return [shlex.split(line)[1:] for block in blocks for line in block.splitlines()]


def ended(*argv: str) -> int:
    with pytest.raises(SystemExit) as exit:
        main(argv)
    return int(exit.value.code or 0)


def photograph(cat: bool, dog: bool, number: int) -> Image.Image:
    """Noise with a red square for a cat, and a blue one for a dog."""
    pixels = np.random.default_rng(key(number, "photograph")).integers(90, 140, (64, 64, 3)).astype(np.uint8)
    if cat:
        pixels[6:28, 6:28] = (230, 30, 30)
    if dog:
        pixels[34:58, 34:58] = (30, 30, 230)
    return Image.fromarray(pixels)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty photographs with their labels, eight new ones, and a damaged one among them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new" / "more").mkdir(parents=True)
    lines = ["path,split,cat,dog"]
    for number in range(60):
        cat, dog = number % 2 == 0, number % 3 == 0
        photograph(cat, dog, number).save(f"{number}.png")
        lines.append(f"{number}.png,{'test' if number % 5 == 0 else 'train'},{cat:d},{dog:d}")
    Path("pets.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for number in range(8):
        place = "new/more" if number > 5 else "new"
        photograph(number % 2 == 0, number % 4 > 1, 100 + number).save(f"{place}/{number}.png")
    return tmp_path


def test_three_commands_lead_from_images_to_predictions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, run, predict, *more = commands()
    assert ended(*status) == Exit.DONE
    assert ended(*run, "--device", "cpu") == Exit.DONE
    kept = dict(re.findall(r"^  ([0-9a-f]{16})  (\S+)", capsys.readouterr().err, re.MULTILINE))
    assert sorted(kept.values()) == ["bce", "linear-probe"]
    (cell,) = (each for each, method in kept.items() if method == "linear-probe")
    filled = [cell[:6] if word == "CELL" else word for word in predict]
    assert ended(*filled) == Exit.DONE
    with Path("predictions.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == re.findall(r"^(path,.*)$", section(), re.MULTILINE)[0].split(",")
    assert [row[0] for row in rows] == [*(f"{number}.png" for number in range(6)), "more/6.png", "more/7.png"]
    by_image = [(float(row[1]), int(Path(row[0]).stem) % 2 == 0) for row in rows]
    assert min(p for p, cat in by_image if cat) > max(p for p, cat in by_image if not cat)
    for words in more:
        assert ended(*[cell[:6] if word == "CELL" else word for word in words], "--root", "runs") == Exit.DONE
    assert Path("errors/index.html").is_file()


def test_what_the_page_says_of_labels_and_of_damaged_images(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held_out = re.findall(r"`(--set recipe.selection=best-val [^`]*)`", section())[0]
    run = ["run", "--methods", "bce", "--datasets", "pets.csv", "--regime", "full", "--keep-model", "--device", "cpu"]
    assert ended(*run, *shlex.split(held_out)) == Exit.DONE
    (cell,) = (path.parent.name for path in Path("runs").glob("cells/*/*/*/result.json"))
    Path("new/damaged.jpg").write_bytes(b"not an image")
    capsys.readouterr()
    assert ended("predict", cell, "new/", "--labels", "-o", "labels.csv") == 4
    said = capsys.readouterr().err
    assert "has the highest F1 on the known labels of" in said
    assert "1 image left out:\n  damaged.jpg: " in said
    lines = Path("labels.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert {label for line in lines for label in line.split(",")[1:]} <= {"0", "1"}
