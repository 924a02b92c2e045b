"""The commands about papers: `list published` with filters, and `bibtex`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from command_line import Command
from made_up_results import keep, made_up


def keys(text: str) -> list[str]:
    return re.findall(r"^@\w+\{(\w+),$", text, re.MULTILINE)


def test_published_numbers_are_filtered(command: Command) -> None:
    lines = command("list", "published", "--methods", "scpnet,dualcoop", "--datasets", "voc").out.splitlines()
    assert lines[0].split()[:2] == ["method", "variant"]
    assert {line.split()[0] for line in lines[1:]} == {"scpnet", "dualcoop"}
    items = command("list", "published", "--regime", "semi", "--metric", "map", "--json").document["items"]
    assert {item["source"] for item in items} == {"CAP 2023"}
    assert {item["selection"] for item in items} == {"best-test"}
    assert {item["cite"] for item in items} == {"xie2023cap"}


def test_a_filter_that_finds_nothing_and_one_of_another_list_are_refused(command: Command) -> None:
    wrong = command("list", "published", "--methods", "scpne")
    assert (wrong.code, wrong.out) == (3, "")
    assert "did you mean 'scpnet'?" in wrong.err
    other = command("list", "methods", "--datasets", "voc2007")
    assert other.code == 2
    assert "--datasets filters published numbers" in other.err


def test_references_of_the_rows_of_a_store(command: Command, tmp_path: Path) -> None:
    keep(
        tmp_path / "runs",
        made_up("dualcoop", 0.5),
        made_up("two words", 0.5, method="dualcoop", seed=1),
        made_up("mine", 0.5),
        made_up("sarl", 0.5, dataset="voc2007"),
    )
    printed = command("bibtex")
    assert printed.code == 0
    assert keys(printed.out) == ["everingham2010voc", "pmllbench", "ruan2024sarl", "sun2022dualcoop"]
    assert "without a reference: mine" in printed.err


def test_references_of_names(command: Command) -> None:
    printed = command("bibtex", "--methods", "scpnet", "scpnet-frozen", "linear-probe", "--datasets", "coco")
    assert keys(printed.out) == ["ding2023scpnet", "lin2014coco", "pmllbench"]
    assert "without a reference: Linear probe" in printed.err


@pytest.mark.parametrize(
    ("given", "hint"),
    [(["--methods", "dualcop"], "did you mean 'dualcoop'?"), (["--datasets", "voc207"], "did you mean 'voc2007'?")],
)
def test_a_reference_of_an_unknown_name(command: Command, given: list[str], hint: str) -> None:
    answer = command("bibtex", *given)
    assert (answer.code, answer.out) == (3, "")
    assert hint in answer.err


def test_references_of_a_store_that_is_not_there(command: Command) -> None:
    answer = command("bibtex", "--root", "nowhere")
    assert answer.code != 0
    assert "there is no store" in answer.err
