"""Numbers with their nouns in messages."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """A number with its noun.

    >>> counted(1, "cell"), counted(0, "cell"), counted(2000, "class")
    ('1 cell', '0 cells', '2,000 classes')
    """
    plural = "es" if what.endswith("s") else "s"
    return f"{number:,} {what}" + ("" if number == 1 else plural)
