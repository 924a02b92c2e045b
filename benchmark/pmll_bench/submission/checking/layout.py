"""The records of a zip as they lie in the file: the end record, the central directory and the local headers.

Nothing here trusts a number of the file: counts, sizes and offsets are compared with each other and with the size of
the file before anything is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_SIZES64 = struct.Struct("<2H2Q")  # the only extra field: sizes of 8 bytes, which numpy always writes
_FULL, _FULL16 = 0xFFFFFFFF, 0xFFFF
_NEWEST = 45  # version of the format: the one with sizes of 8 bytes
PER_MEMBER = 200  # bytes of the directory; a name has at most 90
_TAIL = 22 + 65_535  # bytes at the end in which other readers look for the end record


class BadLayout(Exception):
    """The file is not a zip as `submit pack` writes it; the text says why."""


class Directory(NamedTuple):
    """Where the central directory lies, and how many members it says to have."""

    start: int
    size: int
    members: int


@dataclass(frozen=True)
class Entry:
    """A line of the central directory. `kind` has the bits of the type of a file, as `st_mode` has."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    kind: int
    folder: bool
    plain: bool  # no extra field, no comment, first disk, no newer format
    offset: int


def find_directory(file: BinaryIO, size: int, most: int) -> Directory:
    """The central directory of a zip of `size` bytes with at most `most` members.

    Raises `BadLayout`; nothing else in the file has been read then.
    """
    found = _end_record(file, size)
    if found.members > most:
        raise BadLayout(f"has {found.members:,} members, at most {most:,} are allowed")
    if found.size > most * PER_MEMBER:
        raise BadLayout(f"has a directory of {found.size:,} bytes, at most {most * PER_MEMBER:,} are allowed")
    return found


def _end_record(file: BinaryIO, size: int) -> Directory:
    tail = _read(file, size - _END.size, _END.size) if size >= _END.size else b""
    if not tail.startswith(b"PK\5\6"):
        raise BadLayout(_why_no_end(file, size))
    _, disk, first_disk, here, members, length, start, comment = _END.unpack(tail)
    if comment or disk or first_disk or here != members:
        raise BadLayout("has a comment or several parts")
    end = size - _END.size
    if _FULL16 in (here, members) or _FULL in (length, start):
        members, length, start, end = _end_record_64(file, end)
    if start + length != end:
        raise BadLayout("has a directory that does not end where the end record begins")
    return Directory(start, length, members)


def _end_record_64(file: BinaryIO, end: int) -> tuple[int, int, int, int]:
    """(members, size and start of the directory, start of the record) of a zip with numbers of 8 bytes."""
    start = end - _LOCATOR.size - _END64.size
    if start < 0:
        raise BadLayout("lacks the end record for large archives")
    sign, length, _, _, disk, first_disk, here, members, directory, at = _END64.unpack(_read(file, start, _END64.size))
    locator, of_disk, place, disks = _LOCATOR.unpack(_read(file, start + _END64.size, _LOCATOR.size))
    signs = sign == b"PK\6\6" and locator == b"PK\6\7"
    if not signs or (length, place, here) != (_END64.size - 12, start, members) or disk or first_disk or of_disk:
        raise BadLayout("has a damaged end record for large archives")
    if disks > 1:
        raise BadLayout("has several parts")
    return members, directory, at, start


def _why_no_end(file: BinaryIO, size: int) -> str:
    if not size:
        return "is empty"
    length = min(size, _TAIL)
    if b"PK\5\6" in _read(file, size - length, length):
        return "has bytes after its end"
    start = _read(file, 0, min(size, 4))
    return "is cut off: it has no end record" if start == b"PK\3\4" else "is not a zip"


def entries(file: BinaryIO, directory: Directory) -> Iterator[Entry]:
    """The lines of the central directory. Raises `BadLayout` unless they fill it exactly."""
    content = _read(file, directory.start, directory.size)
    position = 0
    for number in range(directory.members):
        if content[position : position + 4] != b"PK\1\2" or position + _CENTRAL.size > len(content):
            raise BadLayout(f"has {directory.members:,} members, but its directory ends or is damaged after {number:,}")
        _, _, version, flags, method, _, _, crc, packed, size, name, extra, comment, disk, _, mode, offset = (
            _CENTRAL.unpack_from(content, position)
        )
        position += _CENTRAL.size
        yield Entry(
            name=content[position : position + name],
            flags=flags,
            method=method,
            crc=crc,
            packed=packed,
            size=size,
            kind=mode >> 16,
            folder=bool(mode & 0x10),
            plain=version <= _NEWEST and not (extra or comment or disk),
            offset=offset,
        )
        position += name + extra + comment
    if position != len(content):
        raise BadLayout("has a directory with more in it than its members")


def data_start(file: BinaryIO, entry: Entry, end: int) -> int:
    """Where the content of a member begins. `end` is where the directory does.

    Raises `BadLayout` if the header in front of the content differs from the directory, or if content or header
    reach into the directory.
    """
    if entry.offset + _LOCAL.size > end:
        raise BadLayout("lies outside the archive")
    sign, version, flags, method, _, _, crc, packed, size, name, extra = _LOCAL.unpack(
        _read(file, entry.offset, _LOCAL.size)
    )
    if sign != b"PK\3\4" or version > _NEWEST:
        raise BadLayout("has no header at its place, or one of a newer format")
    start = entry.offset + _LOCAL.size + name + extra
    if start + entry.packed > end:
        raise BadLayout("lies outside the archive")
    text = _read(file, entry.offset + _LOCAL.size, name + extra)
    if extra:
        size, packed = _sizes_of(text[name:], size, packed)
    if (text[:name], flags, method, crc, packed, size) != (
        entry.name,
        entry.flags,
        entry.method,
        entry.crc,
        entry.packed,
        entry.size,
    ):
        raise BadLayout("has a header that differs from the directory")
    return int(start)


def _sizes_of(extra: bytes, size: int, packed: int) -> tuple[int, int]:
    """The sizes in the extra field of a header. Raises `BadLayout` for any other extra field."""
    if len(extra) != _SIZES64.size or (size, packed) != (_FULL, _FULL):
        raise BadLayout("has an extra field")
    kind, length, full_size, full_packed = _SIZES64.unpack(extra)
    if (kind, length) != (1, 16):
        raise BadLayout("has an extra field")
    return full_size, full_packed


def _read(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    content = file.read(length)
    if len(content) != length:
        raise BadLayout("is shorter than its records say")
    return content
