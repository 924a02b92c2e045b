"""Print the zero-shot scores of `tiny` on the test split of `shapes`: `python methods/zero_shot_tiny.py`.

The prompt is "a photo of a {name}.". The score of a label is the cosine of its text feature with the image feature
(image), the maximum cosine over the 64 positions of the map (dense max), or the mean of these cosines under a softmax
with scale 20 (dense softmax). `--rename crescent=moon …` changes class names.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.nn import functional as F

from pmll_datasets import shapes
from pmll_methods.towers.clip import load_clip


def scores(names: Sequence[str], draw: int) -> Mapping[str, Tensor]:
    """Three kinds of scores [1000, 20] of the test images, for labels with these names."""
    tower = load_clip("tiny")
    texts = F.normalize(tower.encode_text(tower.tokenize([f"a photo of a {name}." for name in names])), dim=-1)
    pixels = torch.from_numpy(shapes.images("test", draw).copy()).permute(0, 3, 1, 2)
    image, dense = [], []
    for part in torch.split(tower.normalise(pixels), 100):
        image.append(F.normalize(tower.pooled(part), dim=-1) @ texts.T)
        dense.append(F.normalize(tower.dense(part, "dualcoop")[:, 1:], dim=-1) @ texts.T)
    places = torch.cat(dense)
    mixed = (places * (20 * places).softmax(dim=1)).sum(dim=1)
    return {"image": torch.cat(image), "dense max": places.amax(dim=1), "dense softmax": mixed}


def main() -> None:
    parser = argparse.ArgumentParser(description="Zero-shot scores of tiny on the test split of shapes.")
    parser.add_argument("--draw", type=int, default=0, help="which draw of shapes (default: %(default)s)")
    parser.add_argument("--rename", nargs="*", default=[], metavar="CLASS=NAME", help="replace the name of a class")
    arguments = parser.parse_args()
    prompt_names = dict(pair.split("=", 1) for pair in arguments.rename)
    names = [prompt_names.get(name, name) for name in shapes.CLASSES]
    present = shapes.labels("test", arguments.draw) > 0
    print(f"{'chance':13s} mAP {100 * present.mean():.1f}")
    for kind, found in scores(names, arguments.draw).items():
        precisions = 100 * average_precision_score(present, found.numpy(), average=None)
        by_class = ", ".join(f"{name} {p:.0f}" for name, p in zip(names, precisions, strict=True))
        print(f"{kind:13s} mAP {np.mean(precisions):.1f}  ({by_class})")


if __name__ == "__main__":
    main()
