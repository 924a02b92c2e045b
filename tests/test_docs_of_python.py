"""The page "Python", its notebook, and what the pages say of the columns of results and of the log of an attempt."""

from __future__ import annotations

import ast
import json
import logging
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import pmll_bench as pb
from pmll_bench.running import cell_run
from pmll_bench.store.store import Store

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOK = DOCS / "notebooks" / "first-steps.ipynb"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def run(source: str, name: str) -> dict[str, object]:
    """The names that a program defines."""
    names: dict[str, object] = {"__name__": "__page__"}
    exec(compile(source, name, "exec"), names)
    return names


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the examples of the page define, run one after the other in an empty folder."""
    examples = "\n".join(re.findall(r"```python\n(.*?)```", page("python.md"), re.DOTALL))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        found = run(examples, "python.md")
        logging.getLogger("pmll_bench.progress").setLevel(logging.NOTSET)
        found["events"] = [
            event for folder in Store(Path("runs")).folders() for each in folder.attempts() for event in each.events()
        ]
    return found


def test_the_examples_of_the_page_run_and_learn(names: dict[str, object]) -> None:
    fitted, model, data = names["fitted"], names["model"], names["data"]
    assert isinstance(fitted, pb.Fitted)
    assert isinstance(model, pb.LoadedModel)
    found = names["found"]
    assert found.values["map"] > 0.4  # type: ignore[attr-defined]
    assert model.predict(data.test).shape == (200, 20)  # type: ignore[attr-defined]


def test_a_kept_model_scores_as_its_cell(names: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """The fitted method and the kept model of the page are the same cell."""
    fitted, model, data = names["fitted"], names["model"], names["data"]
    assert fitted.cell_id == model.cell_id  # type: ignore[attr-defined]
    assert np.array_equal(fitted.predict(data.test), model.predict(data.test))  # type: ignore[attr-defined]


def test_the_table_of_columns_names_every_column_of_a_result(names: dict[str, object]) -> None:
    results = names["results"]
    assert isinstance(results, pd.DataFrame)
    metrics = {name for name in map(str, results) if re.fullmatch(r"map(_hcp)?|(top3_(threshold_)?)?(C|O)\w+", name)}
    rows = re.findall(r"^\| (`[^|]*`) \|", page("python.md"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)} - {"OP", "CF1_macro"}
    assert {name for name in named if "…" not in name} - metrics == set(results) - metrics
    assert {"map", "CF1", "top3_CF1", "top3_threshold_OF1"} <= metrics


def test_the_table_of_events_is_what_is_written(names: dict[str, object]) -> None:
    """Every event that the code writes has a row, with its keys."""
    section = page("what-is-in-a-store.md").partition("## The log of an attempt")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|$", section, re.MULTILINE))
    written: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(Path(str(cell_run.__file__)).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict) and [ast.unparse(key) for key in node.keys[:1] if key] == ["'event'"]:
            written[ast.literal_eval(node.values[0])] = {str(ast.literal_eval(key)) for key in node.keys[1:] if key}
    assert rows.keys() == written.keys()
    for event, keys in written.items():
        assert keys <= set(re.findall(r"`(\w+)`", rows[event])), event
    for event in names["events"]:  # type: ignore[attr-defined]
        assert event.keys() >= {"time", "event"}


def test_the_notebook_runs_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    found = run("\n".join(sources), NOTEBOOK.name)
    curves = found["curves"]
    assert isinstance(curves, pd.DataFrame)
    assert curves["linear-probe"].is_monotonic_increasing
    assert Path("curves.png").stat().st_size > 10_000
    import matplotlib.pyplot as plt

    plt.close("all")


def test_the_notebook_is_stored_without_outputs() -> None:
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
