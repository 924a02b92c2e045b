"""Downloads are resumed, checked, and never repeated."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest

from archives import names, tar_of
from pmll_datasets import fetch
from pmll_datasets.errors import DataError
from pmll_datasets.sources import SOURCES, Archive

BYTES = np.random.default_rng(0).bytes(300_000)


@dataclass
class Server:
    """A server on loopback with one file. `cuts`: bytes after which the first connections break; the rest is whole."""

    url: str = ""
    content: bytes = BYTES
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    statuses: list[int] = field(default_factory=list)
    states_length: bool = True
    asked: list[str | None] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers["Range"]
        self.asked.append(wanted)
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            request.send_error(status)
            return
        first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        request.send_response(206 if first else 200)
        if first:
            request.send_header("Content-Range", f"bytes {first}-{len(self.content) - 1}/{len(self.content)}")
        if self.states_length:
            request.send_header("Content-Length", str(len(self.content) - first))
        request.end_headers()
        body = self.content[first:]
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)
        request.close_connection = True


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    served = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetch, "PAUSE", 0.001)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        served.url = f"http://127.0.0.1:{http.server_port}/images.tar"
        yield served
        http.shutdown()
        thread.join()


def archive_of(server: Server, content: bytes = BYTES, algorithm: str = "md5") -> Archive:
    return Archive(server.url, len(content), f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}", "list.txt")


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_download_is_complete_and_reports_its_progress(server: Server, tmp_path: Path, algorithm: str) -> None:
    seen: list[tuple[str, int, int]] = []
    path = fetch.download(archive_of(server, algorithm=algorithm), tmp_path / "new", lambda *call: seen.append(call))
    assert path.read_bytes() == BYTES
    assert names(tmp_path) == {"new/images.tar"}
    assert seen[-1] == ("images.tar", len(BYTES), len(BYTES))


def test_a_complete_file_is_not_requested_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "images.tar").write_bytes(BYTES)
    fetch.download(archive_of(server), tmp_path)
    assert not server.asked


@pytest.mark.parametrize("states_length", [True, False])
def test_an_interrupted_download_is_resumed(server: Server, tmp_path: Path, states_length: bool) -> None:
    server.cuts, server.states_length = [100_000, 50_000], states_length
    assert fetch.download(archive_of(server), tmp_path).read_bytes() == BYTES
    assert server.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_without_a_network_it_fails_at_once(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def unknown_host(request: object, **_: object) -> None:
        asked.append(request)
        raise URLError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr(fetch, "urlopen", unknown_host)
    with pytest.raises(DataError, match="cannot resolve the server's name") as caught:
        fetch.download(archive_of(server), tmp_path)
    assert "check the network connection" in str(caught.value.hint)
    assert len(asked) == 1


def test_a_rerun_resumes_an_earlier_download(server: Server, tmp_path: Path) -> None:
    (tmp_path / "images.tar.part").write_bytes(BYTES[:123])
    assert fetch.download(archive_of(server), tmp_path).read_bytes() == BYTES
    assert server.asked == ["bytes=123-"]


def test_a_complete_part_file_is_only_checked(server: Server, tmp_path: Path) -> None:
    (tmp_path / "images.tar.part").write_bytes(BYTES)
    fetch.download(archive_of(server), tmp_path)
    assert not server.asked
    assert names(tmp_path) == {"images.tar"}


def test_a_server_without_ranges_starts_again_cleanly(server: Server, tmp_path: Path) -> None:
    server.cuts, server.ranges = [100_000], False
    assert fetch.download(archive_of(server), tmp_path).read_bytes() == BYTES
    assert server.asked == [None, "bytes=100000-"]


def test_a_busy_server_is_retried(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    assert fetch.download(archive_of(server), tmp_path).read_bytes() == BYTES


def test_many_interruptions_with_progress_are_not_a_failure(server: Server, tmp_path: Path) -> None:
    server.cuts = [10_000] * 20
    assert fetch.download(archive_of(server), tmp_path).read_bytes() == BYTES


def test_a_download_without_progress_is_aborted_and_kept(server: Server, tmp_path: Path) -> None:
    server.cuts, server.ranges = [1_000] + [500] * 20, False
    with pytest.raises(DataError, match="was interrupted") as raised:
        fetch.download(archive_of(server), tmp_path)
    assert server.url == raised.value.where
    assert len(server.asked) == fetch.TRIES + 1
    assert names(tmp_path) == {"images.tar.part"}


def test_an_unreachable_server_is_a_clear_error(server: Server, tmp_path: Path) -> None:
    nowhere = replace(archive_of(server), url="http://127.0.0.1:1/images.tar")
    with pytest.raises(DataError, match="refused"):
        fetch.download(nowhere, tmp_path)


def test_a_missing_file_fails_at_once_with_a_hint(server: Server, tmp_path: Path) -> None:
    server.statuses = [404] * 9
    with pytest.raises(DataError, match="404") as raised:
        fetch.download(archive_of(server), tmp_path)
    assert len(server.asked) == 1
    assert "manually" in str(raised.value.hint)


def test_a_wrong_download_is_reported_with_both_digests_and_removed(server: Server, tmp_path: Path) -> None:
    server.content = bytes(len(BYTES))
    with pytest.raises(DataError) as raised:
        fetch.download(archive_of(server), tmp_path)
    for word in ("images.tar", hashlib.md5(BYTES).hexdigest(), hashlib.md5(server.content).hexdigest()):
        assert word in raised.value.what
    assert names(tmp_path) == set()


def test_a_wrong_file_of_the_user_is_refused_and_kept(server: Server, tmp_path: Path) -> None:
    (tmp_path / "images.tar").write_bytes(b"mine")
    with pytest.raises(DataError, match="wrong checksum"):
        fetch.download(archive_of(server), tmp_path)
    assert (tmp_path / "images.tar").read_bytes() == b"mine"


def test_a_login_page_is_not_written_to_disk(server: Server, tmp_path: Path) -> None:
    server.content = b"<html>please log in</html>"
    with pytest.raises(DataError, match="offers 26 bytes"):
        fetch.download(archive_of(server), tmp_path)
    assert names(tmp_path) == set()


def test_a_full_disk_is_one_clear_error(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left"):
        fetch.download(archive_of(server), tmp_path)
    assert len(server.asked) == 1


def test_a_data_set_is_fetched_once_into_a_folder_of_its_name(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.content = tar_of({"VOC/list.txt": b"000005", "VOC/JPEGImages/000005.jpg": b"image"})
    archive = replace(archive_of(server, server.content), proof="VOC/list.txt")
    monkeypatch.setitem(SOURCES, "voc2007", (archive,))
    folder = fetch.fetch("voc", tmp_path)
    assert folder == tmp_path / "voc2007"
    assert names(folder) == {"VOC/list.txt", "VOC/JPEGImages/000005.jpg", "images.tar"}
    assert fetch.fetch("voc2007", tmp_path) == folder
    assert len(server.asked) == 1


def test_a_copy_in_the_root_itself_is_completed_there(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.content = tar_of({"test.txt": b"000001"})
    here = replace(archive_of(server, server.content), proof="test.txt")
    monkeypatch.setitem(SOURCES, "voc2007", (replace(here, proof="trainval.txt"), here))
    (tmp_path / "trainval.txt").write_text("000005")
    assert fetch.fetch("voc2007", tmp_path) == tmp_path
    assert names(tmp_path) == {"trainval.txt", "test.txt", "images.tar"}


def test_a_data_set_without_archives_is_refused_with_the_available_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="coco2014"):
        fetch.fetch("shapes", tmp_path)


def test_the_official_sources_have_full_checksums_and_match_the_layouts() -> None:
    for archive in (archive for archives in SOURCES.values() for archive in archives):
        algorithm, digest = archive.digest.split(":")
        assert len(digest) == 2 * hashlib.new(algorithm).digest_size
        assert archive.size > 0
        assert archive.name.endswith((".tar", ".zip"))
