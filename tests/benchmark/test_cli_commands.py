"""The commands beside `run`: tables, plots, lists, cards, the doctor, and the help of them all."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import SMALL, Command, method_file


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


def test_a_strict_table_of_some_ratios_counts_the_cells_at_these(command: Command, grid: list[str]) -> None:
    command(*grid)
    result = next(path for path in Path("runs").glob("cells/*/*/*/result.json") if '"ratio":0.5' in path.read_text())
    result.unlink()
    at_50, at_10 = (command("table", "--strict", "--ratios", ratio) for ratio in ("0.5", "10%"))
    assert (at_50.code, at_50.err.startswith("1 cell has no result")) == (5, True)
    assert (at_10.code, at_10.err) == (0, "")


def test_a_strict_table_fails_where_a_whole_method_came_to_nothing(
    command: Command, grid: list[str], tmp_path: Path
) -> None:
    command(*grid)
    diverging = method_file(tmp_path, "other", predict=".astype(np.float32) * np.float32(np.inf)")
    command("run", "--methods", diverging, "--ratios", "0.1", "0.5", *SMALL)
    told = "2 cells have no result: 2 diverged; see 'pmll-bench status'\n"
    assert (command("table").code, command("table").err) == (0, told)
    assert (command("table", "--strict").code, command("table", "--strict").err) == (5, told)
    assert command("table", "--strict", "--methods", "mine").code == 0
    assert told.strip() in command("table", "--methods", "other").err


def test_a_damaged_result_is_told_of_and_is_a_hole(command: Command, grid: list[str]) -> None:
    command(*grid)
    path = next(Path("runs").glob("cells/*/*/*/result.json"))
    path.write_bytes(path.read_bytes()[:99])
    answer = command("table", "--strict", "--format", "csv")
    assert answer.code == 5
    assert answer.err.splitlines()[1] == f"{path.parent.name} (mine on shapes): result.json is damaged; run it again"
    assert answer.out.startswith("method,")


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
    assert [Path(path).suffix for path in paths] == [".svg", ".pdf", ".png", ".csv"]
    assert all(Path(path).stat().st_size for path in paths)


@pytest.mark.parametrize("kind", ["methods", "datasets", "regimes", "masks", "tracks", "ablations"])
def test_everything_is_listed_as_text_and_as_json(command: Command, kind: str) -> None:
    items = command("list", kind, "--json").document["items"]
    lines = command("list", kind).out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [item["name"] for item in items]


def test_the_published_numbers_are_listed_one_a_line_with_their_source(command: Command) -> None:
    lines = command("list", "published").out.splitlines()
    assert any(line.split()[:6] == ["sarl", "coco2014", "partial", "0.10", "map", "78.30"] for line in lines)
    assert {"SARL 2024", "SCPNet 2023"} <= {
        n["source"] for n in command("list", "published", "--json").document["items"]
    }


def test_every_rule_and_regime_that_there_is_is_listed(command: Command) -> None:
    from pmll_datasets.masks import RULES
    from pmll_datasets.registry import REGIMES

    for kind, known in (("masks", RULES), ("regimes", REGIMES)):
        assert {item["name"] for item in command("list", kind, "--json").document["items"]} == set(known)


def test_a_data_set_is_shown_with_counts_and_options(command: Command) -> None:
    shown = command("show", "voc").out
    assert "5,011 images" in shown
    assert "difficult = negative" in shown
    assert command("show", "voc2007", "--json").document["counts"] == {"train": 5011, "test": 4952}


def test_a_method_is_shown_with_settings_recipes_and_what_nobody_has_run(command: Command, tmp_path: Path) -> None:
    shown = command("show", "bce").out
    assert "never reproduced at paper scale" in shown
    assert "track paper" in shown
    assert "normalisation = known" in shown
    assert "trained once per mask" in command("show", "linear-probe").out
    own = command("show", method_file(tmp_path)).out
    assert "Scores by how often a label is known to be present." in own
    assert "a cell restarts unless" in own


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
    assert "nowhere is not a folder" in ill.out


def test_the_version_is_told(command: Command) -> None:
    assert command("--version").out.startswith("pmll-bench 0.")


# --- help


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
