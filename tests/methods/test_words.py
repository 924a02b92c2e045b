"""Vectors of class names: from a GloVe file, a matrix or an image-text tower; and how they count in an identity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_methods.method import MethodError
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.weights import words_identity, words_path
from pmll_methods.towers.words import word_vectors

GLOVE = "red 1 0 3\ncross 0 2 1\nring 4 4 4\n"


def glove(folder: Path, text: str = GLOVE) -> str:
    path = folder / "glove.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def cell_id(words: str) -> str:
    sets = (f"words={words}",)
    return plan(Request(methods=("gcn-ml",), ratios=(0.5,), subset=20, sets=sets)).cells[0].cell.id


def test_the_words_of_a_name_are_averaged(tmp_path: Path) -> None:
    found = word_vectors(glove(tmp_path), ("Red cross", "ring"))
    assert found.tolist() == [[0.5, 1, 2], [4, 4, 4]]


def test_a_line_with_two_words_or_the_first_line_of_word2vec_does_no_harm(tmp_path: Path) -> None:
    words = glove(tmp_path, "3 3\nred 1 0 3\nred name@place 9 9 9\n")
    assert word_vectors(words, ("red",)).tolist() == [[1, 0, 3]]


def test_a_missing_word_is_named(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="no vector for: blue, star"):
        word_vectors(glove(tmp_path), ("blue star", "ring"))


def test_a_file_that_is_no_glove_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="not a GloVe text file"):
        word_vectors(glove(tmp_path, "red one two three\n"), ("red",))


def test_a_matrix_is_taken_row_by_row_and_must_fit_the_classes(tmp_path: Path) -> None:
    path = tmp_path / "names.npy"
    np.save(path, np.arange(6.0).reshape(2, 3))
    assert word_vectors(str(path), ("red", "ring")).tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(MethodError, match="for 3 classes"):
        word_vectors(str(path), ("red", "ring", "cross"))
    path.write_text("no matrix")
    with pytest.raises(MethodError, match="not a matrix"):
        word_vectors(str(path), ("red", "ring"))


def test_a_tower_gives_the_features_of_its_texts() -> None:
    tower = load_clip("tiny")
    found = word_vectors("tiny", ("red ring", "blue cross"))
    texts = tower.encode_text(tower.tokenize(["a photo of a red ring.", "a photo of a blue cross."]))
    torch.testing.assert_close(found, texts / texts.norm(dim=1, keepdim=True))
    assert torch.equal(word_vectors(tower, ("red ring", "blue cross")), found)


@pytest.mark.parametrize("words", ["nowhere.txt", "names.npy", "some/folder/vectors"])
def test_a_file_that_is_not_there_is_named(words: str) -> None:
    with pytest.raises(MethodError, match=f"no word vectors at {words}"):
        words_path(words)


@pytest.mark.parametrize(
    "words", ["tiny", "RN101:openai", "ViT-B-16:laion400m_e32", "local-dir:/some/folder", "a.json"]
)
def test_towers_are_told_from_files(words: str) -> None:
    assert words_path(words) is None


def test_a_file_counts_in_the_identity_by_its_content_and_not_by_its_path(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    assert words_identity(glove(first)) == words_identity(glove(second))
    before = cell_id(glove(first))
    assert before == cell_id(glove(second)) != cell_id("tiny")
    assert cell_id(glove(first, GLOVE.replace("3", "5"))) != before
