"""Word vectors of class names: from a GloVe text file, a matrix, or the embedded `tiny` text tower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ..method import MethodError
from ..towers.clip import load_clip


def word_vectors(source: str, spoken: Sequence[str]) -> Float[Tensor, "c w"]:
    """One vector a class name, in the given order; several words are averaged.

    `source`: `tiny`, a matrix [classes, width] as .npy in the order of the classes, or a GloVe text file
    (a word and its numbers a line). Raises `MethodError` for a word that the file doesn't have.
    """
    if source == "tiny":
        tower = load_clip("tiny", None)
        with torch.no_grad():
            texts = tower.tokenize([f"a photo of a {name}." for name in spoken])
            return F.normalize(tower.encode_text(texts), dim=-1)
    path = Path(source)
    if not path.is_file():
        raise MethodError(f"no word vectors at {source}", hint="--set words=PATH: a GloVe text file or an .npy matrix")
    return _matrix(path, len(spoken)) if path.suffix == ".npy" else _glove(path, spoken)


def _matrix(path: Path, classes: int) -> Float[Tensor, "c w"]:
    matrix = np.load(path, allow_pickle=False)
    if matrix.ndim != 2 or len(matrix) != classes:
        raise MethodError(f"word vectors of shape {matrix.shape} for {classes} classes", where=str(path))
    return torch.from_numpy(matrix.astype(np.float32))


def _glove(path: Path, spoken: Sequence[str]) -> Float[Tensor, "c w"]:
    wanted = {word for name in spoken for word in name.lower().split()}
    found: dict[str, np.ndarray] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            word, _, numbers = line.partition(" ")
            if word in wanted:
                found[word] = np.array(numbers.split(), dtype=np.float32)
    if missing := sorted(wanted - found.keys()):
        raise MethodError(f"no vector for: {', '.join(missing)}", where=str(path))
    means = [np.mean([found[word] for word in name.lower().split()], axis=0) for name in spoken]
    return torch.from_numpy(np.stack(means))
