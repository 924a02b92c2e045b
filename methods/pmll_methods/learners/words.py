"""Which word vectors stand for the class names."""

from __future__ import annotations

from dataclasses import dataclass

from ..settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class WordSettings(Settings):
    """Where the vectors of the class names come from."""

    words: str = setting(
        "glove",
        "vectors of the class names: `glove` (glove.840B.300d) or `glove-6b` (glove.6B.300d), a file in GloVe's form, "
        "an .npy matrix, an image-text tower by name, or `one-hot`",
        "HCP-MLR-PL's vectors are of glove.840B.300d, ML-GCN's of glove.6B.300d",
    )
