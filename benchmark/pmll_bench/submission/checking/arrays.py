"""The arrays of a scores file: their headers are compared with what is expected before a byte of data is used.

The data are read as plain numbers and characters: no code path unpickles anything.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Shaped

from ..problems import Problem
from .container import SCORES, open_archive, shown

SCORES_NPY, IDS_NPY, CLASSES_NPY = "scores.npy", "ids.npy", "classes.npy"
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': (?P<dtype>.{1,200}?), 'fortran_order': (?P<columns>False|True), "
    rb"'shape': \((?P<shape>[0-9, ]{0,60})\), \} *\n"
)
_LONGEST = 1_000  # bytes of a header, and characters of an id or a class name


class Arrays(NamedTuple):
    """The arrays of a scores file; `ids` and `classes` are arrays of text."""

    scores: Float32[np.ndarray, "n c"]
    ids: Shaped[np.ndarray, " n"]
    classes: Shaped[np.ndarray, " c"]


def read_arrays(content: bytes, images: int, classes: int, name: str) -> tuple[Arrays | None, list[Problem]]:
    """The arrays of a scores file of `images` x `classes` scores, and all that is wrong with them.

    `name` is that of the file in its package. None if an array is missing or has another type or shape.
    """
    archive, problems = open_archive(io.BytesIO(content), len(content), SCORES)
    wanted = {SCORES_NPY: (images, classes), IDS_NPY: (images,), CLASSES_NPY: (classes,)}
    if not problems:
        problems = [Problem(each, "is missing") for each in wanted if each not in archive.members]
    if problems:
        return None, [Problem(_inside(name, each.member), each.what) for each in problems]
    found = {}
    for each, shape in wanted.items():
        array = _array(archive.read(each), shape)
        if isinstance(array, str):
            problems.append(Problem(_inside(name, each), array))
        else:
            found[each] = array
    if problems:
        return None, problems
    return Arrays(found[SCORES_NPY], found[IDS_NPY], found[CLASSES_NPY]), []


def _inside(name: str, member: str) -> str:
    return f"{name}/{member}" if member else name


def _array(content: bytes, shape: tuple[int, ...]) -> np.ndarray | str:
    """The array in an `.npy` file of this shape, or what is wrong with it: scores have two axes, text has one."""
    if not content.startswith(_MAGIC):
        return "is not an .npy file of version 1.0"
    end = len(_MAGIC) + 2 + int.from_bytes(content[8:10], "little")
    header = content[10:end]
    found = _HEADER.fullmatch(header) if len(header) <= _LONGEST else None
    if found is None:
        return f"has a header that numpy does not write: {shown(header[:100])}"
    text = found["dtype"].decode("latin-1")
    letters = re.fullmatch(r"'<U(\d{1,4})'", text)
    if (text != "'<f4'" if len(shape) > 1 else not letters) or (letters and int(letters[1]) > _LONGEST):
        return f"has the type {shown(text)}, not {'<f4' if len(shape) > 1 else f'<U1 to <U{_LONGEST}'}"
    if found["columns"] == b"True" and len(shape) > 1:
        return "is in Fortran order, not row by row"
    given = tuple(int(each) for each in found["shape"].split(b",") if each.strip())
    if given != shape:
        return f"has the shape {_shape(given)}, the data set needs {_shape(shape)}"
    dtype = np.dtype(np.str_ if letters else np.float32)
    if letters:
        dtype = np.dtype(f"<U{int(letters[1])}")
    wanted = dtype.itemsize * int(np.prod(shape))
    if len(content) - end != wanted:
        return f"has {len(content) - end:,} bytes of data, its type and shape need {wanted:,}"
    return np.frombuffer(content, dtype, offset=end).reshape(shape) if wanted else np.zeros(shape, dtype)


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "of a single number"


def finite_problems(scores: Float32[np.ndarray, "n c"], name: str) -> Iterator[Problem]:
    """The rows with a score that is not finite."""
    for row in np.flatnonzero(~np.isfinite(scores).all(axis=1)):
        column = int(np.flatnonzero(~np.isfinite(scores[row]))[0])
        yield Problem(_inside(name, SCORES_NPY), f"the score of class {column} is {scores[row, column]}", int(row))


def order_problem(found: Shaped[np.ndarray, " n"], ours: Sequence[str], name: str, kind: str) -> Problem | None:
    """Why the ids or classes are not ours in our order, with the first row that differs; None if they are.

    Another order is refused and not sorted: the bytes of the file are the identity of the scores, and every reader of a
    store needs them in the order of the data set.
    """
    expected = np.array(ours)
    differs = np.flatnonzero(found != expected)
    if not len(differs):
        return None
    row = int(differs[0])
    text, same = text_at(found, row), np.array_equal(np.sort(found), np.sort(expected))
    what = f"has {kind} in another order than the data set" if same else f"has other {kind} than the data set"
    return Problem(_inside(name, f"{kind}.npy"), f"{what}: {shown(text)}, expected {shown(ours[row])}", row)


def text_at(array: Shaped[np.ndarray, " n"], row: int) -> str:
    """A text of an array, with anything that is not Unicode written as escapes."""
    return array[row : row + 1].tobytes().decode("utf-32-le", "backslashreplace").rstrip("\0")
