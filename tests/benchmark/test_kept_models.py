"""A kept model is the one that made the scores of its cell, is never a copy of another, and holds no code."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from command_line import Command, method_file
from noted_slurm import Cluster
from pmll_bench.errors import Exit, FileError, StoreError, UsageError
from pmll_bench.models.kept import open_model
from pmll_bench.plan.planning import open_dataset, plan
from pmll_bench.plan.request import Request
from pmll_bench.running.execution import Execution
from pmll_bench.running.groups import run_groups
from pmll_bench.running.listeners import Silent
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.pack import pack
from pmll_bench.store.store import Store
from pmll_datasets.loader import ImageSet
from pmll_methods.method import MethodError, Scores
from small_grids import StopsAfter

METHODS = ("bce", "linear-probe", "clip-zeroshot", "dualcoop")
QUICK = ("recipe.epochs=2", "recipe.batch=8")
SMOOTH = ("recipe.ema=0.9",)
BEST_VAL = ("recipe.selection=best-val", "recipe.validation=0.3", "recipe.epochs=4")


class Heard(Silent):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def carry_out(
    root: Path,
    methods: Sequence[str],
    *sets: str,
    keep: bool = True,
    ratios: Sequence[float] = (0.5,),
    stop: threading.Event | None = None,
) -> list[str]:
    """Run cells of these methods on a few images; what was noted."""
    asked = plan(Request(methods=tuple(methods), ratios=tuple(ratios), subset=48, sets=(*QUICK, *sets)))
    heard, execution = Heard(), Execution(threads=1, save_every=0.0, keep_model=keep)
    run_groups(asked.groups, Store.open(root), execution, heard, stop or threading.Event())
    return heard.notes


def only(root: Path) -> CellFolder:
    (folder,) = Store.open(root, create=False).folders()
    return folder


def predicted(folder: CellFolder) -> Scores:
    """The scores of the test images by the kept model."""
    record = folder.record()
    assert record is not None
    return open_model(folder).predict(ImageSet(open_dataset(record.planned()).test.images))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a cell of each of `METHODS`, and their models."""
    root = tmp_path_factory.mktemp("kept")
    carry_out(root, METHODS)
    return Store.open(root)


@pytest.mark.parametrize("method", METHODS)
def test_a_kept_model_predicts_the_scores_of_its_result_bit_by_bit(method: str, kept: Store) -> None:
    (folder,) = (each for each in kept.folders() if each.path.parent.name == method)
    assert np.array_equal(predicted(folder), folder.scores().scores)


def test_frozen_towers_are_not_in_the_file(kept: Store) -> None:
    sizes = {
        folder.path.parent.name: result.model.size
        for folder in kept.folders()
        if (result := folder.result()) and result.model
    }
    assert sizes["clip-zeroshot"] < 5_000  # nothing is trained: class names, and a bit or two per training label
    assert sizes["dualcoop"] < 60_000 < sizes["bce"]  # two prompts per class; a stage of a network


@pytest.mark.parametrize(
    "sets",
    [SMOOTH, BEST_VAL, (*BEST_VAL, *SMOOTH), (*SMOOTH, "recipe.channels_last=true")],
    ids=["average", "best", "both", "channels last"],
)
def test_averaged_weights_and_the_best_epoch_are_kept_where_they_predict(sets: tuple[str, ...], tmp_path: Path) -> None:
    carry_out(tmp_path, ("bce",), *sets, "bce.recipe.lr=0.003")
    folder = only(tmp_path)
    assert np.array_equal(predicted(folder), folder.scores().scores)
    assert not list(tmp_path.rglob("selected.safetensors"))


def test_a_stopped_cell_keeps_the_model_of_the_best_epoch_of_an_earlier_attempt(tmp_path: Path) -> None:
    carry_out(tmp_path, ("bce",), *BEST_VAL, stop=StopsAfter(14))
    assert list(tmp_path.rglob("attempts/0001/selected.safetensors"))
    carry_out(tmp_path, ("bce",), *BEST_VAL)
    assert np.array_equal(predicted(only(tmp_path)), only(tmp_path).scores().scores)


def test_a_best_epoch_without_a_model_is_trained_again_if_the_model_is_to_be_kept(tmp_path: Path) -> None:
    carry_out(tmp_path, ("bce",), *BEST_VAL, keep=False, stop=StopsAfter(14))
    carry_out(tmp_path, ("bce",), *BEST_VAL)
    assert np.array_equal(predicted(only(tmp_path)), only(tmp_path).scores().scores)


def test_a_finished_cell_is_trained_again_and_its_result_gains_the_model_alone(tmp_path: Path) -> None:
    carry_out(tmp_path, ("linear-probe",), keep=False)
    before = json.loads((only(tmp_path).path / "result.json").read_bytes())
    carry_out(tmp_path, ("linear-probe",))
    after = json.loads((only(tmp_path).path / "result.json").read_bytes())
    assert before.pop("model") is None
    assert after.pop("model")["file"] == "attempts/0002/model.safetensors"
    assert after == before
    assert np.array_equal(predicted(only(tmp_path)), only(tmp_path).scores().scores)


def test_a_model_with_other_scores_than_the_result_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carry_out(tmp_path, ("linear-probe",), keep=False)
    before = (only(tmp_path).path / "result.json").read_bytes()
    monkeypatch.setattr("pmll_bench.running.scoring.chosen_scores", lambda run, last: last + np.float32(0.25))
    notes = carry_out(tmp_path, ("linear-probe",))
    assert any("its scores differ by up to 0.25" in note and "--threads" in note for note in notes)
    assert (only(tmp_path).path / "result.json").read_bytes() == before


def test_a_second_run_with_the_model_has_nothing_to_do(command: Command) -> None:
    words = [
        "run",
        "--methods",
        "linear-probe",
        "--ratios",
        "0.5",
        "--subset",
        "48",
        "--threads",
        "1",
        "--device",
        "cpu",
    ]
    assert "kept" not in command(*words).err
    assert "1 finished cell without a kept model is trained again" in command(*words, "--keep-model").err
    assert "nothing to do: the cell is done" in command(*words, "--keep-model").err
    assert "nothing to do: the cell is done" in command(*words).err


def test_of_a_plain_class_no_model_is_kept_and_this_is_said(command: Command, tmp_path: Path) -> None:
    words = ["run", "--methods", method_file(tmp_path), "--ratios", "0.5", "--subset", "48", "--device", "cpu"]
    told = command(*words, "--keep-model")
    assert (told.code, "no model is kept of mine: a plain class" in told.err) == (Exit.DONE, True)
    assert "nothing to do" in command(*words, "--keep-model").err
    with pytest.raises(UsageError, match="mine is a plain class, whose parameters are not known"):
        open_model(only(tmp_path / "runs"))


def test_what_is_no_kept_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    carry_out(tmp_path, ("linear-probe",), keep=False)
    with pytest.raises(UsageError, match=r"has no kept model.*--keep-model"):
        open_model(only(tmp_path))
    carry_out(tmp_path, ("linear-probe",))
    (file,) = tmp_path.rglob("model.safetensors")
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(StoreError, match="the model file has changed since the result was made"):
        open_model(only(tmp_path))
    file.unlink()
    with pytest.raises(FileError, match="the model file is missing"):
        open_model(only(tmp_path))


def test_a_tower_with_other_weights_is_refused(kept: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmll_bench.models.kept.tower_digest", lambda tower: "0" * 64)
    folder = next(each for each in kept.folders() if each.path.parent.name == "linear-probe")
    with pytest.raises(MethodError, match="the frozen tower has other weights than in training: 000000000000"):
        open_model(folder)


def test_a_model_is_packed_and_pruned_like_the_scores(tmp_path: Path) -> None:
    carry_out(tmp_path, ("linear-probe",), keep=False)
    carry_out(tmp_path, ("linear-probe",))
    folder = only(tmp_path)
    pack(folder.path)
    assert not list(tmp_path.rglob("*.safetensors"))
    assert np.array_equal(predicted(folder), folder.scores().scores)


def test_prune_keeps_the_attempts_of_the_scores_and_of_the_model(command: Command) -> None:
    words = [
        "run",
        "--methods",
        "linear-probe",
        "--ratios",
        "0.5",
        "--subset",
        "48",
        "--threads",
        "1",
        "--device",
        "cpu",
    ]
    for more in ([], ["--keep-model"]):
        command(*words, *more)
    pruned = command("prune", "--yes", "--json").document
    assert (pruned["waste"], pruned["orphans"]) == ([], [])
    assert command("prune", "--pack", "--yes", "--json").document["packed"]["cells"] == 1


def test_the_labels_in_the_file_are_those_that_the_method_saw(kept: Store) -> None:
    """One bit per entry says whether it is known, another whether it is present; no hidden label is in the file."""
    folder = next(each for each in kept.folders() if each.path.parent.name == "linear-probe")
    result = folder.result()
    assert result is not None
    assert result.model is not None
    tensors = safetensors.numpy.load((folder.path / result.model.file).read_bytes())
    known, present = (
        np.unpackbits(tensors[f"labels.{name}"], count=48 * 20).reshape(48, 20) for name in ("known", "present")
    )
    assert present.sum(axis=0).tolist() == list(result.support.known)
    assert not (present & ~known & 1).any()
    assert known.mean() == pytest.approx(0.5, abs=0.05)


def test_finished_cells_without_models_are_not_submitted_again_and_this_is_said(
    command: Command, cluster: Cluster, tmp_path: Path
) -> None:
    words = ["run", "--methods", "clip-zeroshot", "--ratios", "0.5", "--subset", "48", "--device", "cpu"]
    command(*words)
    told = command(*words, "--launcher", "slurm", "--keep-model").err
    assert "1 finished cell without a kept model: not submitted again; --launcher inline or local" in told
    assert "nothing to submit:\n  1 cell is done" in told
