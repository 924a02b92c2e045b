"""The method protocol: what a method implements, what it receives, and the registry of built-in methods."""

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
State: TypeAlias = dict[str, Any]  # nested dicts and lists of tensors, numbers and strings


@runtime_checkable
class ImageSet(Protocol):
    """Images by position and id, without access to labels or paths."""

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
        """Yield each batch of positions with its images, one uint8 array per view, in the given order.

        A view is a function of (seed, epoch, image, view number). Images are decoded ahead in the background.
        """
        ...


@runtime_checkable
class TrainSet(ImageSet, Protocol):
    """Training images and their masked labels: hidden entries are 0. The array is read-only."""

    @property
    def labels(self) -> Labels: ...
    @property
    def classes(self) -> tuple[str, ...]:
        """Official class names."""
        ...

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """Class names in natural language: "dining table"."""
        ...

    @property
    def regime(self) -> str: ...


@runtime_checkable
class Run(Protocol):
    """The interface to the benchmark while a method trains and predicts one cell."""

    @property
    def seed(self) -> int: ...
    @property
    def device(self) -> str: ...
    @property
    def recipe(self) -> Recipe: ...
    def save(self, state: State, step: int = 0) -> None:
        """Save a state (nested dicts and lists of tensors, numbers and strings) atomically."""
        ...

    def restore(self, step: int | None = None) -> State | None:
        """The state saved at `step`, by default the newest; None if there is none."""
        ...

    def saved_steps(self) -> tuple[int, ...]:
        """The steps of the saved states, newest first."""
        ...

    def save_due(self) -> bool:
        """Whether enough time has passed since the last save."""
        ...

    def should_stop(self) -> bool:
        """Whether to save the state and raise `Stopped` before the next step."""
        ...

    def report(self, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        """Report progress: epochs done, total epochs, mean of each loss term over the last epoch."""
        ...

    def record(self, name: str, positions: Positions, values: np.ndarray) -> None:
        """Record pseudo-labels, which the benchmark compares with the complete labels, or an estimated number.

        `values` is int8 [positions, classes]: 1 present, -1 absent, 0 none. For a number, it is an array without
        dimensions, and `positions` is empty.
        """
        ...

    def after_epoch(self, epoch: int, predict: Callable[[ImageSet], Scores]) -> None:
        """Let the benchmark predict, score and select after an epoch."""
        ...

    def wants(self, epoch: int, predict: Callable[[ImageSet], Scores], scores: Scores | None = None) -> ImageSet | None:
        """`after_epoch` in single steps, for cells that share predictions: the images to score next, None at the end.

        The first call passes no scores, each further one those of the images that the last one returned.
        """
        ...


@runtime_checkable
class Method(Protocol):
    """A method with its settings. Any class with `fit` and `predict` can be benchmarked."""

    def fit(self, train: TrainSet, run: Run) -> None:
        """Train on the images and masked labels of `train` with `run.recipe`."""
        ...

    def predict(self, images: ImageSet, run: Run) -> Scores:
        """float32 logits [images, classes] in the order of `images`; P(present) = sigmoid(score)."""
        ...


class MethodError(PmllError):
    """A method, its settings or its weights cannot be used."""


class Stopped(Exception):
    """Training stopped on request; its state is saved."""


class Diverged(PmllError):
    """The loss or the scores are no longer finite."""


GOLDEN = "golden vectors met"  # its equations reproduce the reference numbers
PAPER_STEP = "one step at paper size"  # with the paper's towers, resolution and number of classes
PHOTOGRAPHS = "trained on real photographs"


@dataclass(frozen=True, kw_only=True)
class Card:
    """The description of a method, which `pmll-bench show` prints and tables use for their marks."""

    name: str
    title: str
    paper: str
    trains: str
    revision: int = 1
    regimes: tuple[str, ...] = ("full", "partial")
    uses_labels: bool = True
    deterministic: bool = False  # the training seed has no effect: trained once per mask
    logits: bool = True  # scores are logits of P(present); if not, there is no thresholded F1
    shown: tuple[str, ...] = ()  # the evidence: GOLDEN, PAPER_STEP, PHOTOGRAPHS
    inferred: tuple[str, ...] = ()  # our choices where the paper and its code leave something open
    differs: tuple[str, ...] = ()  # departures from released code, and the settings that restore it
    tracks: Mapping[str, Track] = field(default_factory=dict)


class Growth(NamedTuple):
    """How the memory of one cell in training grows with its classes, in bytes: a rough estimate of the peak.

    Only what matters for thousands of classes is counted: not the tower, and nothing that is computed in chunks.
    """

    per_class: float = 0.0
    per_square: float = 0.0  # multiplies the squared number of classes
    per_label: float = 0.0  # multiplies the number of training images and that of classes
    relief: str = ""  # a setting that lowers it

    def bytes(self, classes: int, images: int) -> float:
        """The estimate for a data set with that many classes and training images."""
        return self.per_class * classes + self.per_square * classes**2 + self.per_label * images * classes


class Entry(NamedTuple):
    """One line of the registry; reading it imports nothing. `revision` is that of the card."""

    target: str  # "module:class"
    family: str
    title: str
    revision: int = 1


ENTRY_POINTS = "pmll_bench.methods"  # the entry-point group of methods in installed packages


REGISTRY: Mapping[str, Entry] = {
    "bce": Entry("pmll_methods.bce:Bce", "CNN", "masked binary cross-entropy on a CNN trunk"),
    "asl": Entry("pmll_methods.asl:Asl", "CNN", "partial asymmetric loss on a CNN trunk"),
    "cap": Entry("pmll_methods.cap:Cap", "CNN", "class-aware pseudo-labels", 2),
    "linear-probe": Entry("pmll_methods.linear_probe:LinearProbe", "CNN", "logistic regression, frozen features"),
    "an": Entry("pmll_methods.single_positive:An", "CNN", "unknown labels are absent"),
    "an-ls": Entry("pmll_methods.single_positive:AnLs", "CNN", "an, with label smoothing"),
    "wan": Entry("pmll_methods.single_positive:Wan", "CNN", "unknown labels are absent, with a small weight"),
    "epr": Entry("pmll_methods.single_positive:Epr", "CNN", "the number of labels per image is regularised"),
    "role": Entry("pmll_methods.role:Role", "CNN", "labels are estimated during training"),
    "ll-r": Entry("pmll_methods.large_loss:LlR", "CNN", "large losses are rejected"),
    "ll-ct": Entry("pmll_methods.large_loss:LlCt", "CNN", "large losses are corrected temporarily"),
    "ll-cp": Entry("pmll_methods.large_loss:LlCp", "CNN", "large losses are corrected permanently", 2),
    "hill": Entry("pmll_methods.hill:Hill", "CNN", "confident negatives are down-weighted", 3),
    "splc": Entry("pmll_methods.hill:Splc", "CNN", "confident unknown labels are corrected to present", 3),
    "ssgrl": Entry("pmll_methods.ssgrl:Ssgrl", "CNN", "semantic decoupling and a gated graph"),
    "gcn-ml": Entry("pmll_methods.gcn_ml:GcnMl", "CNN", "classifiers from a graph convolution", 2),
    "add-gcn": Entry("pmll_methods.add_gcn:AddGcn", "CNN", "semantic attention and a dynamic graph"),
    "kggr": Entry("pmll_methods.kggr:Kggr", "CNN", "SSGRL with a graph over classifiers, reconstructed"),
    "sarb": Entry("pmll_methods.sarb:Sarb", "CNN", "features blended into unknown labels"),
    "dsrb": Entry("pmll_methods.dsrb:Dsrb", "CNN", "SARB with prototypes by class and location"),
    "sst": Entry("pmll_methods.sst:Sst", "CNN", "pseudo-labels within and across images"),
    "hst": Entry("pmll_methods.hst:Hst", "CNN", "SST with learned thresholds and prototypes"),
    "clip-zeroshot": Entry("pmll_methods.zero_shot:ClipZeroShot", "CLIP", "a hand-written prompt per class"),
    "coop": Entry("pmll_methods.coop:CoOp", "CLIP", "one learned prompt for all classes", 2),
    "coop-csp": Entry("pmll_methods.coop:CoOpCsp", "CLIP", "one learned prompt per class", 2),
    "coop-sd": Entry("pmll_methods.sarl:CoOpSd", "CLIP", "semantic decoupling, one learned prompt", 3),
    "sarl": Entry("pmll_methods.sarl:Sarl", "CLIP", "semantic decoupling, one learned prompt per class", 3),
    "dualcoop": Entry("pmll_methods.dualcoop:DualCoOp", "CLIP", "two learned prompts per class", 2),
    "scpnet": Entry("pmll_methods.scpnet:ScpNet", "CLIP", "prompts refined over a label graph", 3),
    "scpnet-frozen": Entry("pmll_methods.scpnet:ScpNetFrozen", "CLIP", "scpnet on a frozen image tower", 3),
    "ssmll": Entry("pmll_methods.ssmll:Ssmll", "CLIP", "label-specific features and contexts", 2),
    "scinet": Entry("pmll_methods.scinet:Scinet", "CLIP", "fused confidences supervise harder views", 3),
}


# Methods whose cards list nothing as inferred; tables mark the others with †. The set is stated here because tables are
# printed without importing torch and the methods; a test compares it with the cards.
NOTHING_INFERRED = frozenset({"bce", "linear-probe", "clip-zeroshot"})


def names() -> tuple[str, ...]:
    """The names of all methods: the built-in ones, then those of installed packages."""
    installed = (point.name for point in entry_points(group=ENTRY_POINTS))
    return (*REGISTRY, *sorted(installed))


def key(seed: int, *purpose: object) -> int:
    """A 63-bit seed for one purpose, independent of the seeds for all others.

    >>> key(0, "init") == key(0, "init"), key(0, "init") == key(0, "order")
    (True, False)
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1
