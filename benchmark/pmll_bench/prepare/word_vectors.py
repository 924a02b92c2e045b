"""Word vectors from official GloVe files in the data folder, or downloaded once; the needed words are cached."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np

from pmll_datasets.errors import DataError, unknown
from pmll_datasets.fetch import check, download
from pmll_datasets.sources import Archive
from pmll_errors import DAMAGED_ARCHIVE
from pmll_methods.towers.glove import FILES, Kept, kept_path, read_kept, read_lines, words_of

from ..errors import StoreError
from ..files import write_whole

log = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[str, int, int], None]

_STANFORD = "https://nlp.stanford.edu/data"
ARCHIVES: Mapping[str, Archive] = {  # Stanford publishes no checksums; several projects use these
    "glove": Archive(
        f"{_STANFORD}/glove.840B.300d.zip",
        2_176_768_927,
        "sha256:c06db255e65095393609f19a4cfca20bf3a71e20cc53e892aafa490347e3849f",
        "glove.840B.300d.txt",
    ),
    "glove-6b": Archive(
        f"{_STANFORD}/glove.6B.zip",
        862_182_613,
        "sha256:617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb",
        "glove.6B.300d.txt",
    ),
}
SIZES = {"glove": 5_646_236_541, "glove-6b": 1_037_962_819}  # bytes of the text file in each archive
ALWAYS = Path(__file__).with_name("glove_words.txt")  # the words of VOC, COCO, NUS-WIDE, CUB and shapes
EVERY = 1 << 16  # lines between two reports of progress


def missing(name: str, prompt_names: Sequence[str]) -> bool:
    """Whether words of these class names are not in the cache."""
    return bool(read_kept(name).lacks(prompt_names))


def whole_file(name: str, data_root: Path | None) -> Path | None:
    """The official archive or its text file in the data folder; None if there is none."""
    if data_root is None:
        return None
    archive = ARCHIVES[name]
    places = [folder / file for folder in (data_root, data_root / "glove") for file in (archive.name, archive.proof)]
    return next((place for place in places if place.is_file()), None)


def cache_vectors(
    name: str, prompt_names: Iterable[str], data_root: Path | None = None, progress: Progress | None = None
) -> Kept:
    """Ensure that the cache has the vectors of these class names and of the built-in data sets.

    The official file is read from the data folder if it is there, else downloaded and removed afterwards. Raises
    `DataError` for an unknown name, a failed download, or a file that is not the official one.
    """
    if name not in FILES:
        raise unknown("word vectors", name, FILES)
    kept, names = read_kept(name), list(prompt_names)
    if kept.vectors and not kept.lacks(names):
        log.info("word vectors %s read from the cache %s", name, kept_path(name))
        return kept
    report = progress or (lambda *_: None)
    wanted = words_of([*names, *ALWAYS.read_text("utf-8").split()]) | kept.vectors.keys() | kept.absent
    here = whole_file(name, data_root)
    source = here or download(ARCHIVES[name], kept_path(name).parent, report)
    with _official_lines(name, source, checked=here is None) as lines:
        encoded = {word.encode() for word in wanted}
        found = dict(read_lines(_reported(lines, ARCHIVES[name].proof, SIZES[name], report), encoded))
    kept = Kept(found, frozenset(wanted - found.keys()))
    _write(kept, kept_path(name))
    if here is None:
        source.unlink(missing_ok=True)  # another process may have removed it
    return kept


@contextmanager
def _official_lines(name: str, path: Path, *, checked: bool) -> Iterator[IO[bytes]]:
    """The lines of an official text file, packed or unpacked. Raises `DataError` for any other file."""
    archive, other = ARCHIVES[name], f"remove it; for your own vectors use --set words={path}"
    if path.suffix == ".txt":
        if (size := path.stat().st_size) != SIZES[name]:
            what = f"{path.name} has {size:,} bytes, but the official file has {SIZES[name]:,}"
            raise DataError(what, where=path, hint=other)
        with path.open("rb") as lines:
            yield lines
        return
    if not checked:
        check(path, archive, hint=other)
    try:
        with zipfile.ZipFile(path) as zipped, zipped.open(archive.proof) as lines:
            yield lines
    except DAMAGED_ARCHIVE as error:
        raise DataError(f"the archive is damaged: {error}", where=path, hint="remove it and fetch again") from error


def _reported(lines: Iterable[bytes], name: str, total: int, progress: Progress) -> Iterator[bytes]:
    """The same lines; progress is reported after every `EVERY` lines."""
    read = 0
    for number, line in enumerate(lines, 1):
        read += len(line)
        if number % EVERY == 0:
            progress(name, min(read, total), total)
        yield line
    progress(name, total, total)


def _write(kept: Kept, path: Path) -> None:
    """Write the cache atomically."""
    rows = np.stack(list(kept.vectors.values())) if kept.vectors else np.zeros((0, 0), np.float32)
    words, absent = np.array(list(kept.vectors), dtype=str), np.array(sorted(kept.absent), dtype=str)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda file: np.savez(file, words=words, vectors=rows, absent=absent))
    except (OSError, StoreError) as error:
        what = (
            f"the word vectors could not be cached: {error.what if isinstance(error, StoreError) else error.strerror}"
        )
        raise DataError(what, where=path, hint="check disk space and permissions, or set XDG_CACHE_HOME") from error
