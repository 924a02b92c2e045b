"""The command line: what it prints where, its exit codes, and that every list may be written in every form."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from pmll_bench.cli import app, main
from pmll_bench.cli.argv import spread_lists

METHOD = '''
"""A method of one's own."""
import os, signal
import numpy as np
from pmll_methods.method import Stopped

class Mine:
    """Scores by how often a label is known to be present."""

    def fit(self, train, run):
        for epoch in range(3):
            run.report(epoch + 1, 3, {{"loss": 1.0}})
        {fit}
        self.frequency = (train.labels > 0).mean(axis=0)

    def predict(self, images, run):
        noise = np.random.default_rng(run.seed).normal(size=(len(images), len(self.frequency)))
        return (self.frequency + noise){predict}
'''


class Answer(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        (line,) = self.out.splitlines()
        return json.loads(line)


Command = Callable[..., Answer]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Runs a command line in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "logs"))
    for name in ("PMLL_STORE", "PMLL_DATA", "PMLL_THREADS"):
        monkeypatch.delenv(name, raising=False)

    def run(*argv: str) -> Answer:
        with pytest.raises(SystemExit) as exit:
            main(argv)
        printed = capsys.readouterr()
        return Answer(int(exit.value.code or 0), printed.out, printed.err)

    return run


def method_file(folder: Path, name: str = "mine", *, fit: str = "pass", predict: str = ".astype(np.float32)") -> str:
    """A user's own method file, with a line of `fit` and the end of `predict` to choose."""
    path = folder / f"{name}.py"
    path.write_text(METHOD.format(fit=fit, predict=predict), encoding="utf-8")
    return str(path)


@pytest.fixture
def grid(tmp_path: Path) -> list[str]:
    """A run of four cells that takes no time."""
    return ["run", "--methods", method_file(tmp_path), "--ratios", "10%", "0.5", "--seeds", "0,1", *SMALL]


SMALL = ["--subset", "60", "--threads", "1", "--device", "cpu"]


# --- lists


@pytest.mark.parametrize(
    "form",
    [
        ["--datasets", "coco", "voc"],
        ["--datasets", "coco", "--datasets", "voc"],
        ["--datasets", "coco,voc"],
        ["--datasets=coco,voc"],
        ["--datasets", "coco,", "voc"],
        ["--datasets=coco", "voc"],
    ],
)
def test_a_list_may_be_written_in_every_form(form: list[str]) -> None:
    assert spread_lists(["run", *form, "--json"]) == ["run", "--datasets", "coco", "--datasets", "voc", "--json"]


def test_a_list_ends_at_the_next_option() -> None:
    given = ["--seeds", "0", "1", "--limit", "3", "4"]
    assert spread_lists(given) == ["--seeds", "0", "--seeds", "1", "--limit", "3", "4"]


@pytest.mark.parametrize("value", ["prompt=a photo, of a {name}.", "views=squash,hcp", "a=b c"])
def test_the_value_of_a_setting_is_never_split(value: str) -> None:
    assert spread_lists(["run", "--methods", "a", "--set", value]) == ["run", "--methods", "a", "--set", value]


def test_what_follows_two_dashes_stays_as_it_is() -> None:
    assert spread_lists(["score", "--", "--datasets", "a,b"]) == ["score", "--", "--datasets", "a,b"]


@pytest.mark.parametrize("rest", [[], ["--seeds", "0"]])
def test_a_list_option_without_a_value_is_a_usage_error(command: Command, rest: list[str]) -> None:
    answer = command("run", "--datasets", *rest)
    assert answer.code == 2
    assert answer.err.startswith("error: Option '--datasets' requires an argument")


def test_all_list_forms_plan_the_same_cells(command: Command, tmp_path: Path) -> None:
    forms = (["--ratios", "0.1", "0.5"], ["--ratios", "10%,50%"], ["--ratios", "0.1", "--ratios", "0.5"])
    plans = [command("run", "--methods", method_file(tmp_path), *form, *SMALL, "--dry-run", "--json") for form in forms]
    ids = [[cell["id"] for cell in plan.document["cells"]] for plan in plans]
    assert len(ids[0]) == 2
    assert ids[0] == ids[1] == ids[2]


# --- run


def test_a_dry_run_lists_every_planned_cell_with_its_id_and_does_nothing(command: Command, grid: list[str]) -> None:
    answer = command(*grid, "--dry-run", "--json")
    assert answer.code == 0
    cells = answer.document["cells"]
    assert len({cell["id"] for cell in cells}) == 4
    assert {(cell["ratio"], cell["seed"], cell["state"]) for cell in cells} == {
        (ratio, seed, "planned") for ratio in (0.1, 0.5) for seed in (0, 1)
    }
    assert not Path("runs").exists()


def test_a_dry_run_without_json_is_a_table(command: Command, grid: list[str]) -> None:
    answer = command(*grid, "--dry-run")
    assert answer.out.splitlines()[0].split()[:2] == ["cell", "method"]
    assert len(answer.out.splitlines()) == 5
    assert "4 cells, 0 of them done" in answer.err


def test_a_run_ends_with_the_table_and_says_the_rest_on_stderr(command: Command, grid: list[str]) -> None:
    answer = command(*grid)
    assert answer.code == 0
    assert "mine" in answer.out
    assert "10%" in answer.out
    assert "done   mine shapes 10 % seed 0" in answer.err
    assert "done   mine" not in answer.out


def test_running_again_does_nothing_and_prints_the_same_table(command: Command, grid: list[str]) -> None:
    first, second = command(*grid), command(*grid)
    assert "nothing to do: all 4 cells are done" in second.err
    assert "done   mine" not in second.err
    assert second.out == first.out


def test_json_lines_tell_how_a_run_goes(command: Command, grid: list[str]) -> None:
    lines = [json.loads(line) for line in command(*grid, "--json").out.splitlines()]
    assert [line["state"] for line in lines if line.get("event") == "cell_finished"] == ["done"] * 4
    assert lines[-1]["schema"] == "pmll.outcome/1"
    assert len(lines[-1]["done"]) == 4


def test_a_row_may_have_a_name_of_its_own(command: Command, tmp_path: Path) -> None:
    mine = method_file(tmp_path)
    answer = command("run", "--methods", mine, "--ratios", "0.5", "--label", "My row", *SMALL)
    assert "My row" in answer.out
    twice = command("run", "--methods", mine, "bce", "--label", "My row", *SMALL)
    assert twice.code == 2
    assert "one method" in twice.err


def test_what_is_given_wins_over_the_grid_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(f"methods: {method_file(tmp_path)}\nratios: [0.3]\nseeds: [0, 1]\nsubset: 60\n")
    cells = command("run", "--config", "grid.yaml", "--seeds", "7", "--dry-run", "--json").document["cells"]
    assert [(cell["ratio"], cell["seed"]) for cell in cells] == [(0.3, 7)]


def test_cells_that_fail_are_told_once_with_their_reason(command: Command, tmp_path: Path) -> None:
    broken = method_file(tmp_path, fit='raise ValueError("the lake is dry")')
    answer = command("run", "--methods", broken, "--ratios", "0.1", "0.5", *SMALL)
    assert answer.code == 4
    assert "failed, 2 cells: ValueError: the lake is dry" in answer.err
    assert "failed, 2 cells: ValueError: the lake is dry" in command("status").out
    assert command("status", "--check").code == 5


def test_scores_that_are_no_numbers_are_a_divergence(command: Command, tmp_path: Path) -> None:
    broken = method_file(tmp_path, predict=".astype(np.float32) * np.float32(np.inf)")
    answer = command("run", "--methods", broken, "--ratios", "0.5", *SMALL)
    assert answer.code == 4
    assert "diverged, 1 cells" in answer.err


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_saves_and_stops_and_the_same_command_goes_on(
    command: Command, tmp_path: Path, name: str, code: int
) -> None:
    once = f"if not os.path.exists('asked'): open('asked', 'w').close(); os.kill(os.getpid(), signal.{name}); stop(run)"
    path = Path(method_file(tmp_path, fit=once))
    path.write_text(path.read_text() + "\ndef stop(run):\n    if run.should_stop():\n        raise Stopped\n")
    grid = ["run", "--methods", str(path), "--ratios", "0.1", "0.5", *SMALL]
    stopped = command(*grid)
    assert stopped.code == code
    assert "stopping after this step; press Ctrl-C again to stop at once" in stopped.err
    assert "the same command goes on" in stopped.err
    assert stopped.out == ""
    assert command(*grid).code == 0
    assert command("status", "--check").code == 0


# --- errors


@pytest.mark.parametrize(
    ("argv", "code", "what", "hint"),
    [
        (["run", "--ratios", "10"], 3, "the ratio 10 is outside (0, 1]", "10%"),
        (["run", "--ratios", "1.5%", "0"], 3, "the ratio 0 is outside (0, 1]", "0.1"),
        (["run", "--methods", "dualcop"], 3, "unknown method 'dualcop'", "dualcoop"),
        (["run", "--datasets", "shape"], 3, "unknown data set 'shape'", "shapes"),
        (["run", "--methods", "nowhere.py"], 3, "no such file: nowhere.py", "path"),
        (["run", "--set", "x"], 3, "'x' sets nothing", "NAME=VALUE"),
        (["run", "--config", "nowhere.yaml"], 3, "the grid file can't be read", ""),
        (["run", "--seeds", "a"], 2, "Invalid value for '--seeds'", "pmll-bench run --help"),
        (["run", "--sets", "a=b"], 2, "No such option", "pmll-bench run --help"),
        (["tabel"], 2, "No such command 'tabel'", "pmll-bench --help"),
        (["show", "dualcop"], 3, "no method and no data set is called 'dualcop'", "did you mean 'dualcoop'?"),
        (["data", "fetch", "voc"], 3, "no folder to put the data in", "--data-root"),
        (["table"], 6, "there is no store", "pmll-bench run"),
        (["status", "--root", "."], 6, "the folder is not a store", ""),
        (["score", "xyz"], 6, "there is no store", "pmll-bench run"),
    ],
)
def test_bad_input_gets_one_clear_error(
    command: Command, tmp_path: Path, argv: list[str], code: int, what: str, hint: str
) -> None:
    (tmp_path / "notes.txt").write_text("not a store")
    answer = command(*argv)
    assert answer.code == code
    assert what in answer.err
    assert hint in answer.err
    assert "Traceback" not in answer.err
    if code:
        assert answer.out == ""
        assert answer.err.startswith("error: ")


def test_an_error_is_a_document_too(command: Command) -> None:
    answer = command("run", "--ratios", "10", "--json")
    assert answer.document["schema"] == "pmll.error/1"
    assert answer.document["code"] == answer.code == 3
    assert answer.document["errors"][0]["message"] == "the ratio 10 is outside (0, 1]"


def test_debug_shows_the_traceback_wherever_it_stands(command: Command) -> None:
    for argv in (["--debug", "run", "--ratios", "10"], ["run", "--ratios", "10", "--debug"]):
        assert "Traceback (most recent call last)" in command(*argv).err


def test_an_unexpected_error_is_one_line_and_leaves_its_traceback_in_a_file(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(kind: str) -> None:
        raise RuntimeError("the bridge is out")

    monkeypatch.setattr("pmll_bench.describe.catalogue", broken)
    answer = command("list", "methods")
    assert answer.code == 1
    assert answer.err.splitlines()[0] == "error: unexpected RuntimeError: the bridge is out"
    (file,) = (tmp_path / "logs").rglob("error-*.txt")
    assert str(file) in answer.err
    assert "in broken" in file.read_text()


# --- the other commands


def test_a_table_in_every_format(command: Command, grid: list[str], tmp_path: Path) -> None:
    command(*grid)
    assert command("table").out == command("table", "--format", "terminal").out
    csv = command("table", "--format", "csv")
    assert csv.out.startswith("method,")
    assert csv.err == ""
    assert command("table", "--json").out == command("table", "--format", "json").out
    assert json.loads(command("table", "--json").out)["schema"] == "pmll.table/1"
    answer = command("table", "--format", "latex", "-o", "table.tex")
    assert answer.out == ""
    assert r"\toprule" in (tmp_path / "table.tex").read_text()


def test_a_table_may_be_of_some_methods_and_data_sets(command: Command, grid: list[str]) -> None:
    command(*grid)
    assert command("table", "--methods", "mine", "other", "--datasets", "shapes").code == 0
    answer = command("table", "--datasets", "voc")
    assert answer.code == 3
    assert "mine on shapes" in answer.err


def test_a_strict_table_with_a_hole_ends_with_5(command: Command, grid: list[str], tmp_path: Path) -> None:
    command(*grid)
    assert command("table", "--strict").code == 0
    command("run", "--methods", method_file(tmp_path, "other"), "--ratios", "0.5", *SMALL)
    assert command("table", "--strict").code == 5


def test_status_counts_by_data_set_and_method(command: Command, grid: list[str]) -> None:
    command(*grid)
    assert command("status").out.split() == ["data", "set", "method", "done", "shapes", "mine", "4"]
    assert [cell["state"] for cell in command("status", "--json").document["cells"]] == ["done"] * 4


def test_scores_give_the_stored_metrics_again(command: Command, grid: list[str]) -> None:
    done = json.loads(command(*grid, "--json").out.splitlines()[-1])["done"]
    answer = command("score", *(cell[:8] for cell in done), "--json")
    assert answer.code == 0
    assert [cell["agrees"] for cell in answer.document["cells"]] == [True] * 4
    assert command("score", done[0]).out.splitlines()[1].split()[0] == "map"


def test_curves_are_drawn_and_their_files_named(command: Command, grid: list[str]) -> None:
    command(*grid)
    paths = command("plot", "curves", "--out", "figures").out.split()
    assert [Path(path).suffix for path in paths] == [".svg", ".png", ".csv"]
    assert all(Path(path).stat().st_size for path in paths)


@pytest.mark.parametrize("kind", ["methods", "datasets", "regimes", "masks", "tracks"])
def test_everything_is_listed_as_text_and_as_json(command: Command, kind: str) -> None:
    items = command("list", kind, "--json").document["items"]
    lines = command("list", kind).out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [item["name"] for item in items]


def test_every_rule_and_regime_that_there_is_is_listed(command: Command) -> None:
    from pmll_datasets.masks import RULES
    from pmll_datasets.regimes import REGIMES

    for kind, known in (("masks", RULES), ("regimes", REGIMES)):
        assert {item["name"] for item in command("list", kind, "--json").document["items"]} == set(known)


def test_a_data_set_is_shown_with_counts_and_options(command: Command) -> None:
    shown = command("show", "voc").out
    assert "5,011 pictures" in shown
    assert "difficult = negative" in shown
    assert command("show", "voc2007", "--json").document["counts"] == {"train": 5011, "test": 4952}


def test_a_method_is_shown_with_settings_recipes_and_what_nobody_has_run(command: Command, tmp_path: Path) -> None:
    shown = command("show", "bce").out
    assert "never reproduced at paper scale" in shown
    assert "track paper" in shown
    assert "normalisation = known" in shown
    own = command("show", method_file(tmp_path)).out
    assert "Scores by how often a label is known to be present." in own
    assert "starts again" in own


def test_the_embedded_data_set_is_always_at_hand(command: Command) -> None:
    found = {record["name"]: record for record in command("data", "status", "--json").document["datasets"]}
    assert found["shapes"]["ready"] == "yes"
    assert found["voc2007"]["ready"] == "no"
    assert "PMLL_DATA" in found["voc2007"]["what"]


def test_the_doctor_names_what_is_missing(command: Command) -> None:
    well = command("doctor", "--json").document
    assert {"python", "torch", "device", "store probe"} <= {finding["name"] for finding in well["findings"]}
    ill = command("doctor", "--data-root", "nowhere")
    assert ill.code == 3
    assert "nowhere is no folder" in ill.out


def test_the_version_is_told(command: Command) -> None:
    assert command("--version").out.startswith("pmll-bench 0.")


# --- help


def every_command() -> Iterator[list[str]]:
    """The words of every command."""

    def walk(found: Any, words: list[str]) -> Iterator[list[str]]:
        if hasattr(found, "commands"):
            for name, inner in found.commands.items():
                yield from walk(inner, [*words, name])
        else:
            yield words

    return walk(typer.main.get_command(app), [])


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_the_help_of_every_command_has_two_examples_of_it(command: Command, words: list[str]) -> None:
    shown = command(*words, "--help").out
    examples = [line for line in shown.splitlines() if f"pmll-bench {' '.join(words)}" in line and "Usage" not in line]
    assert len(examples) >= 2


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["list", "methods"]], ids=" ".join)
def test_the_command_line_starts_light(words: list[str]) -> None:
    heavy = ("torch", "pandas", "sklearn", "scipy", "matplotlib")
    code = f"""
import sys
from pmll_bench.cli import main
try:
    main({words!r})
finally:
    print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0
    assert answer.stderr.strip() == "[]"


def test_a_reader_who_leaves_early_is_no_error() -> None:
    shell = f"{shlex.quote(sys.executable)} -m pmll_bench list methods | true"
    answer = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, env=os.environ)
    assert answer.stderr == ""
