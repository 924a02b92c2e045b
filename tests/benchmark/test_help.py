"""The help of every command: its examples run as they stand there, and the shell completes the names in them."""

from __future__ import annotations

import itertools
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

from command_line import SMALL, Command, method_file
from pmll_bench.board.site.write import write_site
from pmll_bench.checks import check as checks
from pmll_bench.checks.check import check as run_checks
from pmll_bench.cli import app, main


def every_command() -> Iterator[list[str]]:
    """The words of every command."""

    def walk(found: Any, words: list[str]) -> Iterator[list[str]]:
        if hasattr(found, "commands"):
            for name, inner in found.commands.items():
                yield from walk(inner, [*words, name])
        else:
            yield words

    return walk(typer.main.get_command(app), [])


DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = list(every_command())
# Run with the cells of a store
OF_A_STORE = ["bibtex", "board", "table", "compare", "plot", "score", "predict", "errors"]
OF_A_STORE += ["status", "logs", "retry", "cancel", "prune", "submit", "merge"]
OF_A_BOARD = (["board", "rerun"],)  # of a merged package
OF_TRAINING = (["plot", "training"], ["plot", "pseudo-labels"], ["plot", "attention"])  # of several epochs, with models


def examples(text: str) -> list[str]:
    """The examples in the help of a command."""
    shown = text.splitlines()
    start = shown.index(" Examples:" + " " * (len(shown[0]) - 10))
    return [line.strip() for line in shown[start + 1 :] if line.startswith("   pmll-bench ")]


@pytest.fixture
def home(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the examples name: a method, a data set, an empty data folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    method_file(tmp_path, "my_method")
    (tmp_path / "data").mkdir()
    (tmp_path / "path" / "to").mkdir(parents=True)
    (code,) = re.findall(r"```python[^\n]*\n(.*?)```", (DOCS / "add-a-method.md").read_text(), re.DOTALL)[:1]
    (tmp_path / "path" / "to" / "my_method.py").write_text(code)
    folder = tmp_path / "images"
    folder.mkdir()
    random, lines = np.random.default_rng(0), ["path,split,frog,heron"]
    for number in range(24):
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{number}.png")
        marks = ("1,-1", "-1,1", "1,1", "-1,-1")[number % 4]
        lines.append(f"{number}.png,{'train' if number < 16 else 'test'},{marks}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "photos").symlink_to(folder)
    (tmp_path / "new.csv").write_text("path\nphotos/0.png\nphotos/1.png\n")
    return tmp_path


def made_once(folder: Path, *lines: list[str]) -> Path:
    """A folder in which these command lines were run; each test has a copy of what they left there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_STATE_HOME", str(folder / "logs"))
        for line in lines:
            with pytest.raises(SystemExit) as exit:
                main([*line, *SMALL] if line[0] in ("run", "ablate") else line)
            assert not exit.value.code
    return folder


@pytest.fixture(scope="module")
def cells_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished cells with models, and packages of them."""
    quick = ["--ratios", "0.1", "0.5", "--set", "recipe.epochs=1", "--keep-model"]
    return made_once(
        tmp_path_factory.mktemp("finished"),
        ["ablate", "dualcoop-contexts", *quick, "--out", "figures"],
        ["run", "--methods", "bce", "dualcoop", *quick],
        ["submit", "pack", "--methods", "bce", "--author", "A. Author", "-o", "bce.zip"],
        ["submit", "pack", "--methods", "dualcoop", "--author", "A. Author", "-o", "my.zip"],
    )


@pytest.fixture(scope="module")
def epochs_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished cells of several epochs, with models."""
    grid = ["--methods", "sarl", "scpnet-frozen", "--ratios", "0.1", "0.5"]
    line = ["run", *grid, "--set", "recipe.epochs=2", "--keep-model"]
    return made_once(tmp_path_factory.mktemp("epochs"), line)


@pytest.fixture
def finished(command: Command, home: Path, cells_made: Path) -> list[str]:
    """The ids of finished cells in the store of `home`."""
    shutil.copytree(cells_made, home, dirs_exist_ok=True)
    return [path.parent.name for path in Path("runs").glob("cells/*/*/*/result.json")]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_two_examples_and_no_python_types(command: Command, words: list[str]) -> None:
    shown = command(*words, "--help").out
    assert len(examples(shown)) >= 2
    assert not re.search("<(bool|str|list)", shown)


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] not in OF_A_STORE], ids=" ".join)
def test_the_examples_in_help_run(
    command: Command, home: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grids are only planned, one check of each method is run, and nothing is downloaded."""
    monkeypatch.setattr(checks, "check", lambda *given: itertools.islice(run_checks(*given), 1))
    monkeypatch.setattr("pmll_datasets.fetch.fetch", lambda name, root, progress: root)
    monkeypatch.setattr("pmll_bench.prepare.word_vectors.cache_vectors", lambda *_: None)
    for example in examples(command(*words, "--help").out):
        argv = [str(Path(word).expanduser()) for word in shlex.split(example.partition("|")[0])]
        answer = command(*argv[1:], *(["--dry-run"] if words[0] in ("run", "ablate") else []))
        assert answer.code == 0, f"{example}\n{answer.err}"


@pytest.mark.parametrize(
    "words",
    [words for words in COMMANDS if words[0] in OF_A_STORE and words not in (*OF_TRAINING, *OF_A_BOARD)],
    ids=" ".join,
)
def test_the_examples_of_reports_run_on_a_store(
    command: Command, finished: list[str], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", lambda self: None)
    write_site({"index.html": b"<!doctype html>"}, Path("board"))
    run_examples(command, words, finished)


@pytest.mark.parametrize("words", [words for words in OF_TRAINING if words in COMMANDS], ids=" ".join)
def test_the_examples_of_figures_of_training_run_on_a_store(
    command: Command, home: Path, epochs_made: Path, words: list[str]
) -> None:
    shutil.copytree(epochs_made, home, dirs_exist_ok=True)
    run_examples(command, words, [path.parent.name for path in Path("runs").glob("cells/*/sarl/*/result.json")])


def run_examples(command: Command, words: list[str], finished: list[str]) -> None:
    """Run the examples in the help of a command, with the ids of finished cells instead of those made up there."""
    for example in examples(command(*words, "--help").out):
        ids = iter(finished)
        argv = [str(Path(word).expanduser()) for word in shlex.split(example)]
        argv = [next(ids) if re.fullmatch("[0-9a-f]{6,16}", word) else word for word in argv]  # made up in the help
        answer = command(*argv[1:])
        assert answer.code == 0, f"{example}\n{answer.err}"


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("run --methods scp", "scpnet scpnet-frozen"),
        ("run --methods bce scp", "scpnet scpnet-frozen"),
        ("run --methods bce,scp", "bce,scpnet bce,scpnet-frozen"),
        ("run --datasets voc2012", "voc2012 voc2012-subset"),
        ("run --methods bce --regime si", "single-positive"),
        ("run --mask-s", "--mask-seeds"),
        ("table --metric top3_threshold_CF1_", "top3_threshold_CF1_macro"),
        ("show dualc", "dualcoop"),
        ("data verify sha", "shapes"),
        ("data fetch glove-", "glove-6b"),
        ("ablate dualcoop-", "dualcoop-contexts"),
        ("plot ablation dualcoop-", "dualcoop-contexts"),
    ],
)
def test_the_shell_completes_names(
    command: Command, monkeypatch: pytest.MonkeyPatch, line: str, completed: str
) -> None:
    monkeypatch.setenv("_PMLL_BENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"pmll-bench {line}")
    monkeypatch.setenv("COMP_CWORD", str(len(line.split())))
    assert command().out.split() == completed.split()
