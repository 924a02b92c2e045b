"""The Python interface: `import pmll_bench as pb` trains, predicts and reads results as the command line does."""

from __future__ import annotations

import inspect
import logging
import signal
import subprocess
import sys
import threading
import typing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import pmll_bench as pb
import small_grids
from command_line import Command
from layouts import write_image
from plain_method import Plain
from pmll_bench.store.store import Store
from pmll_datasets.dataset import Dataset, Labels
from pmll_methods.learners.learner import Batch, Step
from pmll_methods.learners.trunk import ClassifierSettings, TrunkClassifier
from pmll_methods.method import Card, ImageSet, Run, Scores, TrainSet
from pmll_methods.presets.recipes import SMOKE_TRUNK
from pmll_methods.presets.trunks import TINY_CLASSIFIER
from pmll_methods.recipe import Track

ONE_EPOCH = {"epochs": 1}
HERE = ["--device", "cpu", "--threads", "1"]


@pytest.fixture(scope="module")
def shapes() -> Dataset:
    return pb.load_dataset("shapes", subset=40)


class MeanLabels:
    """Scores each class by the share of its known labels that are present; sees nothing of an image."""

    def fit(self, train: TrainSet, run: Run) -> None:
        self.labels = train.labels

    def predict(self, images: ImageSet, run: Run) -> Scores:
        known = np.abs(self.labels).sum(axis=0)
        mean = self.labels.sum(axis=0) / np.maximum(known, 1)
        return np.tile(mean, (len(images), 1)).astype(np.float32)


class Margin(TrunkClassifier[ClassifierSettings]):
    """A learner that a user defines in a notebook: the logistic loss of all known labels."""

    Settings = ClassifierSettings
    card = Card(
        name="margin",
        title="logistic loss",
        paper="none",
        trains="a linear classifier",
        tracks={"smoke": Track(recipe=SMOKE_TRUNK, settings=TINY_CLASSIFIER)},
    )

    def loss(self, batch: Batch, head: None, step: Step) -> dict[str, Tensor]:
        known = batch.labels != 0
        return {"margin": F.softplus(-batch.labels * self(batch.features, head))[known].mean()}


def test_a_fitted_method_scores_as_the_same_cell_of_the_command_line(shapes: Dataset, command: Command) -> None:
    """Bit for bit, and under the same id: both train through the same code."""
    fitted = pb.fit("bce", pb.mask_labels(shapes, 0.5, seed=3), recipe=ONE_EPOCH, seed=3, device="cpu")
    of_the_cell = ["--subset", "40", "--ratios", "0.5", "--seeds", "3", "--set", "recipe.epochs=1"]
    assert command("run", "--methods", "bce", *of_the_cell, *HERE).code == 0
    stored = Store(Path("runs")).scores(str(fitted.cell_id))
    assert np.array_equal(fitted.predict(shapes.test), stored.scores)
    assert stored.ids == shapes.test.ids
    assert stored.classes == fitted.classes


def test_the_choices_of_a_fit_are_those_of_its_cell(shapes: Dataset, command: Command) -> None:
    """Another mask seed, regime, noise, setting or rate is another cell, and the same one as on the command line."""
    cells = {
        pb.fit(
            "linear-probe", pb.mask_labels(shapes, 0.5, seed=7, noise=0.1), seed=0, settings={"strength": 2.0}
        ).cell_id: "--mask-seeds 7 --noise 0.1 --set linear-probe.strength=2.0 --ratios 50%",
        pb.fit("linear-probe", shapes).cell_id: "--regime full",
    }
    for cell, options in cells.items():
        listed = command("run", "--dry-run", "--methods", "linear-probe", "--subset", "40", *options.split())
        assert str(cell) in listed.out


def test_a_method_sees_only_the_known_labels(shapes: Dataset) -> None:
    """All known labels of the masked data set are in its scores, and none of the hidden ones."""
    masked = pb.mask_labels(shapes, 0.3)
    scores = pb.fit(MeanLabels, masked, device="cpu").predict(shapes.test)
    mean = masked.labels.sum(axis=0) / np.maximum(np.abs(masked.labels).sum(axis=0), 1)
    assert np.array_equal(scores[0], mean.astype(np.float32))
    assert 0.25 < masked.known.mean() < 0.35
    assert np.array_equal(masked.labels[masked.known], shapes.train.labels[masked.known])


def test_a_class_of_a_notebook_trains_like_any_method(shapes: Dataset) -> None:
    masked = pb.mask_labels(shapes, 0.5)
    learner = pb.fit(Margin, masked, recipe={"epochs": 2, "batch": 8}, device="cpu")
    assert [line["epoch"] for line in learner.history] == [1, 2]
    assert learner.history[1]["margin"] < learner.history[0]["margin"]
    assert (learner.method, learner.cell_id) == ("margin", None)
    plain = pb.fit(Plain, masked, device="cpu")
    assert plain.method == "plain"
    assert plain.predict(shapes.test).shape == (40, 20)


def test_an_own_class_may_not_take_the_name_of_a_built_in_method(shapes: Dataset) -> None:
    class Bce(MeanLabels):
        pass

    with pytest.raises(pb.MethodError, match="name of a built-in method, 'bce'"):
        pb.fit(Bce, shapes)


def test_probabilities_are_the_sigmoid_of_scores_that_are_logits(shapes: Dataset) -> None:
    fitted = pb.fit(MeanLabels, shapes, device="cpu")
    expected = 1 / (1 + np.exp(-fitted.predict(shapes.test).astype(float)))
    np.testing.assert_allclose(fitted.probabilities(shapes.test), expected, atol=1e-6)

    class Cosine(MeanLabels):
        card = Card(
            name="cosine", title="-", paper="-", trains="-", logits=False, tracks={"smoke": Track(recipe=SMOKE_TRUNK)}
        )

    with pytest.raises(pb.MethodError, match="not logits"):
        pb.fit(Cosine, shapes, device="cpu").probabilities(shapes.test)


def test_the_same_images_have_the_same_scores_as_arrays_as_files_and_as_a_split(
    shapes: Dataset, tmp_path: Path
) -> None:
    from PIL import Image

    arrays = np.stack([shapes.test.images.read(number) for number in range(3)])
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for array, file in zip(arrays, files, strict=True):
        Image.fromarray(array).save(file)
    fitted = pb.fit("bce", shapes, recipe=ONE_EPOCH, device="cpu")
    scores = fitted.predict(arrays)
    assert np.array_equal(fitted.predict(files), scores)
    assert np.array_equal(fitted.predict(list(arrays)), scores)
    np.testing.assert_allclose(fitted.predict(shapes.test)[:3], scores, atol=1e-5)
    assert fitted.predict([]).shape == (0, 20)


def own_arrays(number: int) -> tuple[np.ndarray, Labels]:
    """Images of one colour, red or blue, and whether they are."""
    red = np.arange(number) % 2 == 0
    images = np.zeros((number, 48, 48, 3), np.uint8)
    images[red, :, :, 0], images[~red, :, :, 2] = 200, 200
    return images, np.where(np.stack([red, ~red], axis=1), 1, -1).astype(np.int8)


def test_own_arrays_are_learned(tmp_path: Path) -> None:
    images, labels = own_arrays(24)
    data = pb.dataset(images[:16], labels[:16], ["red", "blue"], test_images=images[16:], test_labels=labels[16:])
    fitted = pb.fit("linear-probe", data, device="cpu")
    assert pb.metrics.evaluate(fitted.predict(data.test), data.test.labels).values["map"] == 1.0
    assert fitted.cell_id is None


def test_own_files_are_named_by_their_path_below_the_common_folder(tmp_path: Path) -> None:
    files = [tmp_path / part / name for part in ("one", "two") for name in ("a.png", "b.png")]
    for file in files:
        write_image(file)
    labels = np.array([[1], [-1]])
    data = pb.dataset(files[:2], labels, ["cat"], test_images=[str(file) for file in files[2:]], test_labels=labels)
    assert (data.train.ids, data.test.ids) == (("one/a", "one/b"), ("two/a", "two/b"))


def test_test_images_can_be_drawn(tmp_path: Path) -> None:
    images, labels = own_arrays(40)
    data = pb.dataset(images, labels, ["red", "blue"], test=0.3)
    assert len(data.train) + len(data.test) == 40
    assert 4 <= len(data.test) <= 20
    assert set(data.train.ids) | set(data.test.ids) == {f"train-{number}" for number in range(40)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((2, 8, 8, 3), np.float32)}, r"float32.*\(images \* 255\)"),
        ({"images": np.zeros((2, 8, 8), np.uint8)}, r"\(2, 8, 8\), expected \(n, h, w, 3\)"),
        ({"images": ["nowhere.png", "nothing.png"]}, "no such image file.*nowhere.png"),
        ({"labels": np.array([[True], [False]])}, r"labels of type bool.*np.where\(matrix > 0, 1, -1\)"),
        ({"labels": np.array([[2], [-1]])}, "other values than 1, -1 and 0"),
        ({"labels": np.array([[1]])}, "do not match 2 images"),
        ({"test_labels": np.array([[1], [0]])}, "no label of the test images is absent"),
        ({"test_labels": None}, "test images are missing"),
        ({"test": 0.5}, "given in two ways"),
        ({"ids": ["one"]}, "1 id for 2 images"),
        ({"name": "voc2007"}, "name of a built-in data set"),
    ],
)
def test_own_data_that_cannot_be_meant_is_refused(change: dict[str, object], message: str) -> None:
    images, labels = np.zeros((2, 8, 8, 3), np.uint8), np.array([[1], [-1]])
    given = {"images": images, "labels": labels, "classes": ["cat"], "test_images": images, "test_labels": labels}
    with pytest.raises(pb.DataError, match=message):
        pb.dataset(**{**given, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"method": "bcee"}, pb.MethodError, "unknown method 'bcee'; did you mean 'bce'"),
        ({"settings": {"rates_of_learning": 1}}, pb.MethodError, "unknown setting 'rates_of_learning'"),
        ({"recipe": {"epoch": 1}}, pb.MethodError, "unknown setting 'epoch'.*did you mean 'epochs'"),
        ({"recipe": {"selection": "best-val"}}, pb.ConfigError, "weights of the last epoch"),
        ({"track": "papers"}, pb.MethodError, "no track 'papers'"),
        ({"device": "cuda:9"}, pb.ConfigError, "device 'cuda:9' is not available"),
        ({"seed": -1}, pb.ConfigError, "invalid seed -1"),
        ({"method": "cap"}, pb.MethodError, "does not support the regime 'full'"),
    ],
)
def test_a_mistake_in_a_fit_says_what_and_how_to_mend_it(
    shapes: Dataset, arguments: dict[str, typing.Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        pb.fit(**{"method": "bce", "data": shapes, **arguments})


def test_a_mask_that_does_not_fit_is_refused_at_once(shapes: Dataset) -> None:
    for wrong, message in (
        ({"ratio": 10}, r"did you mean 10%"),
        ({"regime": "partail"}, "did you mean 'partial'"),
        ({"mask": "hcp"}, "official"),
        ({"regime": "full", "ratio": 0.5}, "has no ratio"),
    ):
        with pytest.raises(pb.PmllError, match=message):
            pb.mask_labels(shapes, **wrong)


def test_the_error_of_a_users_method_is_raised_as_it_is(shapes: Dataset) -> None:
    class Broken(MeanLabels):
        def fit(self, train: TrainSet, run: Run) -> None:
            raise ZeroDivisionError("the lake is dry")

    with pytest.raises(ZeroDivisionError, match="the lake is dry"):
        pb.fit(Broken, shapes, device="cpu")


def test_ctrl_c_ends_a_fit_and_leaves_nothing_behind(
    shapes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(MeanLabels):
        def fit(self, train: TrainSet, run: Run) -> None:
            run.save({"step": 1})
            raise KeyboardInterrupt

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    threads = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        pb.fit(Interrupted, shapes, device="cpu", threads=threads + 1)
    assert list(tmp_path.iterdir()) == []
    assert torch.get_num_threads() == threads


def test_a_fitted_method_that_is_dropped_leaves_nothing_behind(
    shapes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fitted = pb.fit(MeanLabels, shapes, device="cpu")
    assert len(list(tmp_path.iterdir())) == 1
    del fitted
    import gc

    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_grid_runs_once_and_gives_the_results_of_all_its_cells(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grid = {"methods": "linear-probe", "ratios": (0.1, "50%"), "subset": 60}
    first = pb.run(grid, root=tmp_path, device="cpu")
    assert first["ratio"].tolist() == [0.1, 0.5]
    caplog.clear()
    with caplog.at_level(logging.INFO, "pmll_bench.progress"):
        again = pb.run(grid, root=tmp_path, seeds=range(1), device="cpu")
    assert not [record for record in caplog.records if record.name == "pmll_bench.progress"]
    pd.testing.assert_frame_equal(first, again)
    wider = pb.run(grid, root=tmp_path, ratios=[0.9], device="cpu")
    assert wider["ratio"].tolist() == [0.9]
    assert sorted(pb.load_results(tmp_path)["ratio"]) == [0.1, 0.5, 0.9]


def test_a_grid_file_and_arguments_are_read_as_by_the_command_line(tmp_path: Path, command: Command) -> None:
    file = tmp_path / "grid.yaml"
    file.write_text("methods: [{method: linear-probe, as: probe}]\nratios: [0.5]\nsubset: 60\n")
    found = pb.run(file, root=tmp_path / "runs", ratios=0.3, device="cpu")
    assert found[["label", "method", "ratio"]].values.tolist() == [["probe", "linear-probe", 0.3]]
    listed = command("run", "--config", str(file), "--ratios", "0.3", "--dry-run").out
    assert found["cell_id"].item() in listed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "bce"}, "unknown key 'method'.*did you mean 'methods'"),
        ({"ratios": [10]}, "did you mean 10%"),
        ({"methods": [MeanLabels]}, "class MeanLabels.*%%writefile"),
        ({"launcher": "slurm"}, "unknown launcher 'slurm'"),
        ({"slots": 2}, "slots are for the launcher local"),
    ],
)
def test_a_mistake_in_a_grid_starts_nothing(tmp_path: Path, arguments: dict[str, typing.Any], message: str) -> None:
    with pytest.raises(pb.ConfigError, match=message):
        pb.run(root=tmp_path / "runs", **arguments)
    assert not (tmp_path / "runs").exists()


def test_cells_that_fail_are_raised_after_all_have_ended(tmp_path: Path) -> None:
    file = tmp_path / "dry.py"
    file.write_text(
        "class Dry:\n    def fit(self, train, run): raise ValueError('the lake is dry')\n    predict = fit\n"
    )
    with pytest.raises(pb.CellsFailed, match=r"1 cell failed: .*the lake is dry"):
        pb.run(methods=[file, "linear-probe"], ratios=0.5, subset=60, root=tmp_path / "runs", device="cpu")
    assert pb.load_results(tmp_path / "runs")["method"].tolist() == ["linear-probe"]


def test_the_first_ctrl_c_saves_a_grid_and_the_same_call_continues_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program goes on, with its own handler of signals; nothing of the process is ended."""
    before = signal.getsignal(signal.SIGINT)
    grid = {"methods": small_grids.method_file(tmp_path), "ratios": [0.1, 0.5], "subset": 60}
    monkeypatch.setenv("SIGNALS", "SIGINT")
    with pytest.raises(KeyboardInterrupt, match="the same call continues"):
        pb.run(grid, root=tmp_path / "runs", device="cpu")
    assert signal.getsignal(signal.SIGINT) is before
    store = Store(tmp_path / "runs")
    assert sorted(folder.state().name for folder in store.folders()) == ["interrupted", "planned"]
    monkeypatch.delenv("SIGNALS")
    assert len(pb.run(grid, root=tmp_path / "runs", device="cpu")) == 2
    assert {folder.newest for folder in store.folders()} == {1, 2}


def test_the_second_ctrl_c_ends_a_grid_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = {"methods": small_grids.method_file(tmp_path), "ratios": 0.1, "subset": 60}
    monkeypatch.setenv("SIGNALS", "SIGINT SIGINT")
    with pytest.raises(KeyboardInterrupt) as raised:
        pb.run(grid, root=tmp_path / "runs", device="cpu")
    assert not raised.value.args  # Python's own


def test_a_fit_tries_the_rates_of_its_recipe_as_the_cell_does(shapes: Dataset, command: Command) -> None:
    rates = {"rates": [1e-5, 1e-2], "validation": 0.25, "epochs": 1}
    fitted = pb.fit("bce", pb.mask_labels(shapes, 0.5), recipe=rates, device="cpu")
    assert fitted.recipe.lr in (1e-5, 1e-2)
    sets = [f"recipe.{name}={value}" for name, value in {**rates, "rates": "1e-5,1e-2"}.items()]
    of_the_cell = ["--subset", "40", "--ratios", "0.5", *(part for each in sets for part in ("--set", each))]
    assert command("run", "--methods", "bce", *of_the_cell, *HERE).code == 0
    stored = Store(Path("runs")).scores(str(fitted.cell_id))
    assert np.array_equal(fitted.predict(shapes.test), stored.scores)
    assert pb.load_results("runs")["lr"].item() == fitted.recipe.lr


def test_a_store_without_results_is_said(tmp_path: Path) -> None:
    with pytest.raises(pb.StoreError, match="there is no store"):
        pb.load_results(tmp_path / "nowhere")


def test_everything_exported_is_there_and_says_what_it_is() -> None:
    for name in pb.__all__:
        value = getattr(pb, name)
        assert name in dir(pb)
        documented = inspect.getdoc(pb.run if name == "run" else value)
        assert documented, name
        if inspect.isfunction(value):
            assert ">>> " in documented, f"{name} has no example"
    assert callable(pb.run)
    assert "root" in inspect.signature(pb.run).parameters
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pb.nothing  # noqa: B018


def test_importing_the_package_is_quick_whatever_is_exported() -> None:
    script = "import sys, pmll_bench; print([name for name in sys.modules if name in ('torch', 'pandas', 'numpy')])"
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == "[]"


def test_a_type_checker_sees_what_is_exported() -> None:
    """The names for type checkers are those that exist at run time."""
    import ast

    (block,) = (
        node
        for node in ast.parse(Path(str(pb.__file__)).read_text(encoding="utf-8")).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    named = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert named - {None} == set(pb.__all__)


def test_a_run_in_another_thread_takes_no_signals(tmp_path: Path) -> None:
    found: list[pd.DataFrame] = []
    thread = threading.Thread(
        target=lambda: found.append(
            pb.run(methods="linear-probe", ratios=0.5, subset=60, root=tmp_path / "runs", device="cpu")
        )
    )
    thread.start()
    thread.join()
    assert len(found[0]) == 1
