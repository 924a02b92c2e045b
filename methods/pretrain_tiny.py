"""Pretrain `tiny` on generated scenes other than the benchmark's: `python methods/pretrain_tiny.py --out FOLDER`.

The scenes come from versions `pre/…` of the generator of `shapes`, in three stages from one plain object to full
clutter, with all thirty shapes equally frequent. Two losses share the image and text towers: a sigmoid contrastive
loss between images and captions (Zhai et al. 2023, SigLIP, Algorithm 1), with exact targets since the scenes are
known, and a cross-entropy that classifies the object in each cell of the 8 x 8 map (region captions with known
positions). Five shapes of the benchmark have different names here, so `tiny` has not seen these class names. The
weights are a function of the seed, the number of steps, the number of threads and the type of CPU.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from pmll_datasets.shapes import SHAPES, Difficulty, Group, scene
from pmll_methods.towers.tiny import TinyCLIP, pack, random_tiny, tokenizer

OTHER_NAMES = {"crescent": "moon", "rhombus": "diamond", "tear": "drop", "lightning": "bolt", "cog": "gear"}
NOUNS = tuple(OTHER_NAMES.get(shape, shape) for shape in SHAPES)
TEMPLATES = (
    "a photo of a {}.", "a {}.", "an image of a {}.", "there is a {} here.", "this is a {}.", "a scene with a {}.",
)  # fmt: skip

ALIKE = (Group(1, tuple(range(len(SHAPES))), (1,) * len(SHAPES)),)
STAGES = {
    "a": Difficulty((14, 26), (1, 1), (0, 0), bars=0, noise=5, contrast=200, textures=(70, 10, 10, 10), groups=ALIKE),
    "b": Difficulty((10, 22), (1, 2), (0, 0), bars=1, noise=8, contrast=120, textures=(50, 15, 15, 20), groups=ALIKE),
    "c": Difficulty((8, 20), (1, 5), (0, 0), bars=2, noise=10, contrast=60, groups=ALIKE),
}
SCENES = {"a": 4_000, "b": 12_000, "c": 24_000}

BATCH = 64
CAPTIONS = 64
LONGEST = 16  # maximum number of tokens of a caption; with a causal mask, tokens after the end token have no effect
CELL = 8
FILLED = 14  # a cell with at least this many of its 64 pixels filled shows an object
BACKGROUND = len(SHAPES)
BACKGROUND_WEIGHT = 0.25
CONTRASTIVE_WEIGHT = 5.0


@dataclass(frozen=True)
class Scenes:
    """Images and labels of scenes."""

    images: npt.NDArray[np.uint8]
    """[n, 64, 64, 3]"""
    present: npt.NDArray[np.bool_]
    """[n, 30]"""
    cells: npt.NDArray[np.int64]
    """[n, 8, 8]: the shape that fills most of a cell, or `BACKGROUND`."""

    def take(self, positions: npt.NDArray[np.int64]) -> Scenes:
        return Scenes(self.images[positions], self.present[positions], self.cells[positions])


class Objective(nn.Module):
    """The two losses and their parameters."""

    def __init__(self, model: TinyCLIP, generator: torch.Generator) -> None:
        super().__init__()
        self.model = model
        self.bias = nn.Parameter(torch.tensor(-2.5))
        self.background = nn.Parameter(torch.randn(model.visual.output_dim, generator=generator) * 0.1)

    def forward(
        self,
        images: Float[Tensor, "b 3 64 64"],
        texts: Int[Tensor, "t 32"],
        shown: Float[Tensor, "b t"],
        cells: Int[Tensor, "b 8 8"],
    ) -> tuple[Tensor, Tensor]:
        """The contrastive loss and the region loss. The first 30 texts have one noun each, in the order of `NOUNS`."""
        pooled, dense = pooled_and_dense(self.model, images)
        named = self.model.encode_text(texts, normalize=True)
        scale = self.model.logit_scale.exp()
        contrastive = F.binary_cross_entropy_with_logits(scale * pooled @ named.T + self.bias, shown)
        answers = torch.cat([named[: len(NOUNS)], F.normalize(self.background, dim=0)[None]])
        weights = torch.ones(len(answers))
        weights[BACKGROUND] = BACKGROUND_WEIGHT
        region = F.cross_entropy((scale * dense @ answers.T).flatten(0, 1), cells.flatten(), weights)
        return CONTRASTIVE_WEIGHT * contrastive, region


def pooled_and_dense(
    model: TinyCLIP, images: Float[Tensor, "b 3 64 64"]
) -> tuple[Float[Tensor, "b 96"], Float[Tensor, "b 64 96"]]:
    """Unit embeddings of each image and of each position of its map (value path of the pool, as in DualCoOp)."""
    visual = model.visual
    trunk = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(images)))))
    tokens = trunk.flatten(2).transpose(1, 2) + visual.attnpool.positional_embedding[1:]
    dense = visual.attnpool.c_proj(visual.attnpool.v_proj(tokens))
    return F.normalize(visual.attnpool(trunk), dim=-1), F.normalize(dense, dim=-1)


def cell_shapes(objects: npt.NDArray[np.uint8], shapes: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """[8, 8]: the shape of the object with the most pixels in each cell, or `BACKGROUND` if objects fill too few."""
    side = objects.shape[0] // CELL
    pixels = objects.reshape(side, CELL, side, CELL).swapaxes(1, 2).reshape(side, side, -1, 1)
    counts = (pixels == np.arange(1, len(shapes) + 1)).sum(axis=2)
    return np.where(counts.sum(axis=2) >= FILLED, np.array(shapes)[counts.argmax(axis=2)], BACKGROUND)


def render(stage: str, draw: int, indices: range) -> Scenes:
    """The scenes of one stage at `indices`."""
    scenes = [scene(f"pre/{stage}", draw, "train", index, STAGES[stage]) for index in indices]
    return Scenes(
        np.stack([each.image for each in scenes]),
        np.array([[shape in each.present for shape in range(len(SHAPES))] for each in scenes]),
        np.stack([cell_shapes(each.objects, each.shapes) for each in scenes]),
    )


def render_stages(draw: int, processes: int) -> dict[str, Scenes]:
    """All scenes of all stages, rendered by several processes."""
    stages = {}
    with ProcessPoolExecutor(processes) as pool:
        for stage, count in SCENES.items():
            chunks = [range(start, start + 500) for start in range(0, count, 500)]
            parts = list(pool.map(partial(render, stage, draw), chunks))
            stages[stage] = Scenes(
                np.concatenate([part.images for part in parts]),
                np.concatenate([part.present for part in parts]),
                np.concatenate([part.cells for part in parts]),
            )
    return stages


def shares(time_passed: float) -> tuple[float, float, float]:
    """The shares of stages a, b and c in a batch, after this fraction of the steps."""
    if time_passed < 0.1:
        return 0.6, 0.4, 0.0
    return (0.15, 0.6, 0.25) if time_passed < 0.3 else (0.0, 0.2, 0.8)


def rate(time_passed: float) -> float:
    """The learning rate relative to its peak: linear warm-up over 4 % of the steps, constant to 30 %, cosine to 0."""
    if time_passed < 0.3:
        return min(1.0, time_passed / 0.04 + 1e-3)
    return 0.5 + 0.5 * math.cos(math.pi * (time_passed - 0.3) / 0.7)


def draw_batch(stages: dict[str, Scenes], time_passed: float, rng: np.random.Generator) -> Scenes:
    """A batch mixed from the stages, mirrored with probability 0.5."""
    counts = rng.multinomial(BATCH, shares(time_passed))
    parts = [
        scenes.take(rng.integers(len(scenes.images), size=count))
        for scenes, count in zip(stages.values(), counts, strict=True)
    ]
    images = np.concatenate([part.images for part in parts])
    cells = np.concatenate([part.cells for part in parts])
    if rng.random() < 0.5:
        images, cells = images[:, :, ::-1], cells[:, :, ::-1]
    return Scenes(images, np.concatenate([part.present for part in parts]), cells)


def draw_captions(present: npt.NDArray[np.bool_], rng: np.random.Generator) -> list[tuple[int, ...]]:
    """The nouns of each caption: every single noun, then one or two nouns that are present in a random image."""
    captions: list[tuple[int, ...]] = [(noun,) for noun in range(len(NOUNS))]
    showing = np.flatnonzero(present.any(axis=1))
    for image in rng.choice(showing, CAPTIONS):
        nouns = rng.permutation(np.flatnonzero(present[image]))
        captions.append(tuple(nouns[: rng.integers(1, 3)].tolist()))
    return captions


def caption_text(nouns: tuple[int, ...], template: str) -> str:
    """For example: a photo of a key and a house."""
    return template.format(" and a ".join(NOUNS[noun] for noun in nouns))


def read_tokens() -> Int[Tensor, " n"]:
    """The sorted ids of all tokens that a caption can contain; the end token is the largest."""
    texts = [caption_text((noun, noun), template) for noun in range(len(NOUNS)) for template in TEMPLATES]
    ids: Tensor = tokenizer()(texts)[:, :LONGEST].unique()
    return ids


def train(model: TinyCLIP, stages: dict[str, Scenes], steps: int, seed: int) -> Iterator[tuple[int, float, float]]:
    """Train in place. Yields the number of each step and its two losses."""
    rng = np.random.default_rng(seed)
    token_ids, words = read_tokens(), tokenizer()
    objective = Objective(model, torch.Generator().manual_seed(seed)).train()
    optimizer = torch.optim.AdamW(objective.parameters(), lr=1.5e-3, betas=(0.9, 0.98), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step / steps))
    for step in range(steps):
        batch = draw_batch(stages, step / steps, rng)
        captions = draw_captions(batch.present, rng)
        sentences = [caption_text(nouns, TEMPLATES[rng.integers(len(TEMPLATES))]) for nouns in captions]
        texts = torch.searchsorted(token_ids, words(sentences)[:, :LONGEST].contiguous())
        shown = np.stack([batch.present[:, list(nouns)].all(axis=1) for nouns in captions], axis=1)
        pixels = torch.from_numpy(np.ascontiguousarray(batch.images)).permute(0, 3, 1, 2) / 127.5 - 1
        cells = torch.from_numpy(np.ascontiguousarray(batch.cells))
        contrastive, region = objective(pixels, texts, torch.from_numpy(shown).float(), cells)
        optimizer.zero_grad()
        (contrastive + region).backward()
        nn.utils.clip_grad_norm_(objective.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        yield step + 1, contrastive.item(), region.item()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="folder for weights.safetensors")
    parser.add_argument(
        "--steps", type=int, default=2_400, help="number of steps, of 64 images each (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save-every", type=int, default=600, help="steps between saves (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    started = time.monotonic()

    stages = render_stages(draw=arguments.seed, processes=arguments.threads)
    print(f"scenes drawn after {time.monotonic() - started:.0f} s", flush=True)
    token_ids = read_tokens()
    model = random_tiny(arguments.seed, vocabulary=len(token_ids))
    with torch.no_grad():
        model.token_embedding.weight.mul_(10)  # standard deviation 0.02 -> 0.2
    for step, contrastive, region in train(model, stages, arguments.steps, arguments.seed):
        if step % 50 == 0:
            seconds = time.monotonic() - started
            print(f"step {step:5d}  contrastive {contrastive:.3f}  region {region:.3f}  {seconds:.0f} s", flush=True)
        if step % arguments.save_every == 0 or step == arguments.steps:
            write_whole(arguments.out / "weights.safetensors", pack(model, token_ids))


if __name__ == "__main__":
    main()
