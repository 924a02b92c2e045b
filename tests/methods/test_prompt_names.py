"""Any class name can stand in a prompt, whatever it ends in; only one that really has too many tokens is refused."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cub_attributes import ATTRIBUTES
from pmll_datasets.cub import _natural
from pmll_datasets.shapes import CLASSES
from pmll_methods.method import MethodError
from pmll_methods.nn.prompts import prompt_ids

TOKENIZER = open_clip.SimpleTokenizer()
PUNCTUATED = ["crane (bird)", "C++", "U.S.", "90%", "what?", "no.", "Dr.", "rock'n'roll", "a/b", "café"]
LISTS = ["voc2007-dualcoop", "coco-dualcoop", "nuswide-scpnet", "cub312-scpnet", "lvis-v0.5"]


def tokens(text: str) -> int:
    """How many tokens a text has when nothing is cut off."""
    return len(TOKENIZER.encode(text))


@pytest.mark.parametrize("name", PUNCTUATED)
@pytest.mark.parametrize("n_ctx", [4, 16])
def test_a_name_may_end_in_punctuation(name: str, n_ctx: int) -> None:
    ids = prompt_ids(TOKENIZER, [name], n_ctx)
    words = TOKENIZER([f"{name}."])
    end = int(words.argmax())
    assert torch.equal(ids[0, 1 + n_ctx : 1 + n_ctx + end], words[0, 1 : 1 + end])


def test_every_name_of_the_embedded_data_set_fits() -> None:
    assert len(prompt_ids(TOKENIZER, CLASSES, 16)) == len(CLASSES)


def test_every_attribute_of_cub_fits_as_one_says_it() -> None:
    names = [_natural(attribute) for attribute in ATTRIBUTES]
    assert sum(name.endswith(")") for name in names) == 6
    assert len(prompt_ids(TOKENIZER, names, 16)) == 312


@pytest.mark.parametrize("labels", LISTS)
def test_every_name_of_published_lists_fits(labels: str, shared: Path) -> None:
    names = (shared / "data" / "labels" / "classnames" / f"{labels}.txt").read_text("utf-8").splitlines()
    ends = prompt_ids(TOKENIZER, names, 16).argmax(dim=1)
    assert ends.tolist() == [17 + tokens(name.replace("_", " ") + ".") for name in names]


@settings(max_examples=60)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20), min_size=1, max_size=4))
def test_any_text_is_taken_as_long_as_its_tokens_fit(names: list[str]) -> None:
    needed = [18 + tokens(f"{name.replace('_', ' ')}.") for name in names]
    if max(needed) <= 77:
        assert (prompt_ids(TOKENIZER, names, 16).argmax(dim=1) + 1).tolist() == needed
    else:
        with pytest.raises(MethodError, match="the text tower reads at most 77"):
            prompt_ids(TOKENIZER, names, 16)


@pytest.mark.parametrize("ending", ["", ")", "%"])
def test_a_name_that_just_fits_is_taken_and_one_that_is_longer_is_refused(ending: str) -> None:
    fits = " ".join(["tree"] * 58) + ending
    longer = f"tree {fits}"
    over = tokens(f"{longer}.") + 18
    prompt_ids(TOKENIZER, [fits], 16)
    with pytest.raises(
        MethodError, match=f"with 16 context tokens takes {over} tokens, but the text tower reads at most 77"
    ):
        prompt_ids(TOKENIZER, ["cat", longer], 16)
