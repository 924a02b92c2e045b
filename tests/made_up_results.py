"""Results as the store would hold them, with numbers made up: reports need no training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pmll_bench.plan.cell import Cell
from pmll_bench.report.frame import frame
from pmll_bench.report.tables.table import Layout, Table, build
from pmll_bench.store.document import write_record
from pmll_bench.store.environment import Environment
from pmll_bench.store.result import Counts, Oracle, Result, ScoresFile, Seconds, Support
from pmll_bench.store.store import Store
from pmll_methods.recipe import Recipe

RATIOS = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))


def made_up(
    label: str,
    value: float,
    *,
    ratio: float = 0.1,
    seed: int = 0,
    mask_seed: int | None = None,
    method: str | None = None,
    dataset: str = "shapes",
    options: Mapping[str, Any] | None = None,
    regime: str = "partial",
    mask: str = "counter/1",
    noise: float = 0.0,
    track: str = "smoke",
    selection: Literal["last", "best-val", "best-test"] = "last",
    settings: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    oracle: float | None = None,
    ap: Sequence[float | None] | None = None,
    train_positives: Sequence[int] | None = None,
    known: int | None = None,
    stated: bool = True,
    deterministic: bool = False,
    environment: Environment | None = None,
) -> Result:
    """A result whose mAP is `value` (0-1), over as many classes as `ap` has; classes are named c0, c1 …"""
    ap = [value, value] if ap is None else ap
    train_positives = [50] * len(ap) if train_positives is None else train_positives
    full_recipe = Recipe(resolution=64, batch=8, epochs=1, lr=1e-4, selection=selection).at(**(recipe or {}))
    cell = Cell(
        dataset=dataset,
        fingerprint=f"{dataset}-{options}".encode().hex(),
        method=method or label,
        recipe=repr(full_recipe),
        ratio=ratio,
        options=options or {},
        settings=settings or {},
        regime=regime,
        mask=mask,
        noise=noise,
        mask_seed=seed if mask_seed is None else mask_seed,
        seed=seed,
    )
    repeated = ("method", "revision", "dataset", "regime", "ratio", "mask", "mask_seed", "seed")
    return Result(
        cell_id=cell.id,
        cell=cell,
        stated=stated,
        settings=cell.settings,
        recipe=full_recipe,
        track=track,
        label=label,
        attempt=1,
        **{name: getattr(cell, name) for name in repeated},
        counts=Counts(train=1200, test=800, classes=len(ap), known=known),
        mask_digest="0" * 64,
        selection=selection,
        epochs_run=1,
        metrics={"map": value, "OF1": value / 2, **(metrics or {})},
        oracle=None if oracle is None else Oracle(metrics={"map": oracle}, epoch=1),
        ap=tuple(ap),
        support=Support(
            known=tuple(train_positives),
            train=tuple(train_positives),
            test=tuple(0 if value is None else 9 for value in ap),
        ),
        classes=tuple(f"c{number}" for number in range(len(ap))),
        scores=ScoresFile(file="attempts/0001/scores.npz", sha256="0" * 64, n=800, c=len(ap)),
        seconds=Seconds(train=1.0, predict=1.0),
        environment=environment or {},
        deterministic=deterministic,
    )


def grid(label: str, level: float, *, ratios: Sequence[float] = RATIOS, seeds: int = 3, **more: Any) -> list[Result]:
    """Results of one method: `level` at 0%, rising by a point each 10%, seeds half a point apart."""
    return [
        made_up(label, level + ratio / 10 + 0.005 * seed, ratio=ratio, seed=seed, **more)
        for ratio in ratios
        for seed in range(seeds)
    ]


def table_of(results: Sequence[Result], labels: str = "all", **layout: Any) -> Table:
    return build(frame(results, labels), Layout(**layout))


def keep(root: Path, *results: Result) -> Path:
    """Write results into a store, as if their cells had been run. Returns its folder."""
    store = Store.open(root)
    for result in results:
        folder = store.folder(result.cell).path
        folder.mkdir(parents=True)
        write_record(folder / "result.json", result)
    return root
