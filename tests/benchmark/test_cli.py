"""The command line: what `run` prints where, its exit codes, and that every list may be written in every form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import SMALL, Command, method_file
from pmll_bench.cli.argv import spread_lists

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
    assert "4 cells in 4 groups, 0 done" in answer.err


def test_a_run_ends_with_the_table_and_says_the_rest_on_stderr(command: Command, grid: list[str]) -> None:
    answer = command(*grid)
    assert answer.code == 0
    assert "mine" in answer.out
    assert "10%" in answer.out
    assert "done   mine shapes 10% seed 0" in answer.err
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
    axes = "ratios: 0.3\nseeds: [0, 1]\nnoise: 0.2\nsubset: 60\n"
    (tmp_path / "grid.yaml").write_text(f"methods: {method_file(tmp_path)}\n{axes}")
    given = ["run", "--config", "grid.yaml", "--seeds", "7", "--noise", "0", "0.1", "--dry-run"]
    cells = command(*given, "--json").document["cells"]
    assert [(cell["ratio"], cell["seed"], cell.get("noise")) for cell in cells] == [(0.3, 7, None), (0.3, 7, 0.1)]
    assert [line.split()[3:5] for line in command(*given).out.splitlines()[1:]] == [["30%", "0%"], ["30%", "10%"]]


def test_a_set_that_is_given_joins_those_of_the_grid_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(
        "methods: [bce]\nratios: [0.3]\nset: {recipe.batch: 7, recipe.epochs: 2, pooling: avg}\nsubset: 60\n"
    )
    (cell,) = command("run", "--config", "grid.yaml", "--set", "recipe.epochs=5", "--dry-run", "--json").document[
        "cells"
    ]
    assert (cell["recipe_full"]["batch"], cell["recipe_full"]["epochs"]) == (7, 5)
    assert cell["settings_full"]["pooling"] == "avg"


def test_cells_that_fail_are_told_once_with_their_reason(command: Command, tmp_path: Path) -> None:
    broken = method_file(tmp_path, fit='raise ValueError("the lake is dry")')
    answer = command("run", "--methods", broken, "--ratios", "0.1", "0.5", *SMALL)
    assert answer.code == 4
    assert "2 cells failed: ValueError: the lake is dry" in answer.err
    assert "2 cells failed: ValueError: the lake is dry" in command("status").out
    assert command("status", "--check").code == 5


def test_scores_that_are_no_numbers_are_a_divergence(command: Command, tmp_path: Path) -> None:
    broken = method_file(tmp_path, predict=".astype(np.float32) * np.float32(np.inf)")
    answer = command("run", "--methods", broken, "--ratios", "0.5", *SMALL)
    assert answer.code == 4
    assert "1 cell diverged" in answer.err


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
    assert "the same command continues" in stopped.err
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
        (["run", "--set", "x"], 3, "invalid setting 'x'", "NAME=VALUE"),
        (["run", "--config", "nowhere.yaml"], 3, "cannot read the grid file", ""),
        (["run", "--seeds", "3.5"], 3, "invalid seed 3.5 (expected a whole number >= 0)", "--seeds"),
        (["run", "--sets", "a=b"], 2, "No such option", "pmll-bench run --help"),
        (["tabel"], 2, "No such command 'tabel'", "pmll-bench --help"),
        (["show", "dualcop"], 3, "unknown method or data set 'dualcop'", "did you mean 'dualcoop'?"),
        (["show", "bce", "--regime", "partial"], 2, "need --datasets", "add --datasets NAME"),
        (["show", "shapes", "--datasets", "voc"], 2, "shapes is a data set", ""),
        (["show", "bce", "--datasets", "vocc"], 3, "unknown data set 'vocc'", "did you mean 'voc'?"),
        (["data", "fetch", "voc"], 3, "no data folder is given", "--data-root"),
        (["table"], 6, "there is no store", "pmll-bench run"),
        (["status", "--root", "."], 6, "the folder is not a store", ""),
        (["run", "--root", "notes.txt"], 6, "expected a folder, found a file", "choose another folder"),
        (["table", "--root", "notes.txt"], 6, "expected a folder, found a file", "choose another folder"),
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


def test_all_names_that_are_unknown_are_named_at_once(command: Command) -> None:
    answer = command("run", "--methods", "dualcop", "sts", "--datasets", "shape", "vok", "--mask", "contre", "--json")
    assert answer.code == 3
    said = [error["message"] for error in answer.document["errors"]]
    assert said == [
        "unknown mask 'contre'",
        "unknown method 'dualcop'",
        "unknown method 'sts'",
        "unknown data set 'shape'",
        "unknown data set 'vok'",
    ]


def test_all_data_sets_that_are_not_at_hand_are_named_at_once(command: Command) -> None:
    answer = command("run", "--methods", "bce", "--datasets", "voc", "coco")
    assert answer.code == 3
    assert "no data folder given for voc" in answer.err
    assert "no data folder given for coco" in answer.err


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

    monkeypatch.setattr("pmll_bench.cli.describe.catalogue", broken)
    answer = command("list", "methods")
    assert answer.code == 1
    assert answer.err.splitlines()[0] == "error: unexpected RuntimeError: the bridge is out"
    (file,) = (tmp_path / "logs").rglob("error-*.txt")
    assert str(file) in answer.err
    assert "in broken" in file.read_text()


def test_a_dry_run_takes_an_empty_folder_for_a_store_without_cells(command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    answer = command("run", "--methods", method_file(tmp_path), *SMALL, "--root", "empty", "--dry-run", "--json")
    assert {cell["state"] for cell in answer.document["cells"]} == {"planned"}
    assert list((tmp_path / "empty").iterdir()) == []


# --- the log


def test_the_log_is_silent_unless_it_is_asked_for(command: Command, tmp_path: Path) -> None:
    grid = ["run", "--methods", method_file(tmp_path), "--ratios", "0.5", *SMALL]
    assert "pmll_bench.plan.planning" not in command(*grid, "--root", "quiet").err
    for argv in ([*grid, "--root", "one", "-v"], ["--verbose", *grid, "--root", "other"]):
        logged = command(*argv).err
        for event in (
            "planning: planned 1 cell in 1 group",
            "lease taken",
            "attempt 1 started",
            "attempt 1 ended: done",
        ):
            assert event in logged
    assert "lease taken" not in command(*grid, "--root", "quiet again").err
