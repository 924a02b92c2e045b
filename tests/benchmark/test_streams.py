"""What is printed reaches any stdout: one with few letters, a closed one, a full one, one whose reader has gone."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pmll_bench.cli import main
from pmll_bench.store.store import Store
from stored import finish, planned

COMMANDS = [
    ["table"],
    ["table", "--format", "markdown"],
    ["table", "--format", "csv"],
    ["table", "--json"],
    ["status"],
    ["list", "published"],
    ["list", "methods", "--json"],
    ["show", "sst"],
    ["show", "größe"],
    ["run", "--help"],
    ["run", "--methods", "größe", "--dry-run"],
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store of two seeds in the working folder."""
    monkeypatch.chdir(tmp_path)
    opened = Store.open(tmp_path / "runs")
    for seed in (0, 1):
        item = planned(seed=seed, mask_seed=seed)
        finish(opened, replace(item, recipe=item.recipe.at(test_view="squash")))
    return opened


def printed(monkeypatch: pytest.MonkeyPatch, words: list[str], encoding: str) -> tuple[int, str, str]:
    """The exit code of a command and what it prints to streams of an encoding."""
    files = io.BytesIO(), io.BytesIO()
    for name, file in zip(("stdout", "stderr"), files, strict=True):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(file, encoding=encoding))
    with pytest.raises(SystemExit) as ended:
        main(words)
    out, err = (file.getvalue().decode(encoding) for file in files)
    return int(ended.value.code or 0), out, err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_prints_to_a_stdout_with_few_letters(
    store: Store, monkeypatch: pytest.MonkeyPatch, words: list[str], encoding: str
) -> None:
    code, out, err = printed(monkeypatch, words, encoding)
    assert "bug" not in err
    assert code == (3 if "größe" in words else 0)
    if "--json" in words:
        expected = printed(monkeypatch, words, "utf-8")[1]
        assert json.loads(out) == json.loads(expected)


def test_a_table_in_ascii_says_the_same_and_stays_aligned(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = printed(monkeypatch, ["table"], "ascii")
    assert code == 0
    _, caption, rule, header, _, row = out.splitlines()[:6]
    assert "Mean +- sd (ddof 1) over 2 masks" in caption
    assert row.split()[-3:] == ["81.2", "+-", "0.0*"]
    assert rule == "-" * len(row)
    assert header.endswith("10%")
    assert len(header) == len(row) - 1  # the mark comes after


def test_letters_without_a_near_form_become_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "gr\\xf6\\u5927" not in printed(monkeypatch, ["show", "grö大"], "utf-8")[2]
    assert "gro\\u5927" in printed(monkeypatch, ["show", "grö大"], "ascii")[2]


def run(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A shell command in a folder; `pmll-bench` in it is this one."""
    shell = f'pmll-bench() {{ "{sys.executable}" -m pmll_bench "$@"; }}; {command}'
    return subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, cwd=folder, env=os.environ | environment
    )


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "2>&-"])
def test_a_closed_stream_is_no_error(tmp_path: Path, closed: str) -> None:
    answer = run(f"pmll-bench list published {closed}", tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_stdout_is_named(tmp_path: Path) -> None:
    answer = run("pmll-bench list published > /dev/full", tmp_path)
    assert answer.returncode == 6
    assert answer.stderr.splitlines()[:2] == ["error: no space left", "  where: stdout"]


def test_a_reader_of_both_streams_who_leaves_early_hears_nothing_more(tmp_path: Path) -> None:
    answer = run("(sleep 0.2; pmll-bench list published; echo $? > code) 2>&1 | true; cat code", tmp_path)
    assert (answer.stdout, answer.stderr) == ("1\n", "")


def test_a_home_without_write_permission_never_costs_the_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(kind: str) -> None:
        raise RuntimeError("the bridge is out")

    monkeypatch.setattr("pmll_bench.cli.describe.catalogue", broken)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file" / "state"))
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    code, _, err = printed(monkeypatch, ["list", "methods"], "utf-8")
    assert code == 1
    assert err.startswith("error: unexpected RuntimeError: the bridge is out\n")
    (file,) = tmp_path.glob("error-*.txt")
    assert str(file) in err
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "file"))
    _, _, err = printed(monkeypatch, ["list", "methods"], "utf-8")
    assert err.splitlines()[0] == "error: unexpected RuntimeError: the bridge is out"
    assert "where" not in err
