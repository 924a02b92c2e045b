"""Compare steps of SST or SARB for nine ratios in lockstep with those of nine runs, ours and in the released form.

    python benchmark/perf/hcp_steps.py --method sst --rounds 3

ResNet-101 with random weights, layer4 trained, images of noise in memory, one thread; all terms of the loss are on. The
released form is in `released_label_features.py`. Each round has the steps of one ratio alone, which count nine times.
Their gradients must be equal to the bit in the group and alone; the terms of the loss equal those of the released form
up to rounding.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import released_label_features as released
import torch
from in_turn import in_turn, processor, timed
from torch import Tensor
from training_step import RATIOS, Comparison, check_bit_equal, floating_point_operations, gradients, print_steps

from pmll_methods.learners.label_features import LabelFeatureLearner
from pmll_methods.learners.learner import Batch, Step

ALL = range(len(RATIOS))
FORMS: Mapping[str, type[Any]] = {"sst": released.Sst, "sarb": released.Sarb}
AS_RELEASED: Mapping[str, Mapping[str, Any]] = {
    "sst": {"transfer_from": 0, "pair_unknown": "negative", "memory_mean": "all"},
    "sarb": {"blend_from": 0, "prototype_epochs": ()},  # the prototypes are drawn below
}
GATHERED = {  # by name of the vectors, the name of their number per class
    "sst": {"memory.slots": "memory.filled"},
    "sarb": {"prototypes.centres": "prototypes.count"},
}


def built(cells: Comparison, numbers: Sequence[int]) -> list[LabelFeatureLearner[Any]]:
    """Learners; what they gather during training, the bank or the prototypes, is drawn at random."""
    learners = [learner for learner in cells.learners(numbers) if isinstance(learner, LabelFeatureLearner)]
    for learner in learners:
        draw = torch.Generator().manual_seed(0)
        for drawn, count in GATHERED[learner.card.name].items():
            vectors = learner.get_buffer(drawn).normal_(generator=draw)
            learner.get_buffer(count).fill_(vectors.shape[1])
    return learners


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--method", choices=tuple(FORMS), default="sst")
    parser.add_argument("--tower", default="resnet101", help="the weights are random")
    parser.add_argument("--resolution", type=int, default=448)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--width", type=int, default=1024, help="channels of the label features")
    parser.add_argument("--map-pool", type=int, default=2, help="1: no pooling, for maps of 14 x 14 at 448 px")
    parser.add_argument("--steps", type=int, default=2, help="training steps; in the first, Adam makes its state")
    parser.add_argument("--fused", action="store_true", help="recipe.fused, which rounds differently")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        words = Path(folder) / "words.npy"
        np.save(words, np.random.default_rng(0).standard_normal((asked.classes, 300), dtype=np.float32))
        own = {
            "tower": asked.tower,
            "weights": "random",
            "words": str(words),
            "width": asked.width,
            "map_pool": asked.map_pool,
            **AS_RELEASED[asked.method],
        }
        names = tuple(f"thing {number}" for number in range(asked.classes))
        recipe = {"epochs": asked.steps, "fused": asked.fused}
        measure(Comparison(asked.method, own, names, asked.resolution, asked.batch, recipe=recipe), asked.rounds)


def measure(cells: Comparison, rounds: int) -> None:
    form_of = FORMS[cells.method]

    def group(number: int) -> tuple[float, dict[str, Tensor]]:
        learners = built(cells, ALL)
        seconds, _ = timed(lambda: cells.step(ALL, learners))
        return seconds, gradients(learners[number % len(ALL)])

    def alone(number: int) -> tuple[float, dict[str, Tensor]]:
        learners = built(cells, [number % len(ALL)])
        seconds, _ = timed(lambda: cells.step([number % len(ALL)], learners))
        return seconds, gradients(learners[0])

    def in_released_form(number: int) -> tuple[float, dict[str, Tensor]]:
        _, train, run = cells.cells[number % len(ALL)]
        form = form_of(built(cells, [number % len(ALL)])[0]).train()
        pixels, labels = torch.from_numpy(train.pixels), torch.from_numpy(train.labels)
        trained = [each for each in form.parameters() if each.requires_grad]
        optimizer = torch.optim.Adam(trained, lr=run.recipe.lr, weight_decay=run.recipe.weight_decay)

        def steps() -> dict[str, Tensor]:
            """The terms of the loss in the first step."""
            every = [step() for _ in range(run.recipe.epochs)]
            return every[0]

        def step() -> dict[str, Tensor]:
            terms = dict(form.terms(pixels, labels, torch.Generator().manual_seed(0)))
            optimizer.zero_grad()
            torch.stack(list(terms.values())).sum().backward()
            optimizer.step()
            return {name: term.detach() for name, term in terms.items()}

        return timed(steps)

    def check(found: Mapping[str, dict[str, Tensor]]) -> None:
        check_bit_equal(found["group"], found["alone"])

    check_terms(cells, in_released_form(4)[1])
    sides = {"group": group, "alone": alone, "released": in_released_form}
    work = {name: floating_point_operations(partial(side, 0)) for name, side in sides.items()}
    seconds = in_turn(sides, rounds, check)
    size = f"{len(cells.classes)} classes, {cells.settings['tower']} at {cells.resolution} px"
    size += f", pooled by {cells.settings['map_pool']}"
    print(f"{cells.method}, {size}, {cells.batch} images, {processor()}")
    print_steps(seconds, work)


def check_terms(cells: Comparison, expected: Mapping[str, Tensor]) -> None:
    """Raise `AssertionError` unless the terms of our loss in the first step equal those of the released form."""
    (learner,) = built(cells, [4])
    learner.train()
    _, train, _ = cells.cells[4]
    with torch.no_grad():
        features = learner.encode(torch.from_numpy(train.pixels))
    batch = Batch((features,), torch.from_numpy(train.labels), torch.arange(len(train)))
    found = learner.loss(batch, learner.head(), Step(0, 6, 0, 1, torch.Generator().manual_seed(0)))
    assert found.keys() == expected.keys()
    for name, term in found.items():
        torch.testing.assert_close(term.detach(), expected[name], rtol=1e-4, atol=1e-6, msg=f"the term {name} differs")


if __name__ == "__main__":
    main()
