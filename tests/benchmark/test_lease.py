"""Leases: one process works on a cell, a dead one's work is taken over, a stopped one learns that it was."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import SoftFileLease

from pmll_bench.store import lease as leases
from pmll_bench.store.lease import DURATION, HEARTBEAT, Clock, Lease, LeaseHeld, LeaseLost, is_held

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


def foreign(path: Path, age: float, pid: int = 1, host: str = "node17") -> None:
    """A lease of a process on another machine, last heard of `age` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"filelock/2\npid={pid}\nhost={host}\nmode=lease\ntoken=aa\nduration=300.0\n")
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


@pytest.fixture(params=[-600.0, 600.0], ids=["ten minutes behind", "ten minutes ahead"])
def wrong_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of this machine differs from that of the file system."""
    true = time.time
    monkeypatch.setattr(time, "time", lambda: true() + request.param)


@pytest.mark.usefixtures("wrong_clock")
@pytest.mark.parametrize("measured_once", [False, True])
def test_a_clock_that_is_wrong_by_ten_minutes_changes_nothing(path: Path, tmp_path: Path, measured_once: bool) -> None:
    clock = Clock(tmp_path) if measured_once else None
    now = Clock(tmp_path)()
    foreign(path, age=0)
    for age, held in ((200, True), (301, False)):
        os.utime(path, (now - age,) * 2)
        assert is_held(path, clock=clock) is held
    with Lease(path) as lease:
        assert is_held(path, clock=clock)
        assert lease.lost is None


@pytest.mark.usefixtures("wrong_clock")
def test_a_live_lease_is_not_taken_over_with_a_wrong_clock(path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(LeaseHeld), Lease(path):
        pass
    assert is_held(path)


def test_in_a_folder_that_cannot_be_written_the_clock_is_that_of_the_machine(tmp_path: Path) -> None:
    assert abs(Clock(tmp_path / "missing")() - time.time()) < 60


def test_the_time_is_measured_once_for_many_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(tmp_path)
    first = clock()
    monkeypatch.setattr(leases, "_time_in", lambda folder: pytest.fail("measured again"))
    assert first <= clock() < first + 60


def test_of_two_processes_that_find_an_expired_lease_one_gets_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign(path, age=301)
    faster = Lease(path)
    time_in = leases._time_in

    def overtaken(folder: Path) -> float:
        monkeypatch.setattr(leases, "_time_in", time_in)
        faster.__enter__()  # after the slower one has seen the expired lease, and before it removes it
        return time_in(folder)

    monkeypatch.setattr(leases, "_time_in", overtaken)
    with pytest.raises(LeaseHeld), Lease(path):
        pass
    assert is_held(path)
    faster.__exit__(None, None, None)
    assert faster.lost is None
    assert list(path.parent.iterdir()) == []


def test_a_process_of_a_container_is_not_looked_for_outside_it(path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    foreign(path, age=200, pid=ended.pid, host=f"{socket.gethostname()}?pidns-abc")
    assert is_held(path)
    with Lease(path.with_name("own")):
        foreign(path, age=200, pid=ended.pid, host=own_name(path.with_name("own")))
    assert not is_held(path)


def own_name(path: Path) -> str:
    """The name of this machine, or container, as a lease of this process has it."""
    owner = SoftFileLease(path).owner
    assert owner is not None
    return owner.hostname


def test_an_empty_lease_file_of_a_crash_is_taken_over_when_old(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.touch()
    os.utime(path, (time.time() - 301,) * 2)
    with Lease(path):
        assert is_held(path)


KILLED = """
import os, signal, sys
from pathlib import Path
from pmll_bench.store.lease import Lease
write = os.write
def killed(file, content):
    write(file, bytes(content)[:int(sys.argv[2])])
    os.kill(os.getpid(), signal.SIGKILL)
os.write = killed
Lease(Path(sys.argv[1])).__enter__()
"""


@pytest.mark.parametrize("written", [0, 30], ids=["nothing", "a part"])
def test_a_process_killed_before_it_wrote_its_name_is_followed_within_seconds(
    path: Path, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "NAMELESS", 0.5)
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path), str(written)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert path.stat().st_size == written
    with Lease(path):
        assert is_held(path)


def test_a_process_that_is_slow_to_write_its_name_keeps_its_lease(path: Path) -> None:
    foreign(path, age=0)
    content = path.read_text()
    path.write_text("")
    slow = threading.Timer(0.5, path.write_text, [content])
    slow.start()
    with pytest.raises(LeaseHeld), Lease(path):
        pass
    slow.join()
    assert path.read_text() == content


def test_a_process_counts_as_dead_after_five_minutes_without_a_heartbeat() -> None:
    assert (DURATION, HEARTBEAT) == (300, 60)


def test_a_lease_without_a_name_counts_as_that_of_a_killed_process_after_five_seconds() -> None:
    assert leases.NAMELESS == 5


def test_a_process_of_another_user_holds_its_lease_and_is_sent_no_signal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int, sent: int) -> None:
        assert sent == 0
        raise PermissionError

    with Lease(path):
        name = own_name(path)
    foreign(path, age=200, host=name)
    monkeypatch.setattr(os, "kill", refuse)
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
            with pytest.raises(LeaseLost, match="another run took over this cell"):
                lease.check()
    assert "lease lost" in caplog.text
    assert "marker-missing" in caplog.text


def test_every_thread_of_a_process_learns_that_the_lease_was_lost(path: Path) -> None:
    with Lease(path, duration=0.5, heartbeat=0.05) as lease, ThreadPoolExecutor(1) as other:
        path.unlink()
        wait_for_loss(lease)
        assert other.submit(lambda: lease.lost).result() == lease.lost


def test_a_lease_that_another_process_has_is_known_before_the_next_heartbeat(path: Path) -> None:
    with Lease(path) as lease:
        assert lease.is_own
        path.unlink()
        with Lease(path) as other:
            assert (lease.lost, lease.is_own, other.is_own) == (None, False, True)
