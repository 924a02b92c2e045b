"""Prints what `tiny` scores on the test split of `shapes` without training: `python methods/zero_shot_tiny.py`.

The prompt is "a photo of a {name}."; the score of a label is the cosine of its text with the picture's embedding
("image"), with the best of the 64 places of the map ("dense max"), or with their softmax-weighted mean at 20 ("dense").
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from pretrain_tiny import OTHER_NAMES, pooled_and_dense
from sklearn.metrics import average_precision_score

from pmll_datasets import shapes
from pmll_methods.towers.tiny import load_tiny, tokenizer


def scores(names: list[str], draw: int) -> dict[str, torch.Tensor]:
    """Three scores [1000, 20] of the test pictures for labels of these names."""
    model = load_tiny()
    pixels = torch.from_numpy(shapes.pictures("test", draw).copy()).permute(0, 3, 1, 2) / 127.5 - 1
    texts = model.encode_text(tokenizer()([f"a photo of a {name}." for name in names]), normalize=True)
    pooled, dense = map(torch.cat, zip(*(pooled_and_dense(model, part) for part in pixels.split(100)), strict=True))
    places = dense @ texts.T
    mixed = (places * (20 * places).softmax(dim=1)).sum(dim=1)
    return {"image": pooled @ texts.T, "dense max": places.amax(dim=1), "dense": mixed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--draw", type=int, default=0, help="which draw of shapes (default: %(default)s)")
    parser.add_argument("--known", action="store_true", help="call the five unread classes by the names tiny has read")
    arguments = parser.parse_args()
    names = [OTHER_NAMES.get(name, name) if arguments.known else name for name in shapes.CLASSES]
    present = shapes.labels("test", arguments.draw) > 0
    print(f"chance     mAP {100 * present.mean():.1f}")
    with torch.inference_mode():
        for kind, found in scores(names, arguments.draw).items():
            precisions = 100 * average_precision_score(present, found.numpy(), average=None)
            by_class = ", ".join(f"{name} {p:.0f}" for name, p in zip(names, precisions, strict=True))
            print(f"{kind:10s} mAP {np.mean(precisions):.1f}  ({by_class})")


if __name__ == "__main__":
    main()
