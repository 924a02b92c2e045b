"""GloVe vectors of class names, from the official files; a cache keeps the words in use. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32
from platformdirs import user_cache_path

from pmll_errors import DAMAGED_ARCHIVE

from ..method import MethodError

Vector: TypeAlias = Float32[np.ndarray, " w"]

FILES: Mapping[str, str] = {  # values of the setting `words`, and the official files of 300-dimensional vectors
    "glove": "glove.840B.300d",  # used by HCP-MLR-PL
    "glove-6b": "glove.6B.300d",  # used by ML-GCN
}
APART = {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv monitor"}
WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


@dataclass(frozen=True)
class Kept:
    """The cached part of an official file: vectors by word, and the words that it lacks."""

    vectors: Mapping[str, Vector] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()

    def lacks(self, prompt_names: Sequence[str]) -> set[str]:
        """The words of these names that are neither cached nor known to be absent."""
        return words_of(prompt_names) - self.vectors.keys() - self.absent


def kept_path(name: str) -> Path:
    """The path of the cached part of an official file, for a name in `FILES`."""
    return user_cache_path("pmll-bench") / "words" / f"{FILES[name]}.npz"


def read_kept(name: str) -> Kept:
    """The cached part of an official file; empty if it is missing or damaged."""
    try:
        with kept_path(name).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            words, rows, absent = file["words"].tolist(), file["vectors"], file["absent"].tolist()
            return Kept(dict(zip(words, rows, strict=True)), frozenset(absent))
    except (*DAMAGED_ARCHIVE, OSError, ValueError):
        return Kept()


def words_of(prompt_names: Iterable[str]) -> set[str]:
    """All words that may be looked up for these names: the words of each name, and the parts of hyphenated words."""
    words = {word for name in prompt_names for word in _split(name)}
    return words | {part for word in words for part in _parts(word)}


def kept_vectors(name: str, prompt_names: Sequence[str]) -> Float32[np.ndarray, "c w"]:
    """Vectors of class names from the cached part of an official file. Raises `MethodError` for a missing word."""
    kept = read_kept(name)
    if lacking := kept.lacks(prompt_names):
        shown = ", ".join(sorted(lacking)[:5]) + (" …" if len(lacking) > 5 else "")
        raise MethodError(
            f"the word vectors {FILES[name]} are not available for: {shown}",
            where=str(kept_path(name)),
            hint=f"pmll-bench data fetch {name}, --set words=FILE, or --set words=one-hot",
        )
    return _averaged(kept.vectors, prompt_names, where=FILES[name])


def file_vectors(path: Path, prompt_names: Sequence[str]) -> Float32[np.ndarray, "c w"]:
    """Vectors of class names from a file in GloVe's format. Raises `MethodError` for other files or a missing word."""
    wanted = {word.encode() for word in words_of(prompt_names)}
    try:
        with path.open("rb") as lines:
            found = dict(read_lines(lines, wanted))
    except ValueError as error:  # not text, or not numbers
        raise MethodError(f"not a GloVe text file: {error}", where=str(path)) from error
    return _averaged(found, prompt_names, where=str(path))


def read_lines(lines: Iterable[bytes], wanted: set[bytes]) -> Iterator[tuple[str, Vector]]:
    """The wanted words in lines of GloVe's format. Entries of several words, with more fields than the first line, are
    skipped."""
    width = 0
    for line in lines:
        word, _, numbers = line.partition(b" ")
        width = width or numbers.count(b" ")  # still 0 after the header of word2vec's format, a line of two numbers
        if word in wanted and numbers.count(b" ") == width:
            yield word.decode(), np.array(numbers.split(), dtype=np.float32)


def _averaged(found: Mapping[str, Vector], prompt_names: Sequence[str], where: str) -> Float32[np.ndarray, "c w"]:
    """The mean over the words of each name; an unknown hyphenated word is replaced by its parts."""
    names = [
        [part for word in _split(name) for part in ([word] if word in found else _parts(word) or [word])]
        for name in prompt_names
    ]
    for name, words in zip(prompt_names, names, strict=True):
        if not words:
            raise MethodError(f"the class name {name!r} has no word to look up", where=where)
    if missing := sorted({word for words in names for word in words} - found.keys()):
        raise MethodError(
            f"no vector for: {', '.join(missing)}",
            where=where,
            hint="rename the class, give an .npy matrix with --set words=FILE, or --set words=one-hot",
        )
    return np.stack([np.mean([found[word] for word in words], axis=0) for words in names])


def _split(name: str) -> list[str]:
    """The words of a name. VOC's compound names, such as diningtable, are split as in the released vectors."""
    return [word for part in WORD.findall(name.lower()) for word in APART.get(part, part).split()]


def _parts(word: str) -> list[str]:
    return re.split(r"['-]", word) if re.search(r"['-]", word) else []
