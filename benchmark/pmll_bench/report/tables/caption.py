"""The text around the numbers of a table: the caption above them and the notes below."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from pmll_datasets.registry import DATASETS
from pmll_errors import counted

from ...plan.cell import AXES
from ...store.environment import Environment
from ...store.summary import LABEL_FILTERS
from ..frame import ORACLE, ROW, Identity
from ..known import known_of, known_text
from ..pretraining import overlap_note
from .aggregate import MISSING
from .repetitions import Repetitions
from .row import INFERRED, UNSTATED, Row

NO_LOGITS = "the scores are not logits of P(present), so a threshold has no meaning"
NO_RESULT = f"{MISSING} no result."
NO_AVERAGE = f"{MISSING} no result, or not at every ratio."
MACHINE = ("cpu", "gpu", "torch", "torchvision", "timm", "open_clip_torch", "numpy", "cuda", "cudnn", "tf32_matmul")


@dataclass(frozen=True)
class Caption:
    """What a caption says: the metric, the data, and one sentence (without a full stop) for each other subject."""

    metric: str
    data: str
    sentences: Mapping[str, str]

    @property
    def text(self) -> str:
        """The caption as one paragraph."""
        return f"{self.metric} (%) on {self.data}." + "".join(f" {each}." for each in self.sentences.values() if each)

    def saying(self, subject: str, sentence: str) -> Caption:
        """The caption with this sentence about a subject: in place of the one about it, or else at the end."""
        return replace(self, sentences={**self.sentences, subject: sentence})


def caption(identity: Identity, part: pd.DataFrame, metric: str, over: Repetitions, dataset: str) -> Caption:
    """The caption of a block; `dataset` is the name of the data set as shown."""
    options = f", {identity['options']}" if identity["options"] else ""
    rules = sorted(set(part["selection"]))
    resolution = f"tested at {identity['resolution']} px"
    return Caption(
        metric,
        f"{dataset} ({identity['train']:,} training and {identity['test']:,} test images,"
        f" {counted(identity['classes'], 'class')}{options}{_unverified(identity['dataset'])})",
        {
            "labels": f"Labels: {_labels(identity)}",
            "regime": f"Regime: {identity['regime']}{_regime(identity, known_of(part))}",
            "track": f"Track: {identity['track']}, {resolution}, {_views(part)}{_rates(identity)}",
            "selection": f"Selection: {rules[0] if len(rules) == 1 else 'last, unless a row names another'}",
            "repetitions": over.summary,
        },
    )


def _unverified(dataset: str) -> str:
    """The mark of a data set whose counts are not checked against official lists."""
    return ", counts unverified" if dataset in DATASETS and not DATASETS[dataset].verified else ""


def _regime(identity: Identity, known: float) -> str:
    """The meaning of the ratio if it is not a share of entries, the share of known labels, the mask and the noise."""
    labelled = "fully labelled images" if known == 1 else "images whose labels are not hidden"
    of = f"share of {labelled}" if identity["regime"] == "semi" else ""
    facts = "; ".join(fact for fact in (of, known_text(known)) if fact)
    share = f" ({facts})" if facts else ""
    shown = [(axis, identity[name]) for name, axis in AXES.items()]
    varied = "".join(f", {axis.captioned(value)}" for axis, value in shown if value != axis.default)
    return f"{share}, mask {identity['mask']}{varied}"


def _labels(identity: Identity) -> str:
    scored, classes, name = len(identity["scored"]), identity["classes"], identity["labels"]
    if name == "all":
        return f"all {classes}" if scored == classes else f"all {classes}, {scored} of them with test positives"
    least = LABEL_FILTERS[name]
    positives = counted(least.test, "test positive")
    return f"{name}, {scored} of {classes} (at least {counted(least.train, 'training positive')} and {positives})"


def _views(part: pd.DataFrame) -> str:
    """How test images are resized. On the track `paper`, views may differ between the rows of a block."""
    views = sorted(set(part["view"]))
    return f"view{'s' if len(views) > 1 else ''} {', '.join(views)}"


def _rates(identity: Identity) -> str:
    return f", best of {identity['rates']} learning rates on held-out labels" if identity["rates"] else ""


def notes(part: pd.DataFrame, rows: Sequence[Row], over: Repetitions, metric: str, title: str) -> Iterator[str]:
    """The notes below a block: marks, missing numbers, numbers that are not ranked, different machines."""
    if any(row.selection == ORACLE for row in rows):
        yield "An oracle row shows the epoch with the best test result and is never ranked."
    if any(row.inferred for row in rows):
        yield f"{INFERRED} Parts of the method are inferred or reconstructed; 'pmll-bench show NAME' lists them."
    if not all(row.stated for row in rows):
        yield f"{UNSTATED} No source states this recipe: it comes from another data set or regime, or a trained tower."
    for (label, _), own in part.groupby(list(ROW)):
        if own["variant"].nunique() > 1:
            yield f"{label}: settings or recipe differ between ratios."
    if over.trained_once:
        yield f"Deterministic, so trained once per mask: {', '.join(over.trained_once)}."
    if over.thin:
        yield f"Numbers over fewer than {over.usual} are not ranked."
    empty = part[part[metric].isna()]
    if len(empty) and metric not in ("map", "map_hcp"):
        yield f"{MISSING} {', '.join(dict.fromkeys(empty['label']))}: no {title}; {NO_LOGITS}."
    if len(part.groupby([*ROW, "ratio"])) < sum(len(row.means.cells) for row in rows):
        yield NO_RESULT
    yield from _pretraining(part)
    yield from _machines(part)


def _pretraining(part: pd.DataFrame) -> Iterator[str]:
    """A warning if the pretraining of a tower may contain test images."""
    towers: dict[str, list[str]] = {}
    for tower, label in sorted(set(zip(part["tower"], part["label"], strict=True))):
        towers.setdefault(tower, []).append(label)
    yield from overlap_note(part["dataset"].iloc[0], towers)


def _machines(part: pd.DataFrame) -> Iterator[str]:
    """The processors and versions that differ between the rows of a block."""
    differing = [text for name in MACHINE if (text := _differing(name, part))]
    if differing:
        yield f"Made on different machines or versions, which may affect the numbers: {'; '.join(differing)}."


def _differing(name: str, part: pd.DataFrame) -> str:
    """Each value of one entry of the environment with its rows; empty if all rows share one value."""
    rows: dict[str | bool | int, dict[str, None]] = {}
    for label, environment in zip(part["label"], part["environment"], strict=True):
        if (value := _made_with(name, environment)) is not None:
            rows.setdefault(value, {})[label] = None
    if len(rows) < 2:
        return ""
    return f"{name} " + " and ".join(f"{value} ({_some(labels)})" for value, labels in rows.items())


def _made_with(name: str, environment: Environment) -> str | bool | int | None:
    """One entry of an environment; None if it is not recorded."""
    without = name == "gpu" and environment.get("device") == "cpu"
    return "none" if without else environment.get(name)


def _some(names: Collection[str]) -> str:
    first = list(names)[:3]
    return ", ".join(first) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
