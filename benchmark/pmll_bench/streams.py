"""Standard streams that accept any text: characters that the encoding lacks are spelled out in ASCII."""

from __future__ import annotations

import codecs
import io
import os
import sys
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import TextIO

SPELLED = {
    **{
        "±": "+-",
        "†": "#",
        "‡": "##",
        "—": "-",
        "–": "-",
        "─": "-",
        "…": "...",
        "≥": ">=",
        "≤": "<=",
        "×": "x",
        "·": "*",
    },
    **{"−": "-", "→": "->", "←": "<-", "‘": "'", "’": "'", "“": '"', "”": '"', "✓": "yes", "∈": "in", "∞": "inf"},
}


def spelled_out(text: str) -> str:
    """Text in ASCII, as close to the original as possible; characters without a close form become escapes.

    >>> print(spelled_out("71.5 ± 0.5, γ = 4, größe, 大"))
    71.5 +- 0.5, gamma = 4, gro\\xdfe, \\u5927
    """
    return "".join(_spelled(letter) for letter in text)


def _spelled(letter: str) -> str:
    if letter.isascii():
        return letter
    if letter in SPELLED:
        return SPELLED[letter]
    without_accents = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    if without_accents != letter:
        return spelled_out(without_accents)
    words = unicodedata.name(letter, "").split()
    if words[:1] == ["GREEK"] and words[-2:-1] == ["LETTER"]:
        return words[-1].lower() if "SMALL" in words else words[-1].capitalize()
    return letter.encode("ascii", "backslashreplace").decode()


def _replace(error: UnicodeError) -> tuple[str, int]:
    """An error handler for `codecs` that spells out the characters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return spelled_out(error.object[error.start : error.end]), error.end


codecs.register_error("pmll-spelled-out", _replace)


def as_printed(text: str) -> str:
    """The text as stdout displays it; use it to measure widths."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "pmll-spelled-out").decode(encoding)


def take_any_text() -> None:
    """Make stdout and stderr accept any text, whatever their encoding, even if they were closed at startup.

    A closed stream is opened on the null device. Otherwise the next opened file would get its descriptor, and the
    output of a library would end up in that file.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (open until exit)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="pmll-spelled-out")


def print_line(line: str, stream: TextIO) -> None:
    """Print and flush; a closed pipe or a full disk behind a log must not fail a cell."""
    with suppress(OSError):
        print(line, file=stream, flush=True)


def give_up_if_broken(stream: TextIO) -> None:
    """Discard the buffered text of a stream that can no longer be written.

    Otherwise Python tries to write it at exit, fails and sets its own exit code.
    """
    try:
        stream.flush()
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
