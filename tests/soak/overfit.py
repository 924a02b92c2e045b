"""The overfitting check: trains methods on 64 fully labelled scenes of `shapes` and scores them on the same scenes.

    python tests/soak/overfit.py                    # every built-in method, some minutes on one core
    python tests/soak/overfit.py coop scinet --epochs 100 --set coop.recipe.lr=0.01

A method that cannot overfit 64 scenes lacks a gradient somewhere. Prints one row of a Markdown table per method, and
exits with status 1 if a method stays below 95 mAP without a known reason.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from pmll_bench.errors import ConfigError
from pmll_bench.metrics import average_precision, mean_ap
from pmll_bench.models.kept import UnrecordedRun
from pmll_bench.plan.request import MethodRow, Request
from pmll_datasets.dataset import Images, load
from pmll_datasets.loader import ImageSet, TrainSet
from pmll_methods import registry
from pmll_methods.method import REGISTRY, MethodError
from pmll_methods.recipe import Recipe
from pmll_methods.registry import Kind
from pmll_methods.settings import Settings, resolve

SCENES = 64
BATCH = 16  # four steps an epoch for every method, and a full last batch
ENOUGH = 0.95
COMPLETE = ("full", "partial", "semi")  # regimes in which all labels can be known, the plainest first
REASONS: Mapping[str, str] = {
    "clip-zeroshot": "it trains nothing",
    "coop": "all it trains is one context for all classes; with one a class, as `coop-csp`, it comes further",
}
"""Why a method may stay below."""


@dataclass(frozen=True)
class Given:
    """What a row gives a method beyond its smoke track: settings, or other names of classes as one says them."""

    label: str = ""
    sets: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


NOTHING = Given()
ONE_HOT = Given("words=one-hot", sets=("words=one-hot",))
KNOWN = Given(
    "known names",
    names={"crescent": "moon", "rhombus": "diamond", "tear": "drop", "lightning": "bolt", "cog": "gear"},
)
"""The tower `tiny` has never read five class names, see its card, and four of these give it one and the same text; it
has read of the same shapes under these names."""
HELPED: Mapping[str, Given] = {
    "gcn-ml": ONE_HOT,
    **dict.fromkeys(("coop", "coop-sd", "scpnet", "scpnet-frozen", "scinet"), KNOWN),
}
"""Methods that know a class by its name and share what they train among classes, each tried without and with help."""


@dataclass(frozen=True)
class Alone(UnrecordedRun):
    """A run that notes the epochs that were done."""

    epochs: list[int] = field(default_factory=list)

    def report(self, epoch: int, epochs: int, losses: Mapping[str, float]) -> None:
        self.epochs.append(epoch)


@dataclass(frozen=True)
class Fit:
    """What one row of the table comes from."""

    name: str
    kind: Kind
    settings: Settings
    recipe: Recipe
    regime: str
    given: Given = NOTHING

    def train(self, data: TrainSet) -> tuple[float, int]:
        """mAP on the training images, and the epochs that were done."""
        run, method = Alone(seed=0, recipe=self.recipe, device="cpu"), self.kind.build(self.settings)
        method.fit(data, run)
        scores = method.predict(ImageSet(data.images, data.workers), run)
        return mean_ap(average_precision(scores, data.labels)), max(run.epochs, default=0)

    def row(self, reached: float, epochs: int) -> str:
        """The row of the Markdown table."""
        name = f"`{self.kind.card.name}`" + (f", {self.given.label}" if self.given.label else "")
        return f"| {name} | {self.kind.card.trains} | {epochs} | {100 * reached:.1f} |"


def plan(names: Iterable[str], epochs: int, sets: Sequence[str] = ()) -> Iterator[Fit]:
    """The rows of methods (names, or files), on the smoke track with more epochs.

    Raises `MethodError` for an unknown name or setting and for a method that can't be given all labels.
    """
    for name in names:
        kind = registry.find(name)
        regime = next((each for each in COMPLETE if each in kind.card.regimes), None)
        if regime is None:
            raise MethodError(f"{name} has no regime in which all labels are known: {', '.join(kind.card.regimes)}")
        request = Request(sets=(f"recipe.epochs={epochs}", f"recipe.batch={BATCH}", *sets))
        for given in (NOTHING, HELPED[name]) if name in HELPED else (NOTHING,):
            changes = request.overrides_of(MethodRow(name, sets=given.sets), name)
            settings, recipe, *_ = resolve(kind.card, kind.settings_class(), "smoke", changes.settings, changes.recipe)
            yield Fit(name, kind, settings, recipe, regime, given)


def fully_labelled(regime: str, names: Mapping[str, str]) -> TrainSet:
    """The scenes of `--subset 64` with all their labels, drawn once; some classes may be called by other names."""
    data = load("shapes", subset=SCENES)
    drawn = [data.train.images.read(i) for i in range(SCENES)]
    return TrainSet(
        images=Images(data.train.ids, drawn.__getitem__),
        workers=0,
        labels=data.train.labels,
        classes=data.classes,
        prompt_names=tuple(names.get(each, each) for each in data.prompt_names),
        regime=regime,
    )


def short(best: Mapping[str, float]) -> dict[str, str]:
    """The methods that stay below, each with its reason, "" where it has none."""
    return {name: REASONS.get(name, "") for name, reached in best.items() if reached < ENOUGH}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("methods", nargs="*", metavar="METHOD", help="names or files; without any: every built-in one")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=V", help="as for `pmll-bench run`")
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        fits = list(plan(asked.methods or REGISTRY, asked.epochs, asked.set))
    except (MethodError, ConfigError) as error:
        parser.error(str(error))

    print("| method | trains | epochs | training mAP |\n|---|---|---:|---:|", flush=True)
    best: dict[str, float] = {}
    for fit in fits:
        reached, epochs = fit.train(fully_labelled(fit.regime, fit.given.names))
        best[fit.name] = max(reached, best.get(fit.name, 0.0))
        print(fit.row(reached, epochs), flush=True)
    found = short(best)
    print(f"\n{len(best)} methods, {len(found)} below {100 * ENOUGH:g}")
    for name, reason in found.items():
        print(f"{name}: {reason or 'it should come further'}")
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
