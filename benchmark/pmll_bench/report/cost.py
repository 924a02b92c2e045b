"""What the rows of a table cost: time, memory, parameters and FLOPs per image, as columns and as data for a figure.

Time and memory are ranked only among rows that one machine made; numbers of other machines are shown, not ranked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from pmll_errors import counted

from ..store.environment import Environment
from ..store.summary import Summary
from .frame import COMPARABLE, ORACLE
from .tables.aggregate import MISSING, Number, marked, plain
from .tables.row import Cell, Column, Row
from .tables.table import Block, Table

if TYPE_CHECKING:
    from ..store.result import Result

SEVERAL = "several machines"


class Spent(NamedTuple):
    """The cost of one result, see `Used`; nan where it is not recorded. Seconds are wall time on `machine`."""

    train: float
    predict: float
    memory: float
    trained: float
    parameters: float
    flops: float
    machine: str


class CostRow(NamedTuple):
    """One method of a block: the means of its costs over ratios and repetitions, and its score in percent.

    `score` is the mean over the ratios, or the only number; nan if one is missing. `machine` is that of all results.
    """

    label: str
    score: float
    train: float
    predict: float
    memory: float
    trained: float
    parameters: float
    flops: float
    machine: str


class Kind(NamedTuple):
    """A column of costs: its heading, its key in CSV and JSON, its unit, and whether it depends on the machine."""

    header: str
    key: str
    unit: float
    decimals: int
    measured: bool


KINDS: Mapping[str, Kind] = {
    "train": Kind("train (s)", "train seconds", 1, 1, measured=True),
    "predict": Kind("predict (s)", "predict seconds", 1, 2, measured=True),
    "memory": Kind("peak (GB)", "peak memory GB", 1e9, 2, measured=True),
    "trained": Kind("trained (M)", "trained parameters M", 1e6, 3, measured=False),
    "parameters": Kind("total (M)", "parameters M", 1e6, 2, measured=False),
    "flops": Kind("GFLOPs", "GFLOPs per image", 1e9, 3, measured=False),
}


def spent(result: Result | Summary) -> Spent:
    """The cost of a result."""
    of = result if isinstance(result, Summary) else Summary.of(result)
    numbers = {name: math.nan if value is None else float(value) for name, value in of.used._asdict().items()}
    return Spent(**numbers, machine=machine(of.environment))


def machine(environment: Environment) -> str:
    """The device of a result and, on a CPU, its threads.

    >>> machine({"device": "cpu", "cpu": "AMD EPYC", "threads": 2}), machine({"device": "cuda", "gpu": "NVIDIA H200"})
    ('AMD EPYC, 2 threads', 'NVIDIA H200')
    """
    if environment.get("device") != "cpu" and environment.get("gpu"):
        return str(environment["gpu"])
    threads = environment.get("threads")
    known = [str(environment.get("cpu") or "unknown machine")]
    return ", ".join(known + ([counted(threads, "thread")] if isinstance(threads, int) else []))


def cost_rows(block: Block, lines: pd.DataFrame, costs: Mapping[str, Spent]) -> tuple[CostRow, ...]:
    """The cost and the score of each method of a block; oracles, which cost the same, are left out.

    `lines` is the frame that the table was built from, and `costs` has the cost of each of its cells.
    """
    cells = _cells(block, lines)
    return tuple(_row(row, [costs[cell] for cell in cells[row.label]]) for row in block.rows if row.selection != ORACLE)


def with_costs(table: Table, lines: pd.DataFrame, costs: Mapping[str, Spent]) -> Table:
    """The table with columns of costs; arguments as for `cost_rows`."""
    return replace(table, blocks=tuple(_block(block, cost_rows(block, lines, costs)) for block in table.blocks))


def _cells(block: Block, lines: pd.DataFrame) -> Mapping[str, set[str]]:
    """The ids of a block's cells by label."""
    found: dict[str, set[str]] = {row.label: set() for row in block.rows}
    columns = [lines[name] for name in (*COMPARABLE, "label", "cell_id")]
    wanted = [block.identity[name] for name in COMPARABLE]
    for *identity, label, cell in zip(*columns, strict=True):
        if label in found and identity == wanted:
            found[label].add(cell)
    return found


def _row(row: Row, costs: Sequence[Spent]) -> CostRow:
    machines = {each.machine for each in costs}
    return CostRow(
        label=row.label,
        score=row.numbers[-1].mean,
        train=_mean(each.train for each in costs),
        predict=_mean(each.predict for each in costs),
        memory=max(_recorded(each.memory for each in costs), default=math.nan),
        trained=_mean(each.trained for each in costs),
        parameters=_mean(each.parameters for each in costs),
        flops=_mean(each.flops for each in costs),
        machine=machines.pop() if len(machines) == 1 else SEVERAL,
    )


def _block(block: Block, rows: Sequence[CostRow]) -> Block:
    usual = _usual_machine(rows)
    columns = []
    for name, kind in KINDS.items():
        numbers = _lowest_marked([_number(getattr(row, name), kind, usual == row.machine) for row in rows])
        by_label: dict[str, Cell] = dict(zip((row.label for row in rows), numbers, strict=True))
        cells = tuple("" if row.selection == ORACLE else by_label[row.label] for row in block.rows)
        columns.append(Column(kind.header, cells, kind.key))
    return block.with_columns(columns, _notes(rows, usual))


def _usual_machine(rows: Sequence[CostRow]) -> str:
    """The machine of most rows, whose times are ranked; empty if no row was made on one machine."""
    machines = Counter(row.machine for row in rows if row.machine != SEVERAL)
    return machines.most_common(1)[0][0] if machines else ""


def _number(value: float, kind: Kind, same_machine: bool) -> Number:
    ranked = not math.isnan(value) and (same_machine or not kind.measured)
    return replace(plain(value / kind.unit, kind.decimals), eligible=ranked)


def _lowest_marked(numbers: Sequence[Number]) -> list[Number]:
    """The lowest and the second lowest marked; no mark where there is nothing to compare."""
    if len({each.mean_text for each in numbers if each.eligible}) < 2:
        return list(numbers)
    found = marked([replace(each, mean=-each.mean) for each in numbers])
    return [replace(each, mean=-each.mean) for each in found]


def _notes(rows: Sequence[CostRow], usual: str) -> list[str]:
    notes = [
        "Costs are means over the results of a row, the lowest is the best. A cell counts an equal part of the wall "
        "time of the cells that it trained with; peak memory is theirs together. GFLOPs are for predicting one image, "
        "with two operations per multiply-add and without what depends on no image (label texts, graphs)."
    ]
    others = "; ".join(f"{row.label} on {row.machine}" for row in rows if row.machine != usual)
    if others:
        ranked = f"ranked among rows made on {usual}" if usual else "not ranked"
        notes.append(f"Times and memory are {ranked}; shown only: {others}.")
    if any(math.isnan(getattr(row, name)) for row in rows for name in KINDS):
        notes.append(f"{MISSING} in a column of costs: not recorded, or the cells were resumed after an interruption.")
    return notes


def _recorded(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _mean(values: Iterable[float]) -> float:
    found = _recorded(values)
    return fmean(found) if found else math.nan
