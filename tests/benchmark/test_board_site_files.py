"""The folder of a board: written whole, never over anything else, served to this machine alone."""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import Command, in_own_process
from pmll_bench.board.serve import HOST, server
from pmll_bench.board.site.write import MANIFEST, write_site
from pmll_bench.errors import ConfigError, Exit

FILES = {"index.html": b"<!doctype html>first", "tables/a.html": b"a", "data/a.csv": b"1"}


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_builds_of_the_same_files_are_equal_and_the_second_touches_nothing(tmp_path: Path) -> None:
    write_site(FILES, tmp_path / "one")
    write_site(FILES, tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")
    before = (tmp_path / "one" / "index.html").stat().st_ino
    write_site(FILES, tmp_path / "one")
    assert (tmp_path / "one" / "index.html").stat().st_ino == before


def test_a_folder_with_other_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="other content"):
        write_site(FILES, tmp_path)
    assert content(tmp_path) == {"thesis.tex": b"years of work"}
    with pytest.raises(ConfigError, match="a file, not a folder"):
        write_site(FILES, tmp_path / "thesis.tex")


def test_only_files_that_a_build_wrote_are_removed(tmp_path: Path) -> None:
    write_site(FILES, tmp_path / "board")
    (tmp_path / "board" / "CNAME").write_text("board.example")
    (tmp_path / "board" / "data" / "a.csv").write_text("changed by hand")
    write_site({"index.html": b"second"}, tmp_path / "board")
    left = content(tmp_path / "board")
    assert left.pop(MANIFEST)
    assert left == {"index.html": b"second", "CNAME": b"board.example", "data/a.csv": b"changed by hand"}
    assert not (tmp_path / "board" / "tables").exists()


@pytest.mark.parametrize("path", ["../index.html", "/index.html", "a//b", "a/../b", "A b.html", MANIFEST, ".hidden"])
def test_a_path_that_leaves_the_folder_is_never_written(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="not a path of a board"):
        write_site({path: b""}, tmp_path / "board")
    assert not (tmp_path / "board").exists()


def test_a_manifest_that_names_files_elsewhere_removes_none_of_them(tmp_path: Path) -> None:
    write_site(FILES, tmp_path / "board")
    (tmp_path / "letter.txt").write_text("a")
    digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # of "a"
    manifest = f'{{"schema":"pmll.board-files/1","files":{{"../letter.txt":"{digest}"}}}}'
    (tmp_path / "board" / MANIFEST).write_text(manifest)
    write_site(FILES, tmp_path / "board")
    assert (tmp_path / "letter.txt").exists()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[http.client.HTTPConnection]:
    write_site(FILES, tmp_path / "board")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "board" / "link.txt").symlink_to(tmp_path / "secret.txt")
    with server(tmp_path / "board") as http_server:
        thread = threading.Thread(target=http_server.serve_forever, args=(0.01,))
        thread.start()
        connection = http.client.HTTPConnection(HOST, http_server.server_port, timeout=20)
        try:
            yield connection
        finally:
            connection.close()
            http_server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/tables/a.html", 200),
        ("GET", "/tables/", 404),  # no list of files
        ("GET", "/../secret.txt", 404),
        ("GET", "/%2e%2e/secret.txt", 404),
        ("GET", "/link.txt", 404),
        ("POST", "/", 501),
        ("PUT", "/index.html", 501),
        ("DELETE", "/index.html", 501),
    ],
)
def test_the_server_gives_files_of_the_board_and_nothing_else(
    served: http.client.HTTPConnection, method: str, path: str, status: int
) -> None:
    served.request(method, path)
    answer = served.getresponse()
    assert answer.status == status
    body = answer.read()
    assert b"secret" not in body
    assert (body == FILES["index.html"]) == ((method, path) == ("GET", "/"))


def test_a_folder_without_a_board_is_not_served(command: Command, tmp_path: Path) -> None:
    (tmp_path / "private.txt").write_text("mine")
    answer = command("board", "serve", ".")
    assert (answer.code, answer.out) == (Exit.INVALID, "")
    assert "no board in this folder" in answer.err


def test_a_port_that_is_taken_is_named(command: Command, tmp_path: Path) -> None:
    write_site(FILES, tmp_path / "board")
    with server(tmp_path / "board") as taken:
        answer = command("board", "serve", "--port", str(taken.server_port))
    assert answer.code == Exit.INVALID
    assert f"port {taken.server_port} cannot be used" in answer.err


def test_ctrl_c_ends_the_server_with_130(tmp_path: Path) -> None:
    write_site(FILES, tmp_path / "board")
    stop = "import signal, threading, os; threading.Timer(2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()"
    (tmp_path / "sitecustomize.py").write_text(stop)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    answer = in_own_process("board", "serve", str(tmp_path / "board"), PYTHONPATH=path)
    assert answer.code == Exit.INTERRUPTED
    assert answer.out.startswith(f"http://{HOST}:")
    assert "Traceback" not in answer.err
