"""Number types of settings and recipes, by range. Values outside are rejected before anything runs."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import Field

Count: TypeAlias = Annotated[int, Field(ge=1)]
Whole: TypeAlias = Annotated[int, Field(ge=0)]  # an epoch, or a number that may be 0
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]  # a fraction or a probability
Weight: TypeAlias = Annotated[float, Field(ge=0)]  # the weight of a loss term; 0 turns the term off
Positive: TypeAlias = Annotated[float, Field(gt=0)]  # a scale, a temperature or a divisor

_WORDS = {
    "Count": "int from 1",
    "Whole": "int from 0",
    "Share": "float from 0 to 1",
    "Weight": "float from 0",
    "Positive": "float above 0",
}


def in_words(annotation: str) -> str:
    """The type of a field with its range or its values in words.

    >>> in_words("Share | None"), in_words("Literal['asl', 'bce'] | None")
    ('float from 0 to 1 | None', 'asl | bce | None')
    """
    listed = re.sub(r"Literal\[(.*?)\]", lambda values: " | ".join(re.findall(r"[^'\", ]+", values[1])), annotation)
    return re.sub(r"\w+", lambda word: _WORDS.get(word[0], word[0]), listed)
