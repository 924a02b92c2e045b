"""The first pass: what may be a member of an archive, and how the content of one is read.

An archive is taken only if every byte of it belongs to a member or to the directory: members follow each other without
gaps, overlaps or bytes in front or behind, so that no two readers can see different files in it.
"""

from __future__ import annotations

import hashlib
import re
import stat
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from ..package import MEMBER, MEMBERS, PACKAGE_BYTES, SCORES_BYTES, TEXT_BYTES
from ..problems import Problem
from .layout import BadLayout, Entry, data_start, entries, find_directory

RATIO = 200  # largest ratio of the size of a member to its compressed size
CHUNK = 1 << 20
STORED, DEFLATED = 0, 8
UTF8 = 0x800  # the flag of a name in UTF-8, which changes nothing for names in ASCII


@dataclass(frozen=True)
class Rules:
    """What an archive may hold: the names of members, their number, and sizes in bytes, each and in all."""

    names: re.Pattern[str]
    members: int
    total: int
    largest: Callable[[str], int]


PACKAGE = Rules(MEMBER, MEMBERS, PACKAGE_BYTES, lambda name: SCORES_BYTES if name.endswith(".npz") else TEXT_BYTES)
SCORES = Rules(re.compile(r"(scores|ids|classes)\.npy"), 3, SCORES_BYTES, lambda _: SCORES_BYTES)


@dataclass(frozen=True)
class Member:
    """A member of an archive: where its content lies, and how long it is there and when it is read."""

    name: str
    start: int
    packed: int
    size: int
    crc: int
    deflated: bool


@dataclass(frozen=True)
class Archive:
    """An open archive and its members by name."""

    file: BinaryIO
    members: Mapping[str, Member]

    def read(self, name: str) -> bytes:
        """The content of a member. Raises `BadLayout` if it is damaged."""
        return b"".join(chunks(self.file, self.members[name]))


def open_archive(file: BinaryIO, size: int, rules: Rules) -> tuple[Archive, list[Problem]]:
    """An archive of `size` bytes and all that is wrong with it, the content of its members included.

    The archive has no members if there is a problem. The number of problems is limited by that of the members.
    """
    try:
        directory = find_directory(file, size, rules.members)
        found = list(entries(file, directory))
    except BadLayout as error:
        return Archive(file, {}), [Problem("", str(error))]
    problems = [*_entry_problems(found, rules), *_size_problems(found, rules)]
    if problems:
        return Archive(file, {}), problems
    members, problems = _located(file, found, directory.start)
    problems += [] if problems else _content_problems(file, members)
    return Archive(file, {} if problems else {each.name: each for each in members}), problems


def shown(name: bytes | str) -> str:
    """A name from outside as plain ASCII of limited length."""
    text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
    plain = text.encode("unicode_escape").decode("ascii")
    return plain if len(plain) <= 100 else f"{plain[:100]}…"


def _entry_problems(found: list[Entry], rules: Rules) -> Iterator[Problem]:
    """What is wrong with the lines of a directory, one by one and together."""
    for entry in found:
        for what in _faults(entry, rules):
            yield Problem(shown(entry.name), what)
    for name, count in Counter(entry.name.lower() for entry in found).items():
        if count > 1:
            yield Problem(shown(name), f"is there {count:,} times")


def _faults(entry: Entry, rules: Rules) -> Iterator[str]:
    name = entry.name.decode("ascii", "replace")
    if not rules.names.fullmatch(name):
        yield "is not the name of a member of a package" if rules is PACKAGE else "does not belong in a scores file"
    if stat.S_IFMT(entry.kind) not in (0, stat.S_IFREG) or entry.folder:
        yield "is a link, a folder or a device, not a file"
    if entry.flags & 1:
        yield "is encrypted"
    if entry.flags & ~(1 | UTF8):
        yield f"has the flags {entry.flags:#06x}, which 'submit pack' does not set"
    if entry.method not in (STORED, DEFLATED):
        yield f"is compressed by method {entry.method}, not stored or deflated"
    if not entry.plain:
        yield "has an extra field or a comment, or is of a newer format"
    if entry.size > rules.largest(name):
        yield f"has {entry.size:,} bytes, at most {rules.largest(name):,} are allowed"
    if entry.size > RATIO * entry.packed:
        yield f"has {entry.size:,} bytes in {entry.packed:,} compressed ones, a ratio above {RATIO}"
    if entry.method == STORED and entry.size != entry.packed:
        yield "is stored, but has two sizes"


def _size_problems(found: list[Entry], rules: Rules) -> Iterator[Problem]:
    total = sum(entry.size for entry in found)
    if total > rules.total:
        yield Problem("", f"has {total:,} bytes in all, at most {rules.total:,} are allowed")


def _located(file: BinaryIO, found: list[Entry], end: int) -> tuple[list[Member], list[Problem]]:
    """The members with the places of their contents, and what is wrong with their order in the file."""
    members: list[Member] = []
    problems: list[Problem] = []
    position = 0
    for entry in sorted(found, key=lambda each: each.offset):
        name = entry.name.decode("ascii")
        try:
            start = data_start(file, entry, end)
        except BadLayout as error:
            problems.append(Problem(name, str(error)))
            continue
        if entry.offset != position and not problems:
            what = "overlaps the member before it" if entry.offset < position else "has bytes of no member before it"
            problems.append(Problem(name, what))
        position = start + entry.packed
        members.append(Member(name, start, entry.packed, entry.size, entry.crc, entry.method == DEFLATED))
    if position != end and not problems:
        problems.append(Problem("", "has bytes of no member before its directory"))
    return members, problems


def _content_problems(file: BinaryIO, members: list[Member]) -> list[Problem]:
    problems = []
    for member in members:
        try:
            for _ in chunks(file, member):
                pass
        except BadLayout as error:
            problems.append(Problem(member.name, str(error)))
    return problems


def chunks(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The content of a member, piece by piece; never more bytes than its size.

    Raises `BadLayout` if it is longer or shorter than its size, or damaged.
    """
    crc = total = 0
    for piece in _inflated(file, member) if member.deflated else _raw(file, member):
        total += len(piece)
        if total > member.size:
            raise BadLayout(f"holds more than the {member.size:,} bytes that its header says")
        crc = zlib.crc32(piece, crc)
        yield piece
    if total != member.size:
        raise BadLayout(f"holds {total:,} bytes, its header says {member.size:,}")
    if crc != member.crc:
        raise BadLayout("is damaged: its checksum differs")


def _raw(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The bytes of a member as they lie in the file."""
    for done in range(0, member.packed, CHUNK):
        file.seek(member.start + done)  # the file has one position, and readers may take turns
        piece = file.read(min(CHUNK, member.packed - done))
        if not piece:
            raise BadLayout("is cut off")
        yield piece


def _inflated(file: BinaryIO, member: Member) -> Iterator[bytes]:
    inflater, consumed = zlib.decompressobj(-zlib.MAX_WBITS), 0
    try:
        for packed in _raw(file, member):
            waiting = packed
            while not inflater.eof and (piece := inflater.decompress(waiting, CHUNK)):
                yield piece
                waiting = inflater.unconsumed_tail
            consumed += len(packed) - len(inflater.unused_data)
            if inflater.eof:
                break
    except zlib.error as error:
        raise BadLayout(f"is damaged: {error}") from None
    if not inflater.eof or consumed != member.packed:
        raise BadLayout("does not end where its compressed data does")


def digest_of(archive: Archive, name: str) -> str:
    """SHA-256 (hex) of a member."""
    total = hashlib.sha256()
    for piece in chunks(archive.file, archive.members[name]):
        total.update(piece)
    return total.hexdigest()
