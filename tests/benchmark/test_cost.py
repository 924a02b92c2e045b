"""The cost of a table's rows: fair parts of shared time, and ranks among rows of one machine only."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from command_line import Command
from made_up_results import keep, made_up, table_of
from pmll_bench.report.cost import CostRow, cost_rows, spent, with_costs
from pmll_bench.report.formats.registry import FORMATS
from pmll_bench.report.frame import frame
from pmll_bench.report.tables.table import Block, Table
from pmll_bench.store.environment import Environment
from pmll_bench.store.result import Cost, Effort, Result, Seconds

HERE: Environment = {"device": "cpu", "cpu": "AMD EPYC", "threads": 1}
GPU: Environment = {"device": "cuda", "cpu": "AMD EPYC", "threads": 8, "gpu": "NVIDIA H200"}


def run(
    label: str,
    train: float,
    *,
    ratio: float = 0.1,
    seed: int = 0,
    predict: float = 2.0,
    shared_with: int = 1,
    attempts: int = 1,
    cost: Mapping[str, Any] | None = None,
    environment: Environment = HERE,
    **more: Any,
) -> Result:
    """A result that trained for some seconds together with others."""
    known = {
        "trained_parameters": 10_000,
        "parameters": 2_000_000,
        "peak_memory": 1_500_000_000,
        "flops": 8_000_000_000,
    }
    made = made_up(label, 0.5, ratio=ratio, seed=seed, environment=environment, **more)
    return made.model_copy(
        update={
            "seconds": Seconds(train=train, predict=predict, shared_with=shared_with),
            "cost": Cost(**{**known, "images_per_second": None, **(cost or {})}),
            "effort": Effort(attempts=attempts, repeated_epochs=0, lost_seconds=0.0),
        }
    )


def costs(results: Sequence[Result]) -> Table:
    found = {result.cell_id: spent(result) for result in results}
    return with_costs(table_of(results), frame(results), found)


def rows(results: Sequence[Result]) -> dict[str, CostRow]:
    found = {result.cell_id: spent(result) for result in results}
    (block,) = table_of(results).blocks
    return {row.label: row for row in cost_rows(block, frame(results), found)}


def shown(block: Block, header: str) -> list[str]:
    (column,) = [column for column in block.columns if column.header == header]
    return [cell if isinstance(cell, str) else f"{cell.mean_text} {cell.mark}".strip() for cell in column.cells]


def test_a_cell_counts_an_equal_part_of_the_time_of_its_group() -> None:
    """Nine ratios trained together in 90 s cost 10 s each, and so does one that trained alone in 10 s."""
    together = [run("bce", 90.0, ratio=tenth / 10, predict=18.0, shared_with=9) for tenth in range(1, 10)]
    alone = [run("asl", 10.0, ratio=tenth / 10, predict=2.0) for tenth in range(1, 10)]
    found = rows([*together, *alone])
    assert found["bce"].train == found["asl"].train == pytest.approx(10.0)
    assert found["bce"].predict == found["asl"].predict == pytest.approx(2.0)


def test_a_resumed_cell_says_nothing_about_the_time_of_training() -> None:
    """Its result knows the seconds of the last attempt only."""
    found = rows([run("bce", 40.0), run("bce", 3.0, seed=1, attempts=2), run("asl", 3.0, attempts=2)])
    assert found["bce"].train == 40.0
    assert math.isnan(found["asl"].train)
    (block,) = costs([run("asl", 3.0, attempts=2)]).blocks
    assert shown(block, "train (s)") == ["—"]
    assert any("resumed after an interruption" in note for note in block.notes)


def test_the_columns_have_units_and_mark_the_lowest() -> None:
    slow = run("asl", 20.0, predict=1.0, cost={"flops": 9_500_000_000, "peak_memory": 2_250_000_000})
    (block,) = costs([run("bce", 12.34), slow]).blocks
    assert shown(block, "train (s)") == ["20.0 second", "12.3 best"]  # asl, bce
    assert shown(block, "predict (s)") == ["1.00 best", "2.00 second"]
    assert shown(block, "peak (GB)") == ["2.25 second", "1.50 best"]
    assert shown(block, "GFLOPs") == ["9.500 second", "8.000 best"]
    assert shown(block, "trained (M)") == ["0.010", "0.010"]  # nothing to compare
    assert shown(block, "total (M)") == ["2.00", "2.00"]


def test_times_of_another_machine_are_shown_and_not_ranked() -> None:
    fast = run("sst", 1.0, environment=GPU, cost={"flops": 7_000_000_000})
    (block,) = costs([run("asl", 20.0), run("bce", 12.0), fast]).blocks
    assert shown(block, "train (s)") == ["20.0 second", "12.0 best", "1.0"]
    assert shown(block, "peak (GB)")[2] == "1.50"
    assert shown(block, "GFLOPs") == ["8.000 second", "8.000 second", "7.000 best"]  # the same on any machine
    assert (
        "Times and memory are ranked among rows made on AMD EPYC, 1 thread; shown only: sst on NVIDIA H200."
        in block.notes
    )


def test_a_row_of_several_machines_is_not_ranked() -> None:
    (block,) = costs([run("asl", 1.0), run("asl", 2.0, seed=1, environment=GPU), run("bce", 5.0)]).blocks
    assert shown(block, "train (s)") == ["1.5", "5.0"]
    (alone,) = costs([run("asl", 1.0), run("asl", 2.0, seed=1, environment=GPU)]).blocks
    assert "Times and memory are not ranked; shown only: asl on several machines." in alone.notes


def test_threads_make_another_machine() -> None:
    four = run("asl", 1.0, environment={**HERE, "threads": 4})
    (block,) = costs([four, run("bce", 5.0), run("sst", 6.0)]).blocks
    assert shown(block, "train (s)") == ["1.0", "5.0 best", "6.0 second"]


def test_an_oracle_costs_nothing_of_its_own() -> None:
    (block,) = costs([run("bce", 5.0, oracle=0.6), run("asl", 6.0)]).blocks
    assert shown(block, "train (s)") == ["6.0 second", "5.0 best", ""]
    assert set(rows([run("bce", 5.0, oracle=0.6)])) == {"bce"}


def test_what_older_results_and_own_methods_do_not_record_is_missing() -> None:
    old = made_up("bce", 0.5, environment=HERE)  # neither cost nor effort
    own = run("mine", 3.0, cost={"trained_parameters": None, "parameters": None, "flops": None})
    (block,) = costs([old, own]).blocks
    assert shown(block, "GFLOPs") == ["—", "—"]
    assert shown(block, "peak (GB)") == ["—", "1.50"]
    assert shown(block, "train (s)") == ["1.0 best", "3.0 second"]


def test_rows_of_a_figure_have_the_score_in_percent() -> None:
    found = rows([run("bce", 8.0, ratio=0.1), run("bce", 4.0, ratio=0.5)])
    assert found["bce"] == CostRow("bce", 50.0, 6.0, 2.0, 1.5e9, 1e4, 2e6, 8e9, "AMD EPYC, 1 thread")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_the_columns(name: str) -> None:
    text = FORMATS[name](costs([run("bce", 12.34), run("asl", 20.0)]))
    assert ("train seconds" if name in ("csv", "json") else "train (s)") in text
    assert "12.3" in text


def test_the_command(command: Command, tmp_path: Path) -> None:
    keep(tmp_path / "runs", run("bce", 90.0, shared_with=9), run("asl", 20.0))
    header = next(line for line in command("table", "--cost").out.splitlines() if line.startswith("method"))
    assert " ".join(header.split()).endswith("train (s) predict (s) peak (GB) trained (M) total (M) GFLOPs")
    found = json.loads(command("table", "--cost", "--json").out)["blocks"][0]["rows"]
    assert {row["method"]: row["train seconds"] for row in found} == {"asl": 20.0, "bce": 10.0}
