"""Leases: one process works on a cell, a dead one's work is taken over, a stopped one learns that it was."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pmll_bench.store.lease import DURATION, HEARTBEAT, Lease, LeaseHeld, is_held

HOLDER = """
import sys, time
from pathlib import Path
from pmll_bench.store.lease import Lease
with Lease(Path(sys.argv[1]), duration=float(sys.argv[2]), heartbeat=0.05) as lease:
    print("held", flush=True)
    while lease.lost is None:
        time.sleep(0.01)
    print(lease.lost, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cells" / "voc2007" / "sst" / "0123456789abcdef" / "lease"


@pytest.fixture
def holder(path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lease."""
    duration = str(getattr(request, "param", 300.0))
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path), duration], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def foreign(path: Path, age: float, pid: int = 1) -> None:
    """A lease of a process on another machine, last heard of `age` seconds ago."""
    path.parent.mkdir(parents=True)
    path.write_text(f"filelock/2\npid={pid}\nhost=node17\nmode=lease\ntoken=aa\nduration=300.0\n")
    os.utime(path, (time.time() - age,) * 2)


def test_a_lease_is_held_inside_the_block_only(path: Path) -> None:
    assert not is_held(path)
    with Lease(path) as lease:
        assert is_held(path)
        assert lease.lost is None
    assert not is_held(path)
    assert not path.exists()


def test_a_second_process_is_told_at_once(path: Path, holder: subprocess.Popen[str]) -> None:
    assert is_held(path)
    with pytest.raises(LeaseHeld, match="another process"), Lease(path):
        pass
    assert is_held(path)


def test_a_killed_process_is_followed_at_once(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    assert not is_held(path)
    with Lease(path):
        assert is_held(path)


@pytest.mark.parametrize("holder", [0.5], indirect=True)
def test_a_process_that_stood_still_too_long_learns_that_it_lost_the_lease(
    path: Path, holder: subprocess.Popen[str]
) -> None:
    holder.send_signal(signal.SIGSTOP)
    os.utime(path, (time.time() - 60,) * 2)
    assert not is_held(path, duration=0.5)
    with Lease(path, duration=0.5, heartbeat=0.05) as mine:
        holder.send_signal(signal.SIGCONT)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "owner-changed\n"
        assert mine.lost is None
        assert path.exists()


def test_another_machine_holds_its_lease_while_it_gives_signs_of_life(path: Path) -> None:
    foreign(path, age=200)
    assert is_held(path)
    with pytest.raises(LeaseHeld), Lease(path):
        pass


def test_a_process_of_another_machine_is_not_looked_for_on_this_one(path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    foreign(path, age=200, pid=ended.pid)
    assert is_held(path)


def test_another_machine_loses_its_lease_after_a_long_silence(path: Path) -> None:
    foreign(path, age=301)
    assert not is_held(path)
    with Lease(path) as lease:
        assert is_held(path)
        assert lease.lost is None


def test_an_empty_lease_file_of_a_crash_is_taken_over_when_old(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    os.utime(path, (time.time() - 301,) * 2)
    with Lease(path):
        assert is_held(path)


def test_a_process_counts_as_dead_after_five_minutes_without_a_heartbeat() -> None:
    assert (DURATION, HEARTBEAT) == (300, 60)


def test_a_process_of_another_user_holds_its_lease_and_is_sent_no_signal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int, sent: int) -> None:
        assert sent == 0
        raise PermissionError

    foreign(path, age=200)
    monkeypatch.setattr(os, "kill", refuse)
    monkeypatch.setattr(socket, "gethostname", lambda: "node17")
    assert is_held(path)


def wait_for_loss(lease: Lease) -> None:
    for _ in range(1000):
        if lease.lost is not None:
            return
        time.sleep(0.01)
    pytest.fail("the lease was not lost")


def test_the_log_names_a_lease_that_was_lost(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        with Lease(path):
            pass
        assert [record.levelname for record in caplog.records] == ["INFO"]
        with Lease(path, duration=0.5, heartbeat=0.05) as lease:
            path.unlink()
            wait_for_loss(lease)
    assert "lease lost" in caplog.text
    assert "marker-missing" in caplog.text


def test_every_thread_of_a_process_learns_that_the_lease_was_lost(path: Path) -> None:
    with Lease(path, duration=0.5, heartbeat=0.05) as lease, ThreadPoolExecutor(1) as other:
        path.unlink()
        wait_for_loss(lease)
        assert other.submit(lambda: lease.lost).result() == lease.lost
