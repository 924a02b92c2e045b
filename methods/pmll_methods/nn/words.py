"""Word vectors of class names: from a GloVe text file, a matrix, or the text half of an image-text tower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ..method import MethodError
from ..settings import Settings, setting
from ..towers.clip import ClipTower, load_clip
from ..towers.weights import ONE_HOT, words_path

PROMPT = "a photo of a {name}."  # CLIP's text half was trained on captions, not on single words


@dataclass(frozen=True, kw_only=True)
class WordSettings(Settings):
    """Where the vectors of the class names come from."""

    words: str = setting(
        "tiny",
        "vectors of the class names: a GloVe text file, an .npy matrix, an image-text tower by name, or `one-hot`",
        "released: GloVe, 300 numbers a word",
    )


def word_vectors(source: str | ClipTower, spoken: Sequence[str]) -> Float[Tensor, "c w"]:
    """One vector a class name, in the given order.

    `source`: a GloVe text file (a word and its numbers a line; the words of a name are averaged), a matrix
    [classes, width] as .npy in the order of the classes, an image-text tower (itself, or a name that `load_clip`
    takes), whose features of a short sentence are of length 1, or `one-hot`, which knows of no likeness between
    classes. Raises `MethodError` for a file that isn't there, doesn't fit, or lacks a word.
    """
    if source == ONE_HOT:
        return torch.eye(len(spoken))
    if isinstance(source, ClipTower):
        return _text_features(source, spoken)
    path = words_path(source)
    if path is None:
        return _text_features(load_clip(source, None), spoken)
    return _matrix(path, len(spoken)) if path.suffix == ".npy" else _glove(path, spoken)


def _text_features(tower: ClipTower, spoken: Sequence[str]) -> Float[Tensor, "c w"]:
    texts = tower.tokenize([PROMPT.format(name=name) for name in spoken])
    return F.normalize(tower.encode_text(texts), dim=-1)


def _matrix(path: Path, classes: int) -> Float[Tensor, "c w"]:
    try:
        matrix = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise MethodError(f"not a matrix: {error}", where=str(path)) from error
    if matrix.ndim != 2 or len(matrix) != classes:
        raise MethodError(f"word vectors of shape {matrix.shape} for {classes} classes", where=str(path))
    return torch.from_numpy(matrix.astype(np.float32))


def _glove(path: Path, spoken: Sequence[str]) -> Float[Tensor, "c w"]:
    names = [name.lower().split() for name in spoken]
    found = dict(_vectors(path, {word for name in names for word in name}))
    if missing := sorted({word for name in names for word in name} - found.keys()):
        raise MethodError(f"no vector for: {', '.join(missing)}", where=str(path))
    return torch.from_numpy(np.stack([np.mean([found[word] for word in name], axis=0) for name in names]))


def _vectors(path: Path, wanted: set[str]) -> Iterator[tuple[str, np.ndarray]]:
    """The wanted words of a GloVe file. A line with more numbers than the first begins with several words."""
    width = 0
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                word, _, numbers = line.partition(" ")
                width = width or numbers.count(" ")  # word2vec's form has a first line of two numbers: still 0
                if word in wanted and numbers.count(" ") == width:
                    yield word, np.array(numbers.split(), dtype=np.float32)
    except ValueError as error:  # no text, or no numbers
        raise MethodError(f"not a GloVe text file: {error}", where=str(path)) from error
