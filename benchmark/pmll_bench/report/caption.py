"""What stands around a table's numbers: the caption that says what they are, and notes on what to mind."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pmll_datasets.registry import DATASETS

from ..plan.cell import AXES
from ..store.environment import Environment
from .aggregate import MISSING
from .frame import LABEL_FILTERS, ORACLE, ROW
from .known import known_of, said
from .line import ELSEWHERE, INFERRED, Line
from .repetitions import Repetitions

NO_LOGITS = "the scores are no logits of P(present), so a threshold says nothing"
MACHINE = ("cpu", "gpu", "torch", "torchvision", "timm", "open_clip_torch", "numpy", "cuda", "cudnn", "tf32_matmul")


def caption(identity: Mapping[str, Any], part: pd.DataFrame, metric: str, over: Repetitions) -> str:
    """One paragraph on what the numbers of a block are."""
    options = f", {identity['options']}" if identity["options"] else ""
    rules = sorted(set(part["selection"]))
    return (
        f"{metric} (%) on {identity['dataset']} ({identity['train']:,} training and {identity['test']:,} test images,"
        f" {identity['classes']} classes{options}{_unverified(identity['dataset'])}). Labels: {_labels(identity)}."
        f" Regime: {identity['regime']}{_regime(identity, known_of(part))}."
        f" Track: {identity['track']}, tested at {identity['resolution']} px, {_views(part)}{_rates(identity)}."
        f" Selection: {rules[0] if len(rules) == 1 else 'last, unless a row names another'}. {over.said}."
    )


def _unverified(dataset: str) -> str:
    """The mark of a data set whose counts no official list could be held against."""
    return ", count unverified" if dataset in DATASETS and not DATASETS[dataset].verified else ""


def _regime(identity: Mapping[str, Any], known: float) -> str:
    """What the ratio is a share of where it isn't entries, what is known at all, the mask, and the noise if any."""
    labelled = "fully labelled images" if known == 1 else "images whose labels are not hidden"
    of = f"share of {labelled}" if identity["regime"] == "semi" else ""
    facts = "; ".join(fact for fact in (of, said(known)) if fact)
    share = f" ({facts})" if facts else ""
    shown = [(axis, identity[name]) for name, axis in AXES.items()]
    varied = "".join(f", {axis.captioned(value)}" for axis, value in shown if value != axis.default)
    return f"{share}, mask {identity['mask']}{varied}"


def _labels(identity: Mapping[str, Any]) -> str:
    scored, classes, name = len(identity["scored"]), identity["classes"], identity["labels"]
    if name == "all":
        return f"all {classes}" if scored == classes else f"all {classes}, {scored} of them with test positives"
    least = LABEL_FILTERS[name]
    return f"{name}, {scored} of {classes} (at least {least.train} training and {least.test} test positives)"


def _views(part: pd.DataFrame) -> str:
    """How test images get their size: each method's own way on the paper track, which doesn't part its rows."""
    views = sorted(set(part["view"]))
    return f"view{'s' if len(views) > 1 else ''} {', '.join(views)}"


def _rates(identity: Mapping[str, Any]) -> str:
    return f", learning rate the best of {identity['rates']} on held-out labels" if identity["rates"] else ""


def notes(part: pd.DataFrame, lines: Sequence[Line], over: Repetitions, metric: str, title: str) -> Iterator[str]:
    """What to mind of a block: marks, holes, numbers that aren't ranked, machines that differ."""
    if any(line.selection == ORACLE for line in lines):
        yield "An oracle row keeps the epoch with the best test result; it is never ranked."
    if any(line.inferred for line in lines):
        what = "parts of the method are inferred or reconstructed"
        yield f"{INFERRED} After the paper: {what}; 'pmll-bench show NAME' lists them."
    if not all(line.stated for line in lines):
        yield f"{ELSEWHERE} The recipe is from another data set or regime, or from a trained tower: no source gives it."
    for (label, _), own in part.groupby(list(ROW)):
        if own["variant"].nunique() > 1:
            yield f"The settings or the recipe of {label} differ between ratios."
    if over.trained_once:
        yield f"Deterministic, so trained once per mask: {', '.join(over.trained_once)}."
    if over.thin:
        yield f"Numbers over fewer than {over.usual} are not ranked."
    empty = part[part[metric].isna()]
    if len(empty) and metric not in ("map", "map_hcp"):
        yield f"{MISSING} {', '.join(dict.fromkeys(empty['label']))}: no {title}, for {NO_LOGITS}."
    if len(part.groupby([*ROW, "ratio"])) < sum(len(line.row.cells) for line in lines):
        yield f"{MISSING} no result."
    yield from _machines(part)


def _machines(part: pd.DataFrame) -> Iterator[str]:
    """The processors and versions that the rows of a block don't share."""
    differing = [text for name in MACHINE if (text := _differing(name, part))]
    if differing:
        yield f"Not all made on the same machine and versions, which may move numbers: {'; '.join(differing)}."


def _differing(name: str, part: pd.DataFrame) -> str:
    """The values of one thing with the rows that were made with each; "" where all rows share one."""
    rows: dict[Any, dict[str, None]] = {}
    for label, environment in zip(part["label"], part["environment"], strict=True):
        if (value := _made_with(name, environment)) is not None:
            rows.setdefault(value, {})[label] = None
    if len(rows) < 2:
        return ""
    return f"{name} " + " and ".join(f"{value} ({_some(labels)})" for value, labels in rows.items())


def _made_with(name: str, environment: Environment) -> str | bool | int | None:
    """One thing of an environment; None where it isn't recorded."""
    without = name == "gpu" and environment.get("device") == "cpu"
    return "none" if without else environment.get(name)


def _some(names: Collection[str]) -> str:
    first = list(names)[:3]
    return ", ".join(first) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
