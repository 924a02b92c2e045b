"""Measure on a GPU what its settings gain and how much they round, and print a Markdown table with its name.

    python benchmark/perf/gpu.py                        # one CUDA device, sized for less than ten minutes
    python benchmark/perf/gpu.py --device cpu --tiny    # the same comparisons at a tiny size; says nothing about a GPU

Random weights, images of noise in memory, no network. The sides of a comparison run in turn, after a warm-up. A time is
wall-clock time until the device is idle; on a CPU, it is CPU time. A difference is the largest one to the first side,
relative to the largest entry: of the changes of the trained weights, of gradients, or of features.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, TypeAlias
from unittest.mock import patch

import numpy as np
import torch
from in_turn import gains, in_turn, processor, spread, timed
from torch import Tensor
from training_step import Comparison, Noise, largest_difference

from pmll_datasets.voc import CLASSES
from pmll_methods.devices import matmul_precision
from pmll_methods.engine import feed, loss_log
from pmll_methods.engine.loop import fit_group
from pmll_methods.learners.learner import AnyLearner
from pmll_methods.nn.prompts import PromptContexts
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.cnn import load_trunk
from pmll_methods.towers.text import encode

Measured: TypeAlias = tuple[float, Tensor]  # seconds, and what the sides are compared by
Sides: TypeAlias = Mapping[str, Callable[[int], Measured]]


class Size(NamedTuple):
    """The size of all comparisons."""

    towers: tuple[str, ...]  # the first is that of the training steps
    trunk: str
    resolution: int
    batch: int
    classes: int
    cells: int
    steps: int
    rounds: int


PAPER = Size(("RN101:openai", "ViT-B-16:openai"), "resnet101", 448, 32, 20, 9, 10, 5)
TINY = Size(("tiny",), "tiny", 64, 2, 3, 2, 2, 1)


@dataclass(frozen=True)
class Repeated(Noise):
    """A batch of noise that every step repeats, without a copy in host memory."""

    steps: int = 1

    def __len__(self) -> int:
        return self.steps * len(self.pixels)

    def batches(self, positions: Any, views: Sequence[str], *_: Any, **__: Any) -> Iterator[Any]:
        for rows in positions:
            yield rows, (self.pixels[: len(rows)],) * len(views)


@dataclass(frozen=True)
class Bench:
    """The device and the size of all comparisons."""

    device: str
    size: Size

    def timed(self, call: Callable[[], Tensor]) -> Measured:
        """The time of a call, to the end of its work on the device, and its result."""
        if self.device == "cpu":
            return timed(call)
        torch.cuda.synchronize()
        started, result = time.perf_counter(), call()
        torch.cuda.synchronize()
        return time.perf_counter() - started, result

    def steps(self, method: str, settings: Mapping[str, Any], sides: Mapping[str, Changes]) -> Sides:
        """Training steps of the nine ratios in one group; a side changes the recipe, or replaces a part of the loop."""
        size = self.size
        given = {"weights": "random", **settings}
        comparison = Comparison(method, given, CLASSES[: size.classes], size.resolution, size.batch, "voc2007")
        return {name: partial(self._steps, comparison, changes) for name, changes in sides.items()}

    def _steps(self, comparison: Comparison, changes: Changes, number: int) -> Measured:
        trains, learners, runs = [], [], []
        for method, train, run in comparison.cells[: self.size.cells]:
            recipe = run.recipe.at(**changes.recipe)
            labels = np.tile(train.labels, (self.size.steps, 1))
            trains.append(Repeated(train.pixels, labels, train.classes, steps=self.size.steps))
            runs.append(replace(run, recipe=recipe, device=self.device))
            learners.append(method.build(trains[-1], runs[-1]))
        before = weights(learners)

        def train_all() -> Tensor:
            with changes.replaced(), matmul_precision(runs[0].recipe.matmul):
                failures = fit_group(learners, trains[0], runs)
            for failure in failures:
                if failure is not None:
                    raise failure
            return weights(learners)

        seconds, after = self.timed(train_all)
        return seconds / self.size.steps, after - before

    def texts(self) -> Sides:
        """Forward and backward of the prompts of all cells, from the contexts to the features of the texts."""
        size = self.size
        tower = load_clip(size.towers[0], "random").to(self.device)
        torch.manual_seed(0)
        names = CLASSES[: size.classes]
        cells = [PromptContexts(tower, names, prompts=2).to(self.device) for _ in range(size.cells)]
        contexts = torch.cat([cell.contexts.detach() for cell in cells]).requires_grad_()

        def side(parts: int, precision: Any, matmul: str, number: int) -> Measured:
            def call() -> Tensor:
                contexts.grad = None
                for part in contexts.chunk(parts):
                    features = encode(tower.with_text(precision).text, cells[0].plan, part)
                    features.backward(torch.ones_like(features))
                assert contexts.grad is not None
                return contexts.grad

            with matmul_precision(matmul):
                return self.timed(call)

        return {
            "a call per cell": partial(side, size.cells, "fp32", "highest"),
            "one call": partial(side, 1, "fp32", "highest"),
            "one call, TF32": partial(side, 1, "fp32", "high"),
            "one call, bf16": partial(side, 1, "bf16", "highest"),
        }

    def tower(self, name: str) -> Sides:
        """Global features of a batch of images."""
        tower = load_clip(name, "random").to(self.device)
        pixels = torch.randint(0, 256, (self.size.batch, 3, *[self.size.resolution] * 2), dtype=torch.uint8)
        images = tower.normalise(pixels.to(self.device))

        def side(context: Callable[[], AbstractContextManager[Any]], number: int) -> Measured:
            with torch.no_grad(), context():
                return self.timed(lambda: tower.images.pooled(images).float())

        kind = torch.device(self.device).type
        return {
            "fp32, convolutions as set by torch": partial(side, nullcontext),
            "fp32, no TF32 in convolutions": partial(side, full_convolutions),
            "fp32, TF32 in matrix products": partial(side, partial(matmul_precision, "high")),
            "bf16": partial(side, partial(torch.autocast, kind, torch.bfloat16)),
        }

    def trained_top(self) -> Sides:
        """Forward and backward of the trained stage of a trunk, after its frozen stages in channels-last memory."""
        trunk, side = load_trunk(self.size.trunk, "random").to(self.device), self.size.resolution
        pixels = torch.randint(0, 256, (self.size.batch, 3, side, side), dtype=torch.uint8).to(self.device)
        with torch.no_grad():
            features = trunk.prefix(trunk.normalise(pixels), "layer4")

        def side_of(memory: torch.memory_format, number: int) -> Measured:
            top = trunk.top("layer4").to(self.device).to(memory_format=memory)

            def call() -> Tensor:
                top(features).mean().backward()
                return torch.cat([each.grad.flatten() for each in top.parameters() if each.grad is not None])

            return self.timed(call)

        return {
            "weights as loaded": partial(side_of, torch.preserve_format),
            "weights in channels-last memory": partial(side_of, torch.channels_last),
        }


@dataclass(frozen=True)
class Changes:
    """What a side changes: fields of the recipe, and a part of the loop that is replaced."""

    recipe: Mapping[str, Any]
    replaced: Callable[[], AbstractContextManager[Any]] = nullcontext


def every_step_read() -> AbstractContextManager[Any]:
    """The losses are read in every step, for which the host waits."""
    return patch.object(loss_log, "steps_per_read", lambda device: 1)


def copied_in_turn() -> AbstractContextManager[Any]:
    """Images are copied from ordinary memory, for which the host waits."""
    return patch.object(feed, "beside_work", lambda tensor, device: tensor.to(device))


@contextmanager
def full_convolutions() -> Iterator[None]:
    """Convolutions do not use TF32."""
    before, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def weights(learners: Sequence[AnyLearner]) -> Tensor:
    """All trained weights in one vector."""
    kept = [each.detach().flatten() for learner in learners for each in learner.parameters() if each.requires_grad]
    return torch.cat(kept)


STEPS = {
    "defaults": Changes({}),
    "losses read in every step": Changes({}, every_step_read),
    "images copied in turn": Changes({}, copied_in_turn),
    "`recipe.text_batch=joint`": Changes({"text_batch": "joint"}),
    "`recipe.text_batch=group`": Changes({"text_batch": "group"}),
    "… and `recipe.matmul=high`": Changes({"text_batch": "group", "matmul": "high"}),
    "… and `recipe.text_precision=bf16`": Changes({"text_batch": "group", "text_precision": "bf16"}),
}
SST_STEPS = {
    **{name: STEPS[name] for name in ("defaults", "losses read in every step", "images copied in turn")},
    "`recipe.fused=true`": Changes({"fused": True}),
}


def comparisons(bench: Bench) -> Iterator[tuple[str, Callable[[], Sides]]]:
    """Each comparison with its title; its sides are built when it is their turn."""
    size = bench.size
    group = f"{size.cells} ratios, {size.classes} classes, batch {size.batch}, {size.resolution} px"
    tower = {"tower": size.towers[0]}
    for contexts in ("shared", "class-specific"):
        settings = {**tower, "class_specific": contexts != "shared"}
        yield f"step of `dualcoop`, {contexts} contexts, {group}", partial(bench.steps, "dualcoop", settings, STEPS)
    trunk = {"tower": size.trunk, "words": "one-hot", **({"width": 16} if size is TINY else {})}
    yield f"step of `sst`, {group}", partial(bench.steps, "sst", trunk, SST_STEPS)
    yield f"texts of {size.cells} cells, forward and backward", bench.texts
    for name in size.towers:
        yield f"image tower {name}, batch {size.batch}, {size.resolution} px", partial(bench.tower, name)
    yield f"trained layer4 of {size.trunk}, forward and backward; not a setting", bench.trained_top


def rows(title: str, sides: Sides, rounds: int) -> Iterator[str]:
    """One row of the table per side."""
    found: dict[str, Tensor] = {}
    for side in sides.values():
        side(-1)  # warm-up
    seconds = in_turn(sides, rounds, found.update)
    first = next(iter(sides))
    for name, taken in seconds.items():
        times = spread([1000 * each for each in taken])
        gain = "1" if name == first else f"{statistics.median(gains(taken, seconds[first])):.3g}"
        difference = "" if name == first else f"{largest_difference(found[name], found[first]):.1g}"
        yield f"| {title} | {name} | {times} | {gain} | {difference} |"
        title = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="tiny towers and images, one round: a test of this script")
    asked = parser.parse_args()
    bench = Bench(asked.device, TINY if asked.tiny else PAPER)
    on_cpu = asked.device == "cpu"
    name = processor() if on_cpu else f"{torch.cuda.get_device_name(asked.device)}, CUDA {torch.version.cuda}"
    print(f"{name}, torch {torch.__version__}\n", flush=True)
    print("| comparison | side | ms (median and range) | times as fast | difference |\n|---|---|---|---:|---:|")
    failed = 0
    for title, sides in comparisons(bench):
        try:
            for row in rows(title, sides(), bench.size.rounds):
                print(row, flush=True)
        except Exception as error:
            failed += 1
            print(f"| {title} | failed | {type(error).__name__}: {error} | | |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
