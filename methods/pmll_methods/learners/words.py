"""The setting of the word vectors of class names."""

from __future__ import annotations

from dataclasses import dataclass

from ..settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class WordSettings(Settings):
    """The source of the word vectors of class names."""

    words: str = setting(
        "glove",
        "word vectors of class names: `glove` (glove.840B.300d), `glove-6b` (glove.6B.300d), a file in GloVe's format, "
        "an .npy matrix, an image-text tower by name, or `one-hot`",
        "HCP-MLR-PL: glove.840B.300d; ML-GCN: glove.6B.300d",
    )
