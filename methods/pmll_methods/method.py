"""The method protocol: what every method offers, what it is given, and where the built-in ones are found."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int8, Int64, UInt8

from pmll_errors import PmllError

from .recipe import Recipe, Track

Positions: TypeAlias = Int64[np.ndarray, " _"]  # the batches of a list may differ in length
Pixels: TypeAlias = UInt8[np.ndarray, "b 3 h w"]
Labels: TypeAlias = Int8[np.ndarray, "n c"]
Scores: TypeAlias = Float32[np.ndarray, "n c"]
State: TypeAlias = dict[str, Any]


@runtime_checkable
class ImageSet(Protocol):
    """Images by position and id, without labels and without paths."""

    @property
    def ids(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def batches(
        self,
        positions: Iterable[Positions],
        views: Sequence[str],
        resolution: int,
        *,
        seed: int = 0,
        epoch: int = 0,
    ) -> Iterator[tuple[Positions, tuple[Pixels, ...]]]:
        """Yield each group of positions with its images, one uint8 array a view, in the given order.

        A view is a function of (seed, epoch, image, view number); decoding runs ahead in the background.
        """
        ...


@runtime_checkable
class TrainSet(ImageSet, Protocol):
    """Training images with the labels a method may see: hidden entries are 0, the array is read-only."""

    @property
    def labels(self) -> Labels: ...
    @property
    def classes(self) -> tuple[str, ...]:
        """Official class names."""
        ...

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Class names as one says them: "dining table"."""
        ...

    @property
    def regime(self) -> str: ...


@runtime_checkable
class Run(Protocol):
    """What the bench lends a method while it trains and predicts one cell."""

    @property
    def seed(self) -> int: ...
    @property
    def device(self) -> str: ...
    @property
    def recipe(self) -> Recipe: ...
    def save(self, state: State, step: int = 0) -> None:
        """Keep a state (nested dicts and lists of tensors, numbers and text); it appears whole or not at all."""
        ...

    def restore(self, step: int | None = None) -> State | None:
        """The state saved at `step`, else the newest; None where there is none."""
        ...

    def saved_steps(self) -> tuple[int, ...]:
        """The steps at which a whole state is at hand, newest first."""
        ...

    def save_due(self) -> bool:
        """Whether enough time has passed since the last save."""
        ...

    def should_stop(self) -> bool:
        """Whether to save and raise `Stopped` at the next step."""
        ...

    def report(self, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        """Say how training goes: epochs done, epochs in all, mean of each loss term over the last epoch."""
        ...

    def record(self, name: str, positions: Positions, values: np.ndarray) -> None:
        """Hand over what a method takes for true; only the bench compares it with the truth.

        Pseudo labels: int8 [positions, classes], 1 present, -1 absent, 0 none. Or a number that the method goes by:
        `values` of no dimension, without positions.
        """
        ...

    def after_epoch(self, epoch: int, predict: Callable[[ImageSet], Scores]) -> None:
        """Let the bench predict, score and select outside the method."""
        ...


@runtime_checkable
class Method(Protocol):
    """One method with its settings: the whole contract a stranger's method has to meet."""

    def fit(self, train: TrainSet, run: Run) -> None: ...
    def predict(self, images: ImageSet, run: Run) -> Scores:
        """float32 logits [images, classes] in the order of `images`; P(present) = sigmoid(score)."""
        ...


class MethodError(PmllError):
    """A method, its settings or its weights cannot be used."""


class Stopped(Exception):
    """Training was asked to stop; its state is saved."""


class Diverged(PmllError):
    """The loss or the scores are no longer finite."""


GOLDEN = "golden vectors met"  # its equations give the numbers that the reference gives
PAPER_STEP = "one step at paper size"  # its towers, resolution and number of classes fit and run
PHOTOGRAPHS = "trained on real photographs"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a method states about itself; `pmll-bench show` and the tables' marks come from here."""

    name: str
    title: str
    paper: str
    trains: str
    revision: int = 1
    regimes: tuple[str, ...] = ("full", "partial")
    uses_labels: bool = True
    deterministic: bool = False  # the training seed is of no effect, so it is trained once per mask
    logits: bool = True  # scores are logits of P(present); otherwise thresholded F1 is left out
    shown: tuple[str, ...] = ()  # how far it has been tried: GOLDEN, PAPER_STEP, PHOTOGRAPHS
    inferred: tuple[str, ...] = ()  # what the paper and its code leave open, and what we chose
    differs: tuple[str, ...] = ()  # where the default departs from released code, and the setting that restores it
    tracks: Mapping[str, Track] = field(default_factory=dict)


class Entry(NamedTuple):
    """One line of the registry; reading it imports nothing."""

    target: str  # "module:class"
    family: str
    title: str
    inferred: bool = False  # whether its card states that something is inferred: the tables' mark


ENTRY_POINTS = "pmll_bench.methods"  # the group under which installed packages offer methods


REGISTRY: Mapping[str, Entry] = {
    "bce": Entry("pmll_methods.bce:Bce", "CNN", "masked binary cross-entropy on a CNN trunk"),
    "asl": Entry("pmll_methods.asl:Asl", "CNN", "partial asymmetric loss on a CNN trunk", inferred=True),
    "cap": Entry("pmll_methods.cap:Cap", "CNN", "class-aware pseudo-labels", inferred=True),
    "linear-probe": Entry("pmll_methods.linear_probe:LinearProbe", "CNN", "logistic regression, frozen features"),
    "an": Entry("pmll_methods.single_positive:An", "CNN", "unknown labels are absent", inferred=True),
    "an-ls": Entry("pmll_methods.single_positive:AnLs", "CNN", "the same, labels smoothed", inferred=True),
    "wan": Entry("pmll_methods.single_positive:Wan", "CNN", "unknown labels are weakly absent", inferred=True),
    "epr": Entry("pmll_methods.single_positive:Epr", "CNN", "the number of labels is expected", inferred=True),
    "role": Entry("pmll_methods.role:Role", "CNN", "labels are estimated along the way", inferred=True),
    "ll-r": Entry("pmll_methods.large_loss:LlR", "CNN", "large losses are left out", inferred=True),
    "ll-ct": Entry("pmll_methods.large_loss:LlCt", "CNN", "large losses are corrected temporarily", inferred=True),
    "ll-cp": Entry("pmll_methods.large_loss:LlCp", "CNN", "large losses are corrected permanently", inferred=True),
    "hill": Entry("pmll_methods.hill:Hill", "CNN", "confident negatives weigh less", inferred=True),
    "splc": Entry("pmll_methods.hill:Splc", "CNN", "confident unknown labels become present", inferred=True),
    "ssgrl": Entry("pmll_methods.ssgrl:Ssgrl", "CNN", "semantic decoupling and a gated graph", inferred=True),
    "gcn-ml": Entry("pmll_methods.gcn_ml:GcnMl", "CNN", "classifiers from a graph convolution", inferred=True),
    "add-gcn": Entry("pmll_methods.add_gcn:AddGcn", "CNN", "semantic attention and a dynamic graph", inferred=True),
    "kggr": Entry("pmll_methods.kggr:Kggr", "CNN", "SSGRL with a graph over classifiers, reconstructed", inferred=True),
    "sarb": Entry("pmll_methods.sarb:Sarb", "CNN", "features blended into unknown labels", inferred=True),
    "dsrb": Entry("pmll_methods.dsrb:Dsrb", "CNN", "SARB with prototypes by class and place", inferred=True),
    "sst": Entry("pmll_methods.sst:Sst", "CNN", "labels completed within and across images", inferred=True),
    "hst": Entry("pmll_methods.hst:Hst", "CNN", "SST with learned thresholds and prototypes", inferred=True),
    "clip-zeroshot": Entry("pmll_methods.zero_shot:ClipZeroShot", "CLIP", "a hand-written prompt per class"),
    "coop": Entry("pmll_methods.coop:CoOp", "CLIP", "one learned prompt for all classes", inferred=True),
    "coop-csp": Entry("pmll_methods.coop:CoOpCsp", "CLIP", "a learned prompt per class", inferred=True),
    "coop-sd": Entry("pmll_methods.sarl:CoOpSd", "CLIP", "semantic decoupling, one learned prompt", inferred=True),
    "sarl": Entry("pmll_methods.sarl:Sarl", "CLIP", "semantic decoupling, a learned prompt per class", inferred=True),
    "dualcoop": Entry("pmll_methods.dualcoop:DualCoOp", "CLIP", "two learned prompts per class", inferred=True),
    "scpnet": Entry("pmll_methods.scpnet:ScpNet", "CLIP", "prompts associated over a text graph", inferred=True),
    "scpnet-frozen": Entry("pmll_methods.scpnet:ScpNetFrozen", "CLIP", "the same on a frozen tower", inferred=True),
    "ssmll": Entry("pmll_methods.ssmll:Ssmll", "CLIP", "label-specific features and contexts", inferred=True),
    "scinet": Entry("pmll_methods.scinet:Scinet", "CLIP", "fused confidences teach harder views", inferred=True),
}


def names() -> tuple[str, ...]:
    """All methods that go by a name: the built-in ones, then installed ones."""
    installed = (point.name for point in entry_points(group=ENTRY_POINTS))
    return (*REGISTRY, *sorted(installed))


def key(seed: int, *purpose: object) -> int:
    """A 63-bit seed of its own for one purpose, so that no stream of random numbers touches another.

    >>> key(0, "init") == key(0, "init"), key(0, "init") == key(0, "order")
    (True, False)
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1
