"""Single file operations on file systems that fail in part or for a moment: nothing is lost or half done."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

import pytest

from failing_files import failing, no_links
from pmll_bench.errors import FileError, PassingError, StoreError
from pmll_bench.faults import PASSING, persist
from pmll_bench.files import TEMPORARY, append, make_folder, probe, publish, set_aside, settle, write_whole


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No pause between two tries; the pauses that would have been."""
    paused: list[float] = []
    monkeypatch.setattr("time.sleep", paused.append)
    return paused


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("number", sorted(PASSING), ids=errno.errorcode.get)
def test_an_error_that_passes_is_waited_for(number: int, tmp_path: Path, at_once: list[float]) -> None:
    with failing(("fsync",), number, str(tmp_path), times=4) as failed:
        write_whole(tmp_path / "x", b"all of it")
    assert len(failed) == 4
    assert (tmp_path / "x").read_bytes() == b"all of it"
    assert names(tmp_path) == ["x"]
    assert [0.75 * pause <= waited <= 1.25 * pause for pause, waited in zip((1, 3, 10, 30), at_once, strict=True)]
    assert at_once == sorted(at_once)


def test_after_five_tries_the_error_says_that_the_file_system_does_not_answer(tmp_path: Path) -> None:
    with failing(("open",), errno.ESTALE, str(tmp_path)) as failed, pytest.raises(PassingError) as caught:
        write_whole(tmp_path / "x", b"")
    assert len(failed) == 5
    assert str(caught.value).startswith(f"the file system does not answer: {os.strerror(errno.ESTALE)} ({tmp_path}/x)")
    assert not caught.value.ends_run


@pytest.mark.parametrize(
    ("number", "said", "kind"),
    [
        (errno.ENOSPC, "no space left", StoreError),
        (errno.EDQUOT, "no space left", StoreError),
        (errno.EROFS, "access refused", StoreError),
        (errno.EACCES, "access refused", StoreError),
        (errno.ENOENT, "No such file", FileError),
    ],
)
def test_other_errors_are_not_tried_again(number: int, said: str, kind: type[StoreError], tmp_path: Path) -> None:
    with failing(("replace",), number, str(tmp_path)) as failed, pytest.raises(StoreError, match=said) as caught:
        write_whole(tmp_path / "x", b"new")
    assert type(caught.value) is kind
    assert len(failed) == 1
    assert names(tmp_path) == []


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_write_that_was_done_although_an_error_was_reported_is_done_once(call: str, tmp_path: Path) -> None:
    with failing((call,), errno.EIO, str(tmp_path), times=1, after_all=True):
        write_whole(tmp_path / "x", b"content")
    assert names(tmp_path) == ["x"]
    assert (tmp_path / "x").read_bytes() == b"content"


@pytest.mark.parametrize("links", [True, False])
def test_the_first_to_publish_wins_and_the_second_changes_nothing(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    assert publish(tmp_path / "x", b"first")
    assert not publish(tmp_path / "x", b"second")
    assert (tmp_path / "x").read_bytes() == b"first"
    assert names(tmp_path) == ["x"]


def test_a_link_that_was_made_although_an_error_was_reported_counts(tmp_path: Path) -> None:
    with failing(("link",), errno.EIO, str(tmp_path), times=1, after_all=True) as failed:
        assert publish(tmp_path / "x", b"mine")
    assert failed
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS])
def test_without_hard_links_a_folder_is_renamed_instead(number: int, tmp_path: Path) -> None:
    with failing(("link",), number, str(tmp_path)), failing(("rename",), errno.EIO, ".tmp-x-", times=1, after_all=True):
        assert publish(tmp_path / "x", b"mine")
    assert (tmp_path / "x").read_bytes() == b"mine"
    assert names(tmp_path) == ["x"]


def test_what_a_killed_process_began_to_publish_without_links_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", no_links)
    (tmp_path / ".claim-x").mkdir()
    (tmp_path / ".claim-x" / "content").write_bytes(b"of the dead")
    assert not publish(tmp_path / "x", b"mine")
    assert (tmp_path / "x").read_bytes() == b"of the dead"
    assert names(tmp_path) == ["x"]


def test_a_line_that_was_half_written_is_not_left_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real, full = tmp_path / "log", Path.open, [True]
    append(path, b"one\n")

    def half(self: Path, mode: str = "r") -> object:
        file = real(self, mode)
        if full:
            write = file.write

            def cut(line: bytes) -> None:
                full.clear()
                write(line[:2])
                file.flush()
                raise OSError(errno.EIO, "Input/output error")

            monkeypatch.setattr(file, "write", cut, raising=False)
        return file

    monkeypatch.setattr(Path, "open", half)
    append(path, b"two\n")
    assert not full
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_log_whose_flush_failed_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    append(path, b"one\n")
    before = path.stat().st_ino
    with failing(("fsync",), errno.EIO, "log", times=1):
        settle(path)
    assert path.read_bytes() == b"one\n"
    assert path.stat().st_ino != before  # the kernel may have dropped the pages of the old one


def test_a_second_damaged_file_does_not_replace_the_first(tmp_path: Path) -> None:
    for content in (b"1", b"2"):
        (tmp_path / "x").write_bytes(content)
        with failing(("rename",), errno.EIO, str(tmp_path), times=1, after_all=True):
            set_aside(tmp_path / "x")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x.damaged-1": b"1", "x.damaged-2": b"2"}


def test_a_folder_that_was_removed_is_not_made_again(tmp_path: Path) -> None:
    make_folder(tmp_path / "cells/shapes/bce/0123")
    with pytest.raises(FileError):
        make_folder(tmp_path / "gone/cells/shapes/bce/0123")
    assert names(tmp_path) == ["cells"]


def test_a_probe_says_what_is_used_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe(tmp_path) == (True, True, True)
    monkeypatch.setattr(os, "link", no_links)
    assert probe(tmp_path) == (False, True, True)
    assert names(tmp_path) == []


def test_an_error_of_the_work_itself_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        persist(tmp_path, lambda: 1 // 0)


def test_a_folder_right_below_the_root_can_be_made() -> None:
    folder = Path(f"/{TEMPORARY}{secrets.token_hex(8)}")
    if not os.access("/", os.W_OK):
        pytest.skip("the root folder cannot be written")
    try:
        make_folder(folder)
        assert folder.is_dir()
    finally:
        folder.rmdir()
