"""Hostile containers: each is refused with its reason before anything in it is used, and nothing is written."""

from __future__ import annotations

import io
import re
import stat
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hostile_packages import MOMENT, honest, many_entries, refused, with_entry, zipped
from pmll_bench.submission.package import MEMBERS

CENTRAL, LOCAL = b"PK\1\2", b"PK\3\4"


def places(content: bytes, sign: bytes) -> list[int]:
    """Where the records of a kind begin."""
    return [found.start() for found in re.finditer(re.escape(sign), content)]


def patched(sign: bytes, at: int, value: bytes) -> bytes:
    """An honest package with other bytes in the last record of a kind."""
    content = zipped(honest())
    place = places(content, sign)[-1] + at
    return content[:place] + value + content[place + len(value) :]


def named(name: str) -> bytes:
    """An honest package with one more member."""
    return with_entry(lambda _: None, b"evil", name)


def of_kind(kind: int) -> bytes:
    """An honest package whose `environment.txt` has the type of another kind of file."""
    return with_entry(lambda entry: setattr(entry, "external_attr", kind << 16), b"/etc/passwd")


def backslash() -> bytes:
    return zipped(honest()).replace(b"environment.txt", b"..\\..\\evilx.txt")


def twice() -> bytes:
    held = io.BytesIO(zipped(honest()))
    with zipfile.ZipFile(held, "a") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file.writestr(zipfile.ZipInfo("submission.json", MOMENT), b"another")
    return held.getvalue()


def overlapping() -> bytes:
    """A member whose line in the directory leads to the bytes of another, as in bombs of overlapping members."""
    content = zipped(honest())
    first, second, *_ = places(content, CENTRAL)
    return content[: second + 42] + content[first + 42 : first + 46] + content[second + 46 :]


def quoted() -> bytes:
    """A member that is said to go on over the header and the content of the next one."""
    held = io.BytesIO()
    members = {"cells/0123456789abcdef/cell.json": b"{}", "cells/0123456789abcdef/result.json": b"{}"}
    with zipfile.ZipFile(held, "w") as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name, MOMENT), data)
    content = bytearray(held.getvalue())
    (_, second), (line, _) = places(bytes(content), LOCAL), places(bytes(content), CENTRAL)
    length = (line - 30 - len("cells/0123456789abcdef/cell.json")).to_bytes(4, "little")
    for at in (18, 22):
        content[at : at + 4] = content[line + at + 2 : line + at + 6] = length
    assert second < line
    return bytes(content)


def damaged() -> bytes:
    content = zipped(honest())
    place = places(content, LOCAL)[-1] + 60
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def text_of_zeros(size: int) -> bytes:
    return zipped({**honest(), "environment.txt": bytes(size)})


HOSTILE: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "an empty file": (lambda: b"", "is empty"),
    "not a zip": (lambda: b"%PDF-1.7" + bytes(100), "is not a zip"),
    "a truncated zip": (lambda: zipped(honest())[:-30], "is cut off"),
    "the second half of a zip": (lambda: zipped(honest())[9000:], "a directory that does not end where"),
    "bytes in front": (lambda: b"#!/bin/sh\n" + zipped(honest()), "a directory that does not end where"),
    "bytes behind": (lambda: zipped(honest()) + b"<script>", "has bytes after its end"),
    "a comment": (lambda: zipped(honest())[:-2] + b"\2\0hi", "has bytes after its end"),
    "zip-slip": (lambda: named("../../evil.py"), r"\.\./\.\./evil\.py, row None: is not the name of a member"),
    "an absolute name": (lambda: named("/etc/cron.d/evil"), "/etc/cron.d/evil.*is not the name of a member"),
    "a backslash name": (backslash, "evilx.*is not the name of a member"),
    "a drive": (lambda: named("C:evil.py"), "is not the name of a member"),
    "a script in a name": (lambda: named("methods/<script>alert(1)</script>.py"), "is not the name of a member"),
    "a folder": (lambda: named("cells/0123456789abcdef/"), "is not the name of a member"),
    "a method outside its folder": (lambda: named("methods/../evil.py"), "is not the name of a member"),
    "a link": (lambda: of_kind(stat.S_IFLNK | 0o777), "is a link, a folder or a device"),
    "a device": (lambda: of_kind(stat.S_IFCHR | 0o666), "is a link, a folder or a device"),
    "a pipe": (lambda: of_kind(stat.S_IFIFO | 0o666), "is a link, a folder or a device"),
    "a member twice": (twice, "submission.json, row None: is there 2 times"),
    "a member in other case": (lambda: named("Submission.json"), "submission.json, row None: is there 2 times"),
    "an encrypted member": (lambda: patched(CENTRAL, 8, b"\1\0"), "is encrypted"),
    "an unknown compression": (lambda: patched(CENTRAL, 10, b"\x0c\0"), "is compressed by method 12"),
    "a bomb": (lambda: text_of_zeros(900_000), "a ratio above 200"),
    "a huge text": (lambda: text_of_zeros(2_000_000), "has 2,000,000 bytes, at most 1,000,000 are allowed"),
    "a member said to be huge": (lambda: patched(CENTRAL, 24, b"\0\0\0\xf0"), "at most 1,000,000 are allowed"),
    "a member said to be small": (lambda: patched(CENTRAL, 24, b"\1\0\0\0"), "header that differs from the directory"),
    "another name in front of the content": (lambda: patched(LOCAL, 30, b"X"), "header that differs from the dir"),
    "overlapping members": (overlapping, "has a header that differs from the directory|overlaps the member before it"),
    "a member over the next one": (quoted, "result.json.*overlaps the member before it"),
    "a damaged member": (damaged, "submission.json, row None: (is damaged|does not end)"),
    "more cells than are said": (lambda: many_entries(100, said=3), "a directory with more in it than its members"),
    "fewer cells than are said": (lambda: many_entries(3, said=100), "its directory ends or is damaged after 3"),
    "a million cells": (lambda: many_entries(10**6), f"has 1,000,000 members, at most {MEMBERS:,} are allowed"),
    "a million cells said to be three": (lambda: many_entries(10**6, said=3), "has a directory of 78,000,000 bytes"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_container_is_refused_with_its_reason(tmp_path: Path, kind: str) -> None:
    build, reason = HOSTILE[kind]
    found = refused(tmp_path, build())
    assert re.search(reason, found), found


def test_a_member_that_holds_more_than_both_headers_say_is_read_no_further(tmp_path: Path) -> None:
    content = zipped(honest())
    for sign, at in ((LOCAL, 22), (CENTRAL, 24)):
        place = places(content, sign)[-1] + at
        content = content[:place] + (100).to_bytes(4, "little") + content[place + 4 :]
    assert "submission.json, row None: holds more than the 100 bytes" in refused(tmp_path, content)


def test_all_problems_of_a_container_are_listed_at_once(tmp_path: Path) -> None:
    link = with_entry(lambda entry: setattr(entry, "external_attr", 0xA1FF << 16), b"", "../x")
    assert len(refused(tmp_path, link).splitlines()) == 2
