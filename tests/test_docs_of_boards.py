"""The page on boards: its workflow is valid, and its commands do what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from doc_pages import blocks, check_workflow, text_of
from hostile_packages import honest, zipped
from pmll_bench.cli import app, main
from pmll_bench.errors import Exit
from pmll_bench.merging.writing import LOCK
from pmll_bench.store.orphans import KNOWN

PAGE = "run-a-board.md"


def ended(*argv: str) -> int:
    with pytest.raises(SystemExit) as exit:
        main(argv)
    return int(exit.value.code or 0)


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of a board with one package that waits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "logs"))
    monkeypatch.delenv("PMLL_STORE", raising=False)
    Path("packages").mkdir()
    Path("packages/NAME.zip").write_bytes(zipped(honest()))
    return tmp_path


def workflow() -> str:
    (text,) = blocks(PAGE, "yaml")
    return str(text)


def steps() -> list[str]:
    """What the workflow runs."""
    return [step["run"] for step in yaml.safe_load(workflow())["jobs"]["packages"]["steps"] if "run" in step]


def test_the_workflow_is_valid_and_may_write_nothing(tmp_path: Path) -> None:
    content = yaml.safe_load(workflow())
    assert content["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in workflow()
    check_workflow(workflow(), tmp_path / ".github/workflows/check.yml")


def test_the_commands_of_the_workflow_and_of_the_maintainers_work_one_after_the_other(
    board: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line for step in steps() for line in step.splitlines()]
    ours = [shlex.split(line.replace("*", "NAME"))[1:] for line in lines if line.startswith("pmll-bench ")]
    assert [words[0] for words in ours] == ["submit", "merge"]
    for words in ours:
        assert ended(*words) == Exit.DONE
    assert not Path("results").exists()
    section = text_of(PAGE).partition("\n## Merge\n")[2].partition("\n## ")[0]
    for line in re.findall(r"^pmll-bench (.*)$", section, re.MULTILINE):
        assert ended(*shlex.split(line)) == Exit.DONE
    assert ended("table", "--root", "results") == Exit.DONE
    capsys.readouterr()
    cell = next(Path("results").glob("cells/*/*/*"))
    withdraw = [line for line in _commands() if line.startswith("board withdraw METHOD")]
    assert ended(*shlex.split(withdraw[0].replace("METHOD", cell.name))) == Exit.DONE
    assert cell.name in capsys.readouterr().out
    assert len(Path("results/merges.jsonl").read_text().splitlines()) == 2


def test_others_can_change_nothing_but_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("packages").mkdir()
    Path("packages/NAME.zip").write_bytes(b"a package")
    (guard,) = [step for step in steps() if step.startswith("git diff")]

    def git(*words: str) -> None:
        name = ["-c", "user.name=A. Author", "-c", "user.email=author@example.org"]
        subprocess.run(["git", *name, *words], check=True, capture_output=True)

    def passes() -> bool:
        return subprocess.run(["bash", "-e", "-c", guard], capture_output=True).returncode == 0

    git("init")
    Path("README.md").write_text("A board\n")
    git("add", "README.md")
    git("commit", "-m", "A board")
    git("add", "packages")
    git("commit", "-m", "A package")
    assert passes()
    Path("results").mkdir()
    Path("results/merges.jsonl").write_text("{}\n")
    git("add", "results")
    git("commit", "-m", "A forged history")
    assert not passes()
    git("rm", "packages/NAME.zip")
    git("commit", "-m", "Somebody else's package is gone")
    assert not passes()


def _commands() -> list[str]:
    """The commands of the page without `pmll-bench`."""
    return [line for block in blocks(PAGE, "sh") for line in re.findall(r"^pmll-bench (.*)$", block, re.MULTILINE)]


def test_every_command_of_the_page_exists() -> None:
    import typer

    for line in _commands():
        found = typer.main.get_command(app)
        for word in shlex.split(line)[:2]:
            found = getattr(found, "commands", {}).get(word, found)
        options = {name for param in found.params for name in param.opts}
        assert {word for word in shlex.split(line) if word.startswith("-")} <= options, line


def test_the_files_that_are_not_committed_are_those_that_a_store_can_do_without() -> None:
    text = text_of(PAGE)
    assert f"index.jsonl and {LOCK} in results/" in text
    assert KNOWN.fullmatch(LOCK)
