"""Parts of a Markdown page: tables, lists, and texts of the code in which marks of Markdown are harmless."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any


def plain(text: Any) -> str:
    r"""A text of the code, whose spans in backticks stay code, as part of a line or of a table.

    >>> plain("f(a*b*c) | `x|y` <z>")
    'f(a\\*b\\*c) \\| `x\\|y` \\<z>'
    """
    parts = re.split(r"(`[^`]*`)", " ".join(str(text).split()))
    marked = (part if part.startswith("`") else re.sub(r"([*_<\[\]{}$~\\])", r"\\\1", part) for part in parts)
    return "".join(marked).replace("|", "\\|")


def code(value: Any) -> str:
    """A value as code, for a table; nothing for an empty text.

    >>> code("a | b"), code("")
    ('`a \\\\| b`', '')
    """
    return f"`{value}`".replace("|", "\\|") if str(value) else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: int = 0) -> str:
    """A pipe table; the last `numbers` columns are aligned to the right. Nothing if there are no rows."""
    lines = [list(row) for row in rows]
    if not lines:
        return ""
    marks = ["---"] * (len(heads) - numbers) + ["---:"] * numbers
    return "\n".join(f"| {' | '.join(line)} |" for line in (list(heads), marks, *lines))


def bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def page(*parts: str) -> str:
    """The parts of a page, those with content, with an empty line between two of them."""
    return "\n\n".join(part for part in parts if part) + "\n"
