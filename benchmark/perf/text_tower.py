"""Compare the text features of learned prompts, forward and backward, with open_clip's encoding of full prompts.

    python benchmark/perf/text_tower.py --rounds 5

RN101's text tower with random weights, 16 contexts per prompt, one thread. Both sides compute the features of all
labels and the gradient of the contexts. open_clip's modules encode one row of 77 tokens per prompt, as its
`encode_text` does, with frozen weights; features and gradients must agree up to rounding.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
from in_turn import gains, in_turn, processor, spread, timed
from torch import Tensor
from training_step import floating_point_operations, largest_difference

from pmll_datasets.voc import CLASSES
from pmll_methods.nn.prompts import prompt_ids
from pmll_methods.towers.clip import load_clip
from pmll_methods.towers.clip_tower import ClipTower
from pmll_methods.towers.text import encode, plan_prompts

COCO = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip
NAMES = {"VOC": CLASSES, "COCO": COCO}


class Case(NamedTuple):
    """Prompts per label of a label set, and whether labels share their contexts."""

    labels: str
    prompts: int
    shared: bool

    def __str__(self) -> str:
        return f"{self.labels} x {self.prompts}, {'shared' if self.shared else 'class-specific'} contexts"


CASES = (Case("VOC", 2, True), Case("COCO", 1, True), Case("COCO", 2, True), Case("VOC", 2, False))
Found = tuple[Tensor, Tensor]  # features and gradient


def full_prompts(clip: ClipTower, ids: Tensor, contexts: Tensor) -> Tensor:
    """Every prompt from its 77 tokens through open_clip's modules."""
    model, n_ctx = clip.model, contexts.shape[2]
    given = contexts.expand(-1, len(ids), -1, -1).flatten(0, 1)
    rows, ends = ids.repeat(len(contexts), 1), ids.argmax(dim=1).repeat(len(contexts))
    embedded = model.token_embedding(rows)
    x = torch.cat([embedded[:, :1], given, embedded[:, 1 + n_ctx :]], dim=1) + model.positional_embedding
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask))
    features: Tensor = (x[torch.arange(len(x)), ends] @ model.text_projection).unflatten(0, (len(contexts), -1))
    return features


def check(found: Mapping[str, Found]) -> None:
    """Raise `AssertionError` unless both of our sides agree with open_clip."""
    *ours, theirs = found.values()
    for own in ours:
        for one, other, what in zip(own, theirs, ("features", "gradients"), strict=True):
            assert largest_difference(one, other) < 1e-5, f"the {what} differ"


def measure(clip: ClipTower, case: Case, n_ctx: int, rounds: int) -> None:
    """Print what both forms of ours and open_clip take, and the gains."""
    names = NAMES[case.labels]
    ids = prompt_ids(clip.tokenize, names, n_ctx)
    plan = plan_prompts(clip.text, ids, n_ctx=n_ctx, shared=case.shared)
    torch.manual_seed(0)
    drawn = 0.02 * torch.randn(case.prompts, 1 if case.shared else len(names), n_ctx, clip.text.width)
    weights = torch.randn_like(full_prompts(clip, ids, drawn))

    def side(form: Callable[[Tensor], Tensor], _: int) -> tuple[float, Found]:
        contexts = drawn.clone().requires_grad_()

        def features_and_gradient() -> Found:
            found = form(contexts)
            return found.detach(), torch.autograd.grad((weights * found).sum(), contexts)[0]

        return timed(features_and_gradient)

    forms = {
        "pmll-bench": partial(encode, clip.text, plan),
        "text_batch=joint": partial(encode, clip.with_text("fp32", joint=True).text, plan),
        "open_clip": partial(full_prompts, clip, ids),
    }
    sides = {name: partial(side, form) for name, form in forms.items()}
    work = {name: floating_point_operations(partial(each, 0)) for name, each in sides.items()}
    seconds = in_turn(sides, rounds, check)
    print(case)
    for name in sides:
        print(f"{name:>16}: {spread(seconds[name])} CPU s, {work[name] / 1e9:.1f} GFLOP")
    for name in list(sides)[:-1]:
        gained = spread(gains(seconds[name], seconds["open_clip"]))
        print(f"gain of {name}: {gained}; by FLOP {work['open_clip'] / work[name]:.3g}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tower", default="RN101:openai", help="the weights are random")
    parser.add_argument("--n-ctx", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{asked.tower}, {processor()}")
    clip = load_clip(asked.tower, "random")
    for case in CASES:
        measure(clip, case, asked.n_ctx, asked.rounds)


if __name__ == "__main__":
    main()
