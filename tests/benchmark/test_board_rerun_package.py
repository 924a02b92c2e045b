"""Packages that are re-run: honest ones agree, and forged scores that passed the check do not."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import plain_method
from command_line import Command
from pmll_bench.board.rerunning.chosen import Code
from pmll_bench.board.rerunning.comparing import compared
from pmll_bench.board.rerunning.machine import Places
from pmll_bench.board.rerunning.processes import Ended, call
from pmll_bench.board.rerunning.training import How, train_again
from pmll_bench.checks import check as checks
from pmll_bench.checks.check import check as run_checks
from pmll_bench.metrics import evaluate
from pmll_bench.plan.planned import Group
from pmll_bench.plan.planning import open_dataset, plan
from pmll_bench.plan.request import Request
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.running.stopping import Stop
from pmll_bench.store.document import write_record
from pmll_bench.store.store import Store
from pmll_bench.submission.check import check
from pmll_bench.submission.evidence import RerunCell, read_evidence
from pmll_bench.submission.package import PackagedCell

COMMIT, OTHER = "b" * 40, "c" * 40
OWN = "plain"
LEAVES_ITS_PROCESS = """
import os

with open({path!r}, "a") as file:
    print(os.getpid(), file=file)
"""


class Trained(NamedTuple):
    """Submitted cells, the store in which they were trained again, and the evidence about them."""

    cells: Mapping[str, PackagedCell]
    again: Store
    evidence: Mapping[str, RerunCell]


@pytest.fixture(scope="module")
def submitted(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with three masks of a method file and two built-in methods. The file leaves the id of its process."""
    folder = tmp_path_factory.mktemp("submitted")
    code = Path(plain_method.__file__).read_text(encoding="utf-8")
    mine = folder / f"{OWN}.py"
    mine.write_text(code + LEAVES_ITS_PROCESS.format(path=str(folder / "pids")), encoding="utf-8")
    methods = (str(mine), "linear-probe", "clip-zeroshot")
    planned = plan(Request(methods=methods, ratios=(0.5,), seeds=(0, 1, 2), subset=60))
    store = Store.open(folder / "runs")
    run_groups(planned.groups, store, Execution(), Silent(), Stop())
    return store


def packaged(store: Store) -> dict[str, PackagedCell]:
    """The cells of a store as a package has them."""
    found = {}
    for folder in store.folders():
        record, result = folder.record(), folder.result()
        assert record is not None
        assert result is not None
        scores = (folder.path / result.scores.file).read_bytes()
        found[folder.id] = PackagedCell(record, result, record.as_bytes(), result.as_bytes(), scores)
    return found


@pytest.fixture(scope="module")
def trained(submitted: Store, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """All cells trained again, in another process."""
    cells, folder = packaged(submitted), tmp_path_factory.mktemp("again")
    file = (submitted.root.parent / f"{OWN}.py").read_bytes()
    names = {cell.record.cell.method for cell in cells.values()}
    code = {name: Code(name, "partial", file if name == OWN else None) for name in names}
    evidence = train_again(cells.values(), code, Execution(), How(Silent(), Stop()), folder)
    return Trained(cells, Store(folder / "cells"), evidence)


def again(trained: Trained, cell: PackagedCell, *, same_platform: bool) -> RerunCell:
    """The evidence about a cell that was changed after it was trained."""
    planned = cell.record.planned()
    return compared(cell, trained.again.folder(planned.cell), open_dataset(planned), same_platform=same_platform)


def with_scores(cell: PackagedCell, change: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> PackagedCell:
    """A cell with other scores, a function of its own and of the test labels; its metrics are those of the new ones."""
    data = open_dataset(cell.record.planned())
    with np.load(io.BytesIO(cell.scores)) as file:
        scores = change(file["scores"], data.test.labels).astype(np.float32)
        buffer = io.BytesIO()
        np.savez(buffer, scores=scores, ids=file["ids"], classes=file["classes"])
    content, metrics = buffer.getvalue(), evaluate(scores, data.test.labels)
    file_record = cell.result.scores.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})
    changed = {"scores": file_record, "metrics": dict(metrics.values), "ap": metrics.ap}
    return replace(cell, result=cell.result.model_copy(update=changed), scores=content)


def forged(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What somebody who knows the test labels would submit."""
    return labels + 0.3 * np.random.default_rng(0).normal(size=labels.shape)


def rounded_otherwise(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What another processor might give."""
    return scores * (1 + 1e-6 * np.random.default_rng(0).normal(size=scores.shape))


def test_honest_cells_are_equal_to_the_bit(trained: Trained) -> None:
    assert len(trained.evidence) == 9
    for cell_id, found in trained.evidence.items():
        assert found.same
        assert found.same_platform
        assert found.within
        assert found.submitted == found.rerun == trained.cells[cell_id].result.scores.sha256
        assert found.rerun_map == found.submitted_map == pytest.approx(trained.cells[cell_id].result.metrics["map"])


def test_forged_scores_that_agree_with_their_metrics_differ(trained: Trained) -> None:
    for cell in trained.cells.values():
        found = again(trained, with_scores(cell, forged), same_platform=False)
        assert not found.same
        assert not found.within
        assert found.rerun_map is not None
        assert found.submitted_map > found.rerun_map + found.tolerance > found.rerun_map


def test_other_rounding_is_excused_on_another_platform_alone(trained: Trained) -> None:
    cells = [cell for cell in trained.cells.values() if cell.record.cell.method == "linear-probe"]
    for cell in cells:
        other = with_scores(cell, rounded_otherwise)
        assert again(trained, other, same_platform=False).within
        assert not again(trained, other, same_platform=True).within


def test_submitted_code_runs_in_a_process_of_its_own(submitted: Store, trained: Trained) -> None:
    here, *others = (submitted.root.parent / "pids").read_text().split()
    assert int(here) == os.getpid()
    assert others
    assert str(os.getpid()) not in others


def test_a_cell_that_cannot_be_trained_again_is_evidence_without_a_place(submitted: Store, tmp_path: Path) -> None:
    cell = next(each for each in packaged(submitted).values() if each.record.cell.method == OWN)
    code = Code(OWN, "partial", b"raise ValueError(f'no water in {__file__}')")
    planned, store = Places().planned(cell.record, code.target(tmp_path)), Store.open(tmp_path / "runs")
    run_groups([Group((planned,))], store, Execution(), Silent(), Stop())
    found = compared(cell, store.folder(planned.cell), open_dataset(planned), same_platform=True)
    assert not found.within
    assert found.rerun_map is None
    assert f"no water in {OWN}.py" in found.error
    assert str(tmp_path) not in found.model_dump_json()


def test_pretrained_files_that_are_elsewhere_are_asked_for(submitted: Store) -> None:
    record = next(cell.record for cell in packaged(submitted).values() if cell.record.cell.method == "linear-probe")
    moved = record.model_copy(update={"settings": {**record.settings, "weights": "w.pt"}})
    with pytest.raises(Exception, match=r"no weights at w\.pt") as error:
        Places().planned(moved, "linear-probe")
    assert "--set linear-probe.weights=" in str(getattr(error.value, "hint", ""))


@pytest.fixture
def board(command: Command, submitted: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board's store, `runs`, into which the package `my.zip` with the cells of the method file was merged."""
    mine = str(submitted.root.parent / f"{OWN}.py")
    arguments = ("--methods", OWN, "--author", "A. Author", "--with-code", mine, "-o", "my.zip")
    assert command("submit", "pack", *arguments, "--root", str(submitted.root)).code == 0
    report = check(Path("my.zip"))
    assert report.evidence is not None
    folder = Store.open(Path("runs")).root / "evidence" / report.package
    folder.mkdir(parents=True)
    write_record(folder / "check.json", report.evidence)
    return folder


@pytest.fixture
def at_once(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks and draws run in this process, with one check and few images: a start of Python takes seconds."""

    def call(*argv: str) -> Ended:
        answer = command(*argv, *(["--subset", "60"] if argv[0] == "run" else []))
        return Ended(answer.code, json.loads(answer.out.splitlines()[-1]), answer.err)

    monkeypatch.setattr(checks, "check", lambda *given: itertools.islice(run_checks(*given), 1))
    monkeypatch.setattr("pmll_bench.board.rerunning.rerun.call", call)
    monkeypatch.setattr("pmll_bench.board.rerunning.unseen.call", call)


@pytest.mark.usefixtures("at_once")
def test_a_package_is_re_run_and_the_evidence_kept(command: Command, board: Path) -> None:
    answer = command("board", "rerun", "my.zip", "--commit", COMMIT, "--yes")
    assert answer.code == 0, answer.err
    assert answer.out.count("equal to the bit") == 3
    evidence = read_evidence(board).rerun
    assert evidence is not None
    assert evidence.agrees
    assert evidence.same_platform
    assert set(evidence.checks[OWN].values()) <= {"ok", "skipped"}
    assert evidence.unseen[OWN].within
    text = (board / "rerun.json").read_text()
    assert [word for word in _texts(json.loads(text)) if "/" in word] == ["pmll.rerun/1"]
    assert os.uname().nodename not in text
    second = command("board", "rerun", "my.zip", "--commit", OTHER, "--yes")
    assert second.code == 2
    assert "--again" in second.err


def test_nothing_runs_before_it_is_merged_and_confirmed(command: Command, board: Path) -> None:
    answer = command("board", "rerun", "my.zip", "--commit", COMMIT)
    assert answer.code == 2
    assert f"methods/{OWN}.py of the package, SHA-256" in answer.err
    assert "no sandbox" in answer.err
    assert "needs a confirmation" in answer.err
    assert command("board", "rerun", "my.zip", "--commit", COMMIT, "--dry-run").code == 0
    assert not (board / "rerun.json").exists()
    board.rename("elsewhere")
    unmerged = command("board", "rerun", "my.zip", "--commit", COMMIT, "--yes")
    assert unmerged.code == 3
    assert "merge it first" in unmerged.err


def test_commands_run_in_a_process_of_their_own() -> None:
    listed = call("list", "methods", "--json")
    assert listed.code == 0
    assert listed.document["schema"].startswith("pmll.")
    refused = call("show", "nothing-of-the-kind", "--json")
    assert refused.code == 3
    assert refused.error.startswith("unknown method or data set")


def _texts(document: Any) -> list[str]:
    """All texts in a document."""
    if isinstance(document, dict):
        return [text for value in document.values() for text in _texts(value)]
    if isinstance(document, list):
        return [text for value in document for text in _texts(value)]
    return [document] if isinstance(document, str) else []
