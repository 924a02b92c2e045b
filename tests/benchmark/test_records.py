"""Documents of a store: they are consistent, survive writing and reading, and newer ones are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pmll_bench.errors import StoreError
from pmll_bench.metrics import evaluate
from pmll_bench.store.cell_folder import CellFolder
from pmll_bench.store.environment import environment
from pmll_bench.store.result import Measured, Result, ScoresFile, Seconds, Trained
from pmll_bench.store.store import Store
from pmll_datasets.regimes import mask_digest
from stored import CLASSES, SCORES, finish, planned, result

SCORES_FILE = ScoresFile(file="attempts/0001/scores.npz", sha256="a" * 64, n=3, c=2)


def test_a_newer_result_is_refused_and_one_of_an_unknown_schema_counts_as_damaged(store: Store) -> None:
    attempt, _ = finish(store, planned())
    path = attempt.cell / "result.json"
    document = json.loads(path.read_text())
    for schema in ("pmll.result/0", "pmll.cell/2", "result", None, 1):
        path.write_text(json.dumps({**document, "schema": schema}))
        assert CellFolder(attempt.cell).result() is None
        assert CellFolder(attempt.cell).state().message == "result.json is damaged"
    path.write_text(json.dumps({**document, "schema": "pmll.result/2"}))
    with pytest.raises(StoreError, match=r"newer pmll-bench: pmll\.result/2, this one reads pmll\.result/1"):
        list(store.results())


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": {"map": 81.25}},
        {"metrics": {"map": float("nan")}},
        {"seed": 3},
        {"cell_id": "0" * 16},
        {"ap": (0.5,)},
        {"surprise": 1},
    ],
)
def test_a_result_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        result(planned(), 1, SCORES_FILE, **changes)


def test_scores_lie_inside_the_cell_folder() -> None:
    with pytest.raises(ValidationError):
        ScoresFile(file="../../../etc/passwd", sha256="a" * 64, n=3, c=2)


plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["lr", "größe", "steps"]), plain_values))
def test_a_result_keeps_its_identity_on_disk(settings: dict[str, Any]) -> None:
    before = result(planned(settings=settings), 1, SCORES_FILE)
    after = Result.model_validate_json(before.as_bytes())
    assert after == before
    assert after.cell.id == before.cell_id


def test_a_stored_recipe_that_is_older_than_a_field_reads_and_one_without_its_rate_is_refused() -> None:
    document = json.loads(result(planned(), 1, SCORES_FILE).as_bytes())
    recipe = document["recipe"]
    older = {name: value for name, value in recipe.items() if name not in ("horizon", "rates")}
    assert Result.model_validate_json(json.dumps(document | {"recipe": older})).recipe == planned().recipe
    for wrong in ({name: recipe[name] for name in recipe if name != "lr"}, recipe | {"surprise": 1}):
        with pytest.raises(ValidationError, match="recipe"):
            Result.model_validate_json(json.dumps(document | {"recipe": wrong}))


class Labelled:
    """A split of which only the labels and the number of images are looked at."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)


def test_a_result_is_made_from_plan_data_and_metrics() -> None:
    labels = np.array([[1, -1], [-1, 0], [1, -1]], dtype=np.int8)
    data: Any = SimpleNamespace(train=Labelled(labels), test=Labelled(labels), classes=CLASSES, contents="ab")
    visible = np.array([[1, 0], [0, 0], [0, -1]], dtype=np.int8)
    history = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]
    trained = Trained(attempt=3, history=history, seconds=Seconds(train=1.0, predict=0.5), environment={})
    measured = Measured(scores=SCORES_FILE, metrics=evaluate(SCORES, labels))
    made = Result.of(planned(regime="full", ratio=1.0, mask="none"), data, visible, trained, measured)
    assert (made.counts.train, made.counts.test, made.epochs_run) == (3, 3, 2)
    assert (made.support.known, made.support.train, made.support.test) == ((1, 0), (2, 0), (2, 0))
    assert (made.regime, made.mask, made.selection, made.ap[1]) == ("full", "none", "last", None)
    assert (made.images, made.attempt, made.seconds.train) == ("ab", 3, 1.0)
    assert made.mask_digest == mask_digest(visible != 0)


def test_the_environment_records_what_may_affect_a_number() -> None:
    found = environment(2, "cpu")
    assert found["threads"] == 2
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["numpy"] == np.__version__
    assert environment(2, "cpu", workers=5) == {**found, "workers": 5}


def test_on_a_gpu_the_environment_records_the_gpu_and_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"H200 at {device}")
    found = environment(2, "cuda:1")
    assert found["gpu"] == "H200 at cuda:1"
    assert {"cuda", "cudnn", "tf32_matmul", "tf32_convolutions"} <= found.keys()
    assert found["tf32_matmul"] is False
    on_disk = result(planned(), 1, SCORES_FILE, environment=found)
    assert Result.model_validate_json(on_disk.as_bytes()).environment == found


PURE = ("plan.cell", "plan.request", "plan.grid")


@pytest.mark.parametrize("module", [*PURE, "plan.grid_files", "store.store", "store.lease"])
def test_planning_and_reading_import_nothing_heavy(module: str) -> None:
    heavy = {"torch", "pandas", "sklearn", "matplotlib"}
    if module in PURE:
        heavy |= {"pydantic", "numpy"}
    code = f"import sys, pmll_bench.{module}; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
