"""Classes that a method cannot distinguish by name are reported before a run starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from command_line import Command
from layouts import write_image
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_bench.prepare.class_names import equal_texts, indistinguishable_classes
from pmll_methods.towers.glove import kept_path

SHAPES = "cannot distinguish these classes by name: cog, crescent, lightning, tear (equal vectors in tiny)"


def own_images(folder: Path, *classes: str) -> str:
    """A data set with an image a class in each split."""
    rows = []
    for split in ("train", "test"):
        for number in range(len(classes)):
            write_image(folder / f"{split}{number}.png")
            rows.append(
                f"{split}{number}.png,{split},{','.join(str(int(each == number)) for each in range(len(classes)))}"
            )
    quoted = ",".join(f'"{name}"' for name in classes)
    (folder / "labels.csv").write_text("\n".join([f"path,split,{quoted}", *rows]) + "\n")
    return str(folder / "labels.csv")


def notes(*methods: str, data: str = "shapes", sets: tuple[str, ...] = (), track: str = "smoke") -> list[str]:
    request = Request(methods=methods, datasets=(data,), ratios=(0.5,), sets=sets, track=track)
    return indistinguishable_classes(plan(request).cells)


def test_on_shapes_the_classes_are_named_with_the_methods() -> None:
    assert notes("bce", "ssgrl", "clip-zeroshot", "dualcoop") == ["shapes: ssgrl, clip-zeroshot, dualcoop " + SHAPES]


def test_a_run_says_so_once_and_no_more_when_all_is_done(command: Command) -> None:
    asked = ["run", "--methods", "clip-zeroshot", "--ratios", "0.5", "--subset", "40", "--device", "cpu"]
    assert SHAPES in command(*asked).err
    again = command(*asked)
    assert "nothing to do" in again.err
    assert SHAPES not in again.err


@pytest.mark.parametrize(("sets", "methods"), [(("words=one-hot",), ("ssgrl",)), ((), ("bce", "add-gcn"))])
def test_methods_that_read_no_names_are_not_warned_about(sets: tuple[str, ...], methods: tuple[str, ...]) -> None:
    assert notes(*methods, sets=sets) == []


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (("hot dog", "Hot_Dog", "hotdog"), (("hot dog", "Hot_Dog"),)),
        (("C++", "C", "c++"), (("C++", "c++"),)),
        (("cat", "dog"), ()),
    ],
)
def test_names_that_equal_texts(names: tuple[str, ...], groups: tuple[tuple[str, ...], ...]) -> None:
    assert equal_texts(names) == groups


def test_names_of_a_users_folder_that_read_alike_in_a_prompt(tmp_path: Path) -> None:
    data = own_images(tmp_path, "C++", "c++", "plain C")
    (note,) = notes("dualcoop", "sarl", data=data, sets=("tower=RN101:openai", "sarl.words=one-hot"))
    assert "dualcoop, sarl cannot distinguish these classes by name: C++, c++ (equal vectors in RN101:openai)" in note


def test_equal_rows_of_a_file_are_named(tmp_path: Path) -> None:
    data, words = own_images(tmp_path, "cat", "dog", "boat"), tmp_path / "words.npy"
    np.save(words, np.array([[1, 0], [0, 1], [1, 0]], np.float32))
    (note,) = notes("gcn-ml", "ssgrl", data=data, sets=(f"words={words}",))
    assert note.endswith(
        f"gcn-ml, ssgrl cannot distinguish these classes by name: cat, boat (equal vectors in {words})"
    )
    np.save(words, np.eye(3, dtype=np.float32))
    assert notes("gcn-ml", data=data, sets=(f"words={words}",)) == []


def test_means_of_the_same_words_are_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = own_images(tmp_path, "dog house", "house dog", "cat")
    assert notes("ssgrl", data=data, sets=("words=glove",)) == []  # nothing is known yet
    kept_path("glove").parent.mkdir(parents=True)
    rows = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    np.savez(kept_path("glove"), words=np.array(["dog", "house", "cat"]), vectors=rows, absent=np.array([], dtype=str))
    (note,) = notes("ssgrl", data=data, sets=("words=glove",))
    assert "ssgrl cannot distinguish these classes by name: dog house, house dog (equal vectors in glove)" in note


@pytest.mark.parametrize("labels", ["voc", "coco"])
def test_released_vectors_tell_all_classes_apart(labels: str, shared: Path) -> None:
    file = {"voc": "glove_voc20.npy", "coco": "glove_coco80_idorder.npy"}[labels]
    rows = np.load(shared / "data" / "labels" / file, allow_pickle=False)
    assert len({row.tobytes() for row in rows}) == len(rows) == {"voc": 20, "coco": 80}[labels]


def test_words_that_do_not_fit_are_refused_at_planning(command: Command, tmp_path: Path) -> None:
    data = own_images(tmp_path, "cat", "dog")
    np.save(tmp_path / "three.npy", np.eye(3, dtype=np.float32))
    (tmp_path / "glove.txt").write_text("cat 1 2\n")
    for words, message in (("three.npy", "shape (3, 3) for 2 classes"), ("glove.txt", "no vector for: dog")):
        asked = ["run", "--methods", "ssgrl", "--datasets", data, "--regime", "full"]
        answer = command(*asked, "--set", f"words={tmp_path / words}")
        assert answer.code == 3
        assert message in answer.err
