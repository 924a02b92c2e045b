"""Word vectors of class names, from a GloVe text file, a matrix, or the text encoder of an image-text tower."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional as F

from ..method import MethodError
from . import glove
from .clip_tower import ClipTower
from .weights import ONE_HOT, words_path

PROMPT = "a photo of a {name}."  # CLIP's text encoder was trained on captions, not on single words


def word_vectors(source: str | ClipTower, prompt_names: Sequence[str]) -> Float[Tensor, "c w"]:
    """One vector per class name, in the given order.

    Args:
        source: `glove`, `glove-6b` or a text file in their format (the vectors of the words in a name are averaged); an
            .npy matrix [classes, width], in the order of the classes; an image-text tower or its name for `load_clip`
            (text features of a short sentence, of unit length); or `one-hot`, without similarities between classes.
        prompt_names: class names in natural language.

    Raises:
        MethodError: A file does not exist, does not fit the classes, or lacks a word.
    """
    if source == ONE_HOT:
        return torch.eye(len(prompt_names))
    if isinstance(source, ClipTower):
        return _text_features(source, prompt_names)
    if source in glove.FILES:
        return torch.from_numpy(glove.kept_vectors(source, prompt_names))
    path = words_path(source)
    if path is None:
        from .clip import load_clip  # it imports open_clip, which takes seconds

        return _text_features(load_clip(source, None), prompt_names)
    status = path.stat()
    return torch.tensor(_file_vectors(path, status.st_size, status.st_mtime_ns, tuple(prompt_names)))


@lru_cache(maxsize=8)
def _file_vectors(path: Path, size: int, mtime_ns: int, prompt_names: tuple[str, ...]) -> Float32[np.ndarray, "c w"]:
    """Vectors from a matrix or a file in GloVe's format. The file may be large; it is read again only if it changes."""
    vectors = _matrix(path, len(prompt_names)) if path.suffix == ".npy" else glove.file_vectors(path, prompt_names)
    wrong = [name for name, vector in zip(prompt_names, vectors, strict=True) if not np.isfinite(vector).all()]
    if wrong:
        what = f"NaN or infinite numbers in {len(wrong)} word vectors, the first of {wrong[0]!r}"
        raise MethodError(what, where=str(path), hint="repair the file, or use another one: --set words=FILE")
    return vectors


def _text_features(tower: ClipTower, prompt_names: Sequence[str]) -> Float[Tensor, "c w"]:
    texts = tower.tokenize([PROMPT.format(name=name) for name in prompt_names])
    return F.normalize(tower.encode_text(texts), dim=-1)


def _matrix(path: Path, classes: int) -> Float32[np.ndarray, "c w"]:
    try:
        matrix = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise MethodError(f"not a matrix: {error}", where=str(path)) from error
    if matrix.ndim != 2 or len(matrix) != classes:
        raise MethodError(f"word vectors of shape {matrix.shape} for {classes} classes", where=str(path))
    found: np.ndarray = matrix.astype(np.float32)
    return found
