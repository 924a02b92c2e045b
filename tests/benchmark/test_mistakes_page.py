"""The page of errors: the right images, in the right order, readable without a network and without a picture."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import Command
from own_data import own_data
from pmll_bench.errors import Exit
from pmll_bench.metrics import f1_by_class
from pmll_bench.models.mistakes import as_shown, mistakes
from pmll_bench.store.store import Store

SCORES = np.array([[3, 1], [2, 0], [1, 2], [0, 3], [-1, 4]], np.float32)
LABELS = np.array([[-1, -1], [1, -1], [0, 1], [-1, 1], [1, 1]], np.int8)


def test_false_alarms_come_from_the_top_and_misses_from_the_bottom() -> None:
    cat, dog = mistakes(SCORES, LABELS, ("cat", "dog"), 5)
    assert [(each.image, each.score, each.rank) for each in cat.false_alarms] == [(0, 3.0, 1), (3, 0.0, 3)]
    assert [(each.image, each.score, each.rank) for each in cat.misses] == [(4, -1.0, 4), (1, 2.0, 2)]
    assert (cat.present, cat.known) == (2, 4)  # the unknown label is neither ranked nor counted
    assert (dog.false_alarms, dog.misses) == ((), ())  # ranked without a fault


def test_no_more_than_asked_for_and_none_without_a_present_or_an_absent_image() -> None:
    (cat, _) = mistakes(SCORES, LABELS, ("cat", "dog"), 1)
    assert ([each.image for each in cat.false_alarms], [each.image for each in cat.misses]) == ([0], [4])
    for labels in (np.ones((5, 1), np.int8), -np.ones((5, 1), np.int8), np.zeros((5, 1), np.int8)):
        (only,) = mistakes(SCORES[:, :1], labels, ("cat",), 3)
        assert (only.false_alarms, only.misses) == ((), ())


def test_a_logit_is_shown_as_a_probability() -> None:
    assert [as_shown(True)(score) for score in (0.0, np.log(3), -100)] == ["50.0%", "75.0%", "0.0%"]
    assert as_shown(False)(0.5) == "0.5"


def test_f1_of_a_class_leaves_out_unknown_labels_and_is_nan_without_anything() -> None:
    labels = np.array([[1, 0, -1], [1, 0, -1], [-1, 0, -1], [0, 1, -1]], np.int8)
    predicted = np.array([[1, 1, 0], [0, 1, 0], [1, 1, 0], [1, 1, 0]], bool)
    assert f1_by_class(predicted, labels) == pytest.approx([0.5, 1.0, np.nan], nan_ok=True)  # 2 * 1 / (2 + 2)


class Page(HTMLParser):
    """The images of a page with their texts, and the addresses that it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))


@pytest.fixture
def cell(command: Command, tmp_path: Path) -> str:
    """A finished cell of images of one colour, whose class names are markup."""
    file = Path(own_data(tmp_path / "toys", ["1,-1", "-1,1"] * 4, ["1,-1", "-1,1", "1,1", "-1,-1", ",1", "1,-1"]))
    file.write_text(file.read_text().replace("cat,dog", "<b>cat</b>,dog & co"), encoding="utf-8")
    command("run", "--methods", "clip-zeroshot", "--datasets", str(file), "--regime", "full", "--device", "cpu")
    (folder,) = Store.open(tmp_path / "runs").folders()
    return folder.id


def test_the_page_needs_nothing_but_itself_and_each_image_has_a_text(command: Command, cell: str) -> None:
    answer = command("errors", cell, "-o", "page", "--images", "2")
    assert (answer.code, answer.out) == (Exit.DONE, "page/index.html\n")
    text = Path("page/index.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not re.search(r"https?://|<script|<link|@import|url\(", text)
    assert page.images
    assert 0 < len({each["src"] for each in page.images}) == len(list(Path("page/images").iterdir()))
    said = re.compile(r"Test image test\d: (<b>cat</b>|dog & co) is (absent|present); it shows .+")
    for each in page.images:
        with Image.open(Path("page") / str(each["src"])) as image:
            assert image.size == (40, 30)
        assert said.fullmatch(str(each["alt"]))
    assert "b" not in page.tags  # a class name is text
    assert "&lt;b&gt;cat&lt;/b&gt;" in text


def test_a_page_is_written_again_in_its_folder_but_never_over_other_content(command: Command, cell: str) -> None:
    assert command("errors", cell).code == command("errors", cell).code == Exit.DONE
    assert Path(f"errors-{cell}/index.html").is_file()
    for name in ("notes.txt", "index.html"):
        Path(name.partition(".")[0]).mkdir()
        (Path(name.partition(".")[0]) / name).write_text("mine")
        answer = command("errors", cell, "-o", name.partition(".")[0])
        assert (answer.code, "the folder has other content" in answer.err) == (Exit.INVALID, True)
    Path("file").write_text("mine")
    assert command("errors", cell, "-o", "file").code == Exit.INVALID


def test_scores_by_class_in_each_format(command: Command, cell: str) -> None:
    header, *rows = csv.reader(io.StringIO(command("score", cell, "--per-class", "--format", "csv").out))
    assert header == ["cell", "class", "positives", "AP (%)", "F1 (%)"]
    assert [row[:3] for row in rows] == [[cell, "<b>cat</b>", "3"], [cell, "dog & co", "3"]]
    assert all(row[4] == "" for row in rows)  # its scores are no logits
    (document,) = command("score", cell, "--per-class", "--json").document["cells"]
    for each, row in zip(document["classes"], rows, strict=True):
        assert (each["positives"], f"{100 * each['ap']:.2f}", each["f1"]) == (3, row[3], None)
    assert "positives  AP (%)" in command("score", cell, "--per-class").out
    assert "classes" not in command("score", cell, "--json").document["cells"][0]
