"""`predict`: what a practitioner gets for new images, and what is said about those that cannot be read."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command_line import Answer, Command
from own_data import own_data
from pmll_bench.errors import Exit
from pmll_bench.store.store import Store
from pmll_datasets.dataset import load

Predict = Callable[..., Answer]
QUICK = ["--subset", "40", "--threads", "1", "--device", "cpu", "--keep-model", "--ratios", "0.5"]
HELD_OUT = ["--set", "recipe.selection=best-val", "--set", "recipe.validation=0.4", "--set", "recipe.epochs=2"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first test scenes as files: three in the folder, two in a subfolder."""
    folder = tmp_path_factory.mktemp("scenes")
    (folder / "more").mkdir()
    images = load("shapes", None, {}, 40).test.images
    for number, name in enumerate(["a.png", "b.png", "c.PNG", "more/d.png", "more/e.png"]):
        Image.fromarray(images.read(number)).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """A store for each of three cells with a kept model."""
    from pmll_bench.cli import main

    found = {}
    for name, words in {
        "probe": ["linear-probe"],
        "zero": ["clip-zeroshot"],
        "held": ["bce", *HELD_OUT],
    }.items():
        root = tmp_path_factory.mktemp(name)
        with pytest.raises(SystemExit):
            main(["run", "--methods", *words, *QUICK, "--root", str(root)])
        found[name] = Store.open(root)
    return found


@pytest.fixture
def predict(command: Command, runs: dict[str, Store], scenes: Path) -> Predict:
    """Runs `predict` with the cell of a store, by default on all scenes."""

    def work(*words: str, of: str = "probe", images: Path | str = scenes) -> Answer:
        (folder,) = runs[of].folders()
        return command("predict", folder.id[:8], str(images), "--root", str(runs[of].root), "--threads", "1", *words)

    return work


def table(answer: Answer) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.out)))


def stored(store: Store) -> np.ndarray:
    """The scores of the five scenes in the result: they are its first test images."""
    (folder,) = store.folders()
    return folder.scores().scores[:5]


def test_a_row_holds_the_probabilities_of_an_image_ordered_by_path(predict: Predict, runs: dict[str, Store]) -> None:
    answer = predict()
    header, *rows = table(answer)
    assert answer.code == Exit.DONE
    assert header[:3] == ["path", "arrow", "circle"]
    assert [row[0] for row in rows] == ["a.png", "b.png", "c.PNG", "more/d.png", "more/e.png"]
    wanted = 1 / (1 + np.exp(-stored(runs["probe"]).astype(float)))
    assert np.array([[float(cell) for cell in row[1:]] for row in rows]) == pytest.approx(wanted, rel=1e-5)


def test_an_image_is_predicted_alike_alone_and_among_others(predict: Predict, scenes: Path) -> None:
    alone = table(predict(images=scenes / "b.png"))
    assert alone[1] == table(predict())[2]
    assert len(alone) == 2


def test_labels_are_one_from_a_probability_of_a_half_if_none_were_held_out(
    predict: Predict, runs: dict[str, Store]
) -> None:
    answer = predict("--labels")
    wanted = (stored(runs["probe"]) >= 0).astype(int).astype(str).tolist()
    assert [row[1:] for row in table(answer)[1:]] == wanted
    assert "no training label was held out, so a class is present from a probability of 0.5" in answer.err


def test_a_threshold_is_a_probability(predict: Predict, runs: dict[str, Store]) -> None:
    answer = predict("--labels", "--threshold", "0.9")
    wanted = (stored(runs["probe"]) >= np.log(9)).astype(int).astype(str).tolist()
    assert [row[1:] for row in table(answer)[1:]] == wanted
    assert "a class is present from a probability of 0.9" in answer.err


def test_thresholds_are_chosen_on_held_out_labels_where_there_are_any(predict: Predict) -> None:
    answer = predict("--labels", of="held")
    assert answer.code == Exit.DONE
    assert "highest F1 on the known labels of" in answer.err
    assert "held-out training images" in answer.err
    assert {cell for row in table(answer)[1:] for cell in row[1:]} <= {"0", "1"}


def test_scores_that_are_no_logits_are_written_as_they_are(predict: Predict, runs: dict[str, Store]) -> None:
    answer = predict(of="zero")
    shown = np.array([[float(cell) for cell in row[1:]] for row in table(answer)[1:]])
    assert shown == pytest.approx(stored(runs["zero"]), rel=1e-5)
    assert "the scores of clip-zeroshot are not logits of P(present)" in answer.err
    assert predict("--labels", "--threshold", "0.5", of="zero").code == Exit.USAGE
    assert "of which the method uses no label" in predict("--labels", of="zero").err


def test_a_table_names_the_images_in_its_order_and_its_other_columns_do_not_matter(
    predict: Predict, scenes: Path
) -> None:
    (scenes / "new.csv").write_text(
        "when,filename,dog\n2024,more/e.png,1\n2023,a.png,\n2023,a.png,\n", encoding="utf-8"
    )
    rows = table(predict(images=scenes / "new.csv"))[1:]
    assert [row[0] for row in rows] == ["more/e.png", "a.png", "a.png"]
    assert rows[1] == rows[2] == table(predict())[1]


def test_images_that_cannot_be_read_are_named_and_left_out(predict: Predict, tmp_path: Path, scenes: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "b.png").write_bytes((scenes / "b.png").read_bytes())
    (folder / "a.jpg").write_bytes((scenes / "a.png").read_bytes()[:200])
    (folder / "z.jpg").write_text("not an image")
    (folder / "notes.txt").write_text("not an image, and not named like one")
    answer = predict(images=folder)
    assert answer.code == Exit.CELLS_FAILED
    assert [row[0] for row in table(answer)[1:]] == ["b.png"]
    assert table(answer)[1] == table(predict())[2]
    assert "2 images left out:\n  a.jpg: image cannot be decoded" in answer.err


def test_a_file_takes_the_predictions_in_place_of_stdout(predict: Predict) -> None:
    answer = predict("-o", "found.csv")
    assert answer.out == ""
    assert "written: found.csv (5 images, 20 classes)" in answer.err
    assert Path("found.csv").read_text(encoding="utf-8") == predict().out


def test_a_name_that_ends_with_parquet_gets_parquet(predict: Predict) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert predict("-o", "found.parquet").code == Exit.DONE
    found = parquet.read_table("found.parquet")
    header, *rows = table(predict())
    assert found.column_names == header
    assert found.column("path").to_pylist() == [row[0] for row in rows]
    assert found.column("arrow").to_pylist() == pytest.approx([float(row[1]) for row in rows], rel=1e-5)


def test_parquet_without_its_library_says_what_to_install(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    answer = predict("-o", "found.parquet")
    assert (answer.code, "pip install 'pmll-bench[parquet]'" in answer.err) == (Exit.INVALID, True)
    assert predict("--format", "parquet").code == Exit.USAGE


@pytest.mark.parametrize(
    ("words", "images", "code", "said"),
    [
        ([], "nowhere", Exit.INVALID, "no such file or folder"),
        ([], "empty", Exit.INVALID, "no images in the folder"),
        ([], "empty.csv", Exit.INVALID, "no header; the file is empty"),
        ([], "lists.csv", Exit.INVALID, "the table lists no images"),
        ([], "other.csv", Exit.INVALID, "no column of images"),
        ([], "gaps.csv", Exit.INVALID, "an empty path"),
        ([], "thing.pdf", Exit.INVALID, "neither a table nor an image"),
        ([], "broken.csv", Exit.INVALID, "none of the images can be read"),
        (["--threshold", "0.5"], "one.png", Exit.USAGE, "--threshold 0.5 needs --labels"),
        (["--labels", "--threshold", "50"], "one.png", Exit.USAGE, "--threshold 50 is no probability"),
    ],
)
def test_what_cannot_be_predicted_is_refused_with_what_to_do(
    predict: Predict, words: list[str], images: str, code: Exit, said: str
) -> None:
    Path("empty").mkdir()
    Path("one.png").write_bytes(b"")
    for name, text in {
        "empty.csv": "",
        "lists.csv": "path,cat\n",
        "other.csv": "cat,dog\n1,0\n",
        "gaps.csv": "path,cat\na.png,\n,1\n",
        "thing.pdf": "",
        "broken.csv": "path\na.png\nb.png\n",
    }.items():
        Path(name).write_text(text, encoding="utf-8")
    answer = predict(*words, images=images)
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    assert "hint:" in answer.err or "where:" in answer.err


def test_a_cell_without_a_model_says_how_to_keep_one(command: Command, tmp_path: Path) -> None:
    data = own_data(tmp_path / "toys", ["1,-1", "-1,1", "1,1", "-1,-1"] * 3)
    command("run", "--methods", "linear-probe", "--datasets", data, "--regime", "full", "--device", "cpu")
    (folder,) = Store.open(tmp_path / "runs").folders()
    answer = command("predict", folder.id, "toys")
    assert (answer.code, "run the same command again with --keep-model" in answer.err) == (Exit.USAGE, True)
    assert command("predict", "0" * 8, "toys").code == Exit.USAGE
