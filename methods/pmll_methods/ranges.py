"""The numbers that settings and recipes take, by range: what lies outside is refused before anything runs."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import Field

Count: TypeAlias = Annotated[int, Field(ge=1)]
Whole: TypeAlias = Annotated[int, Field(ge=0)]  # an epoch, or how many where none will do
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]  # of a whole, or a probability
Weight: TypeAlias = Annotated[float, Field(ge=0)]  # of a term of a loss, or what does nothing at zero
Positive: TypeAlias = Annotated[float, Field(gt=0)]  # a scale, a temperature, a number to divide by

_SAID = {
    "Count": "int from 1",
    "Whole": "int from 0",
    "Share": "float from 0 to 1",
    "Weight": "float from 0",
    "Positive": "float above 0",
}


def said(annotation: str) -> str:
    """The type of a field with its ranges in words.

    >>> said("Share | None")
    'float from 0 to 1 | None'
    """
    return re.sub(r"\w+", lambda word: _SAID.get(word[0], word[0]), annotation)
