"""Names of methods: a method of one's own must not pass for a built-in one."""

from __future__ import annotations

import re
import unicodedata

from pmll_methods.method import REGISTRY

_LOOKALIKES = str.maketrans("аеорсухіјѕԁԛԝһοανικρτυχ01", "aeopcyxijsdqwhoavikptuxol")
"""Cyrillic and Greek letters, and digits, that look like Latin letters."""


def built_in_like(name: str) -> str | None:
    """The built-in method that a reader could take a name for: the method of that name, or of one that looks alike.

    >>> built_in_like("DualC00p"), built_in_like("dual-coop"), built_in_like("dualcoop-plus")
    ('dualcoop', 'dualcoop', None)
    """
    return _BUILT_IN.get(_skeleton(name))


def _skeleton(name: str) -> str:
    """A name without what a reader may overlook: case, accents, separators, and letters that look alike."""
    plain = unicodedata.normalize("NFKD", name).casefold().translate(_LOOKALIKES)
    return re.sub(r"[\W_]", "", "".join(each for each in plain if not unicodedata.combining(each))).replace("i", "l")


_BUILT_IN = {_skeleton(name): name for name in REGISTRY}
