"""Compare a DualCoOp step of nine ratios in lockstep with nine steps alone, ours and in the released form.

    python benchmark/perf/dualcoop.py --contexts shared --rounds 5

Random weights, images of noise in memory, one thread. The released form is written here from the paper's formulas at
the sizes of the released code: every prompt is a row of 77 tokens, the text tower's weights have gradients that are
never used, and the image head computes an attention over all positions that does not enter the logits. Each round has
one step of a ratio alone, which counts nine times. The gradient of the contexts must be equal to the bit in the group
and alone, and equal up to rounding in the released form. `--text-batch` is `recipe.text_batch`. With `group`, one call
encodes the prompts of all ratios, and the group may round differently as well.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from in_turn import in_turn, processor, timed
from torch import Tensor, nn
from torch.nn import functional as F
from training_step import RATIOS, Comparison, floating_point_operations, largest_difference, print_steps

from pmll_datasets.voc import CLASSES
from pmll_methods.dualcoop import DualCoOp
from pmll_methods.learners.learner import AnyLearner
from pmll_methods.nn.prompts import prompt_ids
from pmll_methods.recipe import Recipe
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.clip_tower import ClipTower

ALL = range(len(RATIOS))


class Released:
    """DualCoOp with one row of 77 tokens per prompt, and without anything removed that has no effect."""

    def __init__(self, tower: ClipTower, names: Sequence[str], contexts: Tensor, recipe: Recipe) -> None:
        self.tower, self.model = tower, copy.deepcopy(tower.model)
        self.model.visual.requires_grad_(False)
        for name, weight in self.model.named_parameters():
            weight.requires_grad_(not name.startswith("visual"))
        ids = prompt_ids(tower.tokenize, names, contexts.shape[2]).repeat(2, 1)
        self.ends = ids.argmax(dim=1)
        self.contexts = nn.Parameter(contexts.detach().clone())
        with torch.no_grad():
            embedded = self.model.token_embedding(ids)
        self.start, self.rest = embedded[:, :1], embedded[:, 1 + contexts.shape[2] :]
        self.optimizer = torch.optim.SGD(
            [self.contexts], lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )

    def images(self, pixels: Tensor) -> Tensor:
        """The mean token and all positions in the joint space."""
        visual, pool = self.model.visual, self.model.visual.attnpool
        with torch.no_grad():
            x = self.tower.normalise(pixels)
            for stage in ("stem", "layer1", "layer2", "layer3", "layer4"):
                x = getattr(visual, stage)(x)
            grid = pool.positional_embedding[1:].mT.unflatten(1, (pool_side(pool), -1))[None]
            grid = F.interpolate(grid, size=x.shape[2:], mode="bicubic", align_corners=False)[0].flatten(1).mT
            tokens = x.flatten(2).mT
            tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1)
            tokens = tokens + torch.cat([pool.positional_embedding[:1], grid])
            value = pool.v_proj(tokens)
            heads = (pool.q_proj(tokens), pool.k_proj(tokens), value)
            query, key, values = (each.unflatten(2, (pool.num_heads, -1)).transpose(1, 2) for each in heads)
            mixed = F.scaled_dot_product_attention(query, key, values)
            pool.c_proj(mixed.transpose(1, 2).flatten(2))  # not used
            features: Tensor = pool.c_proj(value)
        return features

    def texts(self) -> Tensor:
        """Negative and positive prompts of all classes, [2 c, e]."""
        classes = len(self.start) // 2
        contexts = self.contexts.expand(-1, classes, -1, -1).flatten(0, 1)
        x = torch.cat([self.start, contexts, self.rest], dim=1) + self.model.positional_embedding
        x = self.model.ln_final(self.model.transformer(x, attn_mask=self.model.attn_mask))
        read: Tensor = x[torch.arange(len(x)), self.ends] @ self.model.text_projection
        return read

    def step(self, pixels: Tensor, labels: Tensor) -> None:
        features, texts = F.normalize(self.images(pixels), dim=-1), F.normalize(self.texts(), dim=-1)
        cosines = (features @ texts.mT).mT.unflatten(1, (2, -1))
        weights = (20 * cosines[:, 1]).softmax(dim=-1)
        p = (100 * (weights[:, None] * cosines).sum(dim=-1)).softmax(dim=1)[:, 1]
        loss = 0.03 * released_asl(p, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def contexts_of(learner: AnyLearner) -> nn.Parameter:
    """The contexts, whose gradient is that of the last step."""
    assert isinstance(learner, DualCoOp)
    return learner.prompts.contexts


def gradient(contexts: nn.Parameter) -> Tensor:
    assert contexts.grad is not None
    return contexts.grad


def pool_side(pool: Any) -> int:
    """The side of the pretrained grid of positions."""
    return int((len(pool.positional_embedding) - 1) ** 0.5)


def released_asl(p: Tensor, labels: Tensor) -> Tensor:
    """-(1 - p) log p of present and -(1 - q)² log q of absent labels, q = min(1 - p + 0.05, 1); weights detached."""
    q = (1 - p + 0.05).clamp(max=1)
    present = (1 - p).detach() * p.clamp(min=1e-6).log()
    absent = (1 - q).detach() ** 2 * q.clamp(min=1e-6).log()
    return -((labels > 0) * present + (labels < 0) * absent).sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--contexts", choices=("shared", "class-specific"), default="shared")
    parser.add_argument("--tower", default="RN101:openai", help="the weights are random")
    parser.add_argument("--resolution", type=int, default=448)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--text-batch", choices=("cell", "joint", "group"), default="cell")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    settings = {"tower": asked.tower, "weights": "random", "class_specific": asked.contexts != "shared"}
    recipe = {} if asked.text_batch == "cell" else {"text_batch": asked.text_batch}
    cells = Comparison("dualcoop", settings, CLASSES[: asked.classes], asked.resolution, asked.batch, "voc2007", recipe)
    tower = load_clip(asked.tower, "random")

    def group(number: int) -> tuple[float, Tensor]:
        learners = cells.learners(ALL)
        seconds, _ = timed(lambda: cells.step(ALL, learners))
        return seconds, gradient(contexts_of(learners[number % len(ALL)]))

    def alone(number: int) -> tuple[float, Tensor]:
        cell = number % len(ALL)
        learners = cells.learners([cell])
        seconds, _ = timed(lambda: cells.step([cell], learners))
        return seconds, gradient(contexts_of(learners[0]))

    def released(number: int) -> tuple[float, Tensor]:
        form, pixels, labels = written_out(number % len(ALL))
        seconds, _ = timed(lambda: form.step(pixels, labels))
        return seconds, gradient(form.contexts)

    def written_out(cell: int) -> tuple[Released, Tensor, Tensor]:
        """The released form of a cell with the same contexts, and its batch."""
        _, train, run = cells.cells[cell]
        form = Released(tower, train.classes, contexts_of(cells.learners([cell])[0]), run.recipe)
        return form, torch.from_numpy(train.pixels), torch.from_numpy(train.labels)

    def check(gradients: Mapping[str, Tensor]) -> None:
        if asked.text_batch != "group":
            assert torch.equal(gradients["group"], gradients["alone"]), "a step in the group differs from a step alone"
        assert largest_difference(gradients["group"], gradients["alone"]) < 1e-4, "the group differs"
        assert largest_difference(gradients["released"], gradients["alone"]) < 1e-3, "the released form differs"

    sides = {"group": group, "alone": alone, "released": released}
    work = {name: floating_point_operations(partial(side, 0)) for name, side in sides.items()}  # also a warm-up
    seconds = in_turn(sides, asked.rounds, check)
    print(f"{asked.contexts} contexts, recipe.text_batch={asked.text_batch}, {asked.classes} classes, {processor()}")
    print(f"{asked.tower} at {asked.resolution} px, {asked.batch} images, one thread")
    print_steps(seconds, work)


if __name__ == "__main__":
    main()
