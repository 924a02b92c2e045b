"""The stores below `results/` are whole, fit the code, and say nothing of the machine that made them."""

from __future__ import annotations

import hashlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import pytest

from pmll_bench.merging.content import content_of
from pmll_bench.store.merges import NAME
from pmll_bench.store.orphans import orphans
from pmll_bench.store.store import Store
from pmll_bench.submission.places import places
from pmll_datasets.dataset import load
from pmll_errors import PmllError
from pmll_methods.method import REGISTRY

ROOT = Path(__file__).parents[1]
STORES = sorted(path.parent for path in (ROOT / "results").rglob("store.json"))
NAMES = [path.relative_to(ROOT).as_posix() for path in STORES]
UNCOMMITTED = ("index.jsonl", ".merge.lock", "outcomes/")  # .gitignore names them

every_store = pytest.mark.parametrize("root", STORES, ids=NAMES)


def files(root: Path) -> Iterator[Path]:
    """The files of a store that are committed."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.relative_to(root).as_posix().startswith(UNCOMMITTED):
            yield path


def test_the_results_of_the_board_are_committed() -> None:
    assert "results/board" in NAMES


@every_store
def test_every_result_is_whole_and_in_the_history(root: Path) -> None:
    problems: list[PmllError] = []
    content = content_of(Store.open(root, create=False), problems)
    assert problems == []
    assert len(content.summaries) > 0
    assert not content.unrecorded()
    assert not content.lost()
    assert [
        path for path in orphans(Store(root)) if not path.relative_to(root).as_posix().startswith("outcomes/")
    ] == []


@every_store
def test_the_scores_are_those_of_the_results(root: Path) -> None:
    for path in root.rglob("result.json"):
        scores = json.loads(path.read_bytes())["scores"]
        found = hashlib.sha256((path.parent / scores["file"]).read_bytes()).hexdigest()
        assert found == scores["sha256"], path


@every_store
def test_every_result_is_of_the_revision_that_the_code_has(root: Path) -> None:
    made = {(result.method, str(result.revision)) for result in Store(root).results() if result.method in REGISTRY}
    name = root.relative_to(ROOT).as_posix()
    remedy = "withdraw these results, run the cells again and merge them (docs/run-a-board.md)"
    old = [
        f"{name}: {method} was made with revision {revision}, the code has {REGISTRY[method].revision}: {remedy}"
        for method, revision in sorted(made)
        if revision != str(REGISTRY[method].revision)
    ]
    assert old == []


@every_store
def test_every_result_is_on_the_data_set_that_the_code_generates(root: Path) -> None:
    drawn = {
        (tuple(sorted(result.cell.options.items())), result.cell.fingerprint)
        for result in Store(root).results()
        if result.dataset == "shapes"
    }
    for options, fingerprint in drawn:
        chosen = dict(options)
        assert load("shapes", None, chosen, chosen.pop("subset", None)).fingerprint == fingerprint


@every_store
def test_no_file_names_a_place_or_a_machine(root: Path) -> None:
    for path in files(root):
        if path.suffix not in (".json", ".jsonl"):
            continue
        text = path.read_text(encoding="utf-8")
        for line in text.splitlines():
            assert list(places(json.loads(line))) == [], path
        assert not re.search(r'"(host|hostname|pid|user|command)":', text), path
        assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text), path


@every_store
def test_the_history_has_no_names_of_folders(root: Path) -> None:
    for line in (root / NAME).read_text(encoding="utf-8").splitlines():
        assert all("/" not in source["name"] for source in json.loads(line).get("sources", ()))


def test_the_first_mask_and_seed_of_the_board_give_the_table_of_the_readme() -> None:
    rows = re.findall(r"^\| ([a-z-]+)(?: †)? \| (.*\d\.\d.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    readme = {name: [float(number) for number in re.findall(r"\d+\.\d", numbers)] for name, numbers in rows}
    found: dict[str, dict[float, float]] = {}
    for result in Store(ROOT / "results/board").results():
        if (result.seed, result.mask_seed) == (0, 0) and result.dataset == "shapes" and result.label in readme:
            found.setdefault(result.label, {})[result.ratio] = 100 * result.metrics["map"]
    ours = {name: [*(cells[ratio] for ratio in sorted(cells)), fmean(cells.values())] for name, cells in found.items()}
    assert ours.keys() == readme.keys()
    for name, numbers in readme.items():
        assert numbers == pytest.approx(ours[name], abs=0.0501), name
