"""Counter-based random numbers: one 64-bit word per (key, name), independent of machine, order and subset."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float64, UInt64

Words = UInt64[np.ndarray, " *shape"]
BLOCK = 1024
"""Images whose words are computed at a time: few enough for the cache."""


def hash64(names: Iterable[str]) -> UInt64[np.ndarray, " n"]:
    """The 8-byte BLAKE2b digest of each name (NFC, UTF-8) as a little-endian integer; read-only."""
    return _hash64(tuple(names))


@lru_cache(maxsize=8)  # the ids of one split serve all ratios and seeds; 8 bytes an id
def _hash64(names: tuple[str, ...]) -> UInt64[np.ndarray, " n"]:
    encoded = (unicodedata.normalize("NFC", name).encode() for name in names)
    digests = b"".join(hashlib.blake2b(name, digest_size=8).digest() for name in encoded)
    words = np.frombuffer(digests, dtype="<u8").astype(np.uint64)
    words.flags.writeable = False
    return words


def mix(words: Words) -> Words:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014), element-wise, modulo 2^64."""
    words = words ^ (words >> np.uint64(30))
    words *= np.uint64(0xBF58476D1CE4E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    return words


def image_words(key: str, ids: Sequence[str]) -> UInt64[np.ndarray, " n"]:
    """One word per image: mix(hash of the key XOR hash of the id)."""
    return mix(hash64([key]) ^ hash64(ids))


def entry_words(key: str, ids: Sequence[str], classes: Sequence[str]) -> UInt64[np.ndarray, "n c"]:
    """One word per image and class: mix(word of the image XOR hash of the class name)."""
    words = np.empty((len(ids), len(classes)), np.uint64)
    for rows, found in _blocks(key, ids, classes):
        words[rows] = found
    return words


def entries_below(share: float, key: str, ids: Sequence[str], classes: Sequence[str]) -> Bool[np.ndarray, "n c"]:
    """Per image and class, whether `uniform` of its word is below `share`."""
    below = np.empty((len(ids), len(classes)), np.bool_)
    for rows, found in _blocks(key, ids, classes):
        below[rows] = uniform(found) < share
    return below


def _blocks(key: str, ids: Sequence[str], classes: Sequence[str]) -> Iterator[tuple[slice, UInt64[np.ndarray, "b c"]]]:
    """The words of `entry_words`, some images at a time."""
    images, names = image_words(key, ids), hash64(classes)
    for start in range(0, len(images), BLOCK):
        rows = slice(start, start + BLOCK)
        yield rows, mix(images[rows, None] ^ names)


def uniform(words: Words) -> Float64[np.ndarray, " *shape"]:
    """The upper 53 bits of each word as a number in [0, 1)."""
    return (words >> np.uint64(11)) * 2.0**-53
