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


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[int] = ()) -> str:
    """A pipe table without empty columns; columns of `numbers` are aligned to the right. Nothing if there are no rows.

    >>> print(table(["name", "note", "mAP"], [["a", "", "1.0"], ["b", "", "2.0"]], numbers=[2]))
    | name | mAP |
    | --- | ---: |
    | a | 1.0 |
    | b | 2.0 |
    """
    lines = [list(row) for row in rows]
    if not lines:
        return ""
    marks = ["---:" if place in set(numbers) else "---" for place in range(len(heads))]
    shown = [place for place in range(len(heads)) if any(line[place] for line in lines)]
    return "\n".join(f"| {' | '.join(line[place] for place in shown)} |" for line in (list(heads), marks, *lines))


def bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def page(*parts: str) -> str:
    """The parts of a page, those with content, with an empty line between two of them."""
    return "\n\n".join(part for part in parts if part) + "\n"
