"""Grid files: YAML values mean what they look like, and each error has its line and a hint."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from command_line import Command
from pmll_bench.cli.grid_options import RunOptions
from pmll_bench.errors import ConfigError
from pmll_bench.plan.grid_files import read_request
from pmll_bench.plan.overrides import Overrides, parse_sets
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import MethodRow, Request, declared

EXAMPLE = """\
schema: 1
name: table1
datasets: [coco2014, voc2007]
ratios: [0.1, 20%, 0.3]
seeds: [0, 1, 2]
mask_seeds: [0]
track: paper
methods:
  - sst
  - {method: sarb, params: {lr: 1e-5}}
  - {method: sarb, as: sarb-noblend, params: {blend: false, recipe: {decay_epochs: [5, 10]}}}
set: {recipe.epochs: 3, sst: {lr: 1.0e-4}, data.difficult: negative}
"""


def read(folder: Path, text: str, name: str = "grid.yaml") -> Request:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_request(path)


def problems(folder: Path, text: str, name: str = "grid.yaml") -> list[tuple[str, str, str | None]]:
    """What, where (without the folder) and hint of each problem."""
    with pytest.raises(ConfigError) as caught:
        read(folder, text, name)
    return [
        (problem.what, str(problem.where).replace(str(folder) + "/", ""), problem.hint)
        for problem in caught.value.problems
    ]


def test_a_grid_file_is_a_request(tmp_path: Path) -> None:
    assert read(tmp_path, EXAMPLE) == Request(
        name="table1",
        datasets=("coco2014", "voc2007"),
        ratios=(0.1, 0.2, 0.3),
        seeds=(0, 1, 2),
        mask_seeds=(0,),
        track="paper",
        methods=(
            MethodRow("sst"),
            MethodRow("sarb", sets=("lr=1e-05",)),
            MethodRow("sarb", label="sarb-noblend", sets=("blend=false", "recipe.decay_epochs=5,10")),
        ),
        sets=("recipe.epochs=3", "sst.lr=0.0001", "data.difficult=negative"),
    )


def test_what_a_file_leaves_out_is_as_on_the_command_line(tmp_path: Path) -> None:
    empty, usual = read(tmp_path, "{}"), Request()
    assert empty.rows == usual.rows
    assert {**vars(empty), "methods": ()} == {**vars(usual), "methods": ()}


def test_single_values_stand_for_lists_of_one(tmp_path: Path) -> None:
    request = read(tmp_path, "datasets: voc2007\nmethods: sst\nratios: 10%\nseeds: 3\nset: [lr=1]\n")
    assert (request.datasets, request.ratios, request.seeds, request.sets) == (("voc2007",), (0.1,), (3,), ("lr=1",))


def test_json_says_the_same(tmp_path: Path) -> None:
    text = json.dumps(
        {"datasets": ["voc2007"], "methods": [{"method": "sst", "params": {"lr": 1e-5}}], "seeds": [1]}, indent="\t"
    )
    request = read(tmp_path, text, "grid.json")
    assert (request.methods, request.seeds) == ((MethodRow("sst", sets=("lr=1e-05",)),), (1,))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1e-4", "0.0001"),
        ("1e4", "10000.0"),
        (".5", "0.5"),
        ("10:30", "10:30"),
        ("12:30:45", "12:30:45"),
        ("no", "no"),
        ("off", "off"),
        ("y", "y"),
        ("2014-01-01", "2014-01-01"),
        ("017", "17"),
        ("08", "8"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("nan", "nan"),
        ("true", "true"),
        ("'true'", "true"),
        ("null", "null"),
        ("~", "null"),
        ("", "null"),
        ("größe", "größe"),
    ],
)
def test_yaml_values_mean_what_they_look_like(tmp_path: Path, written: str, meant: str) -> None:
    assert read(tmp_path, f"set:\n  name: {written}\n").sets == (f"name={meant}",)


def test_all_mistakes_are_told_with_their_lines(tmp_path: Path) -> None:
    text = "datasets: [voc2007]\nratio: [0.1]\nratios: [0.1, 10]\nseeds: [0, one]\n"
    text += "methods:\n  - sst\n  - {method: sarb, param: {lr: 1}}\n"
    found = problems(tmp_path, text)
    assert [(where, hint) for _, where, hint in found] == [
        ("grid.yaml:2:1, ratio", "did you mean 'ratios'?"),
        ("grid.yaml:3:15, ratios[1]", "did you mean 10% or 0.1?"),
        ("grid.yaml:4:12, seeds[1]", None),
        ("grid.yaml:7:20, methods[1].param", "did you mean 'params'?"),
    ]
    assert [what for what, _, _ in found] == [
        "unknown key 'ratio'",
        "ratios[1]: the ratio 10 is outside (0, 1]",
        "invalid seed one (expected a whole number >= 0)",
        "unknown key 'param'",
    ]


def test_a_repeated_key_is_refused_with_line_and_column(tmp_path: Path) -> None:
    assert problems(tmp_path, "seeds: [0]\nset:\n  lr: 1\n  lr: 2\n") == [("duplicate key 'lr'", "grid.yaml:4:3", None)]
    assert problems(tmp_path, '{"seeds": [0], "seeds": [1]}', "grid.json")[0][0] == "duplicate key 'seeds'"


@pytest.mark.parametrize(
    ("key", "shown"),
    [("1", "1"), ("1.5", "1.5"), ("true", "true"), ("null", "null"), ("[a]", "[…]"), ("{a: b}", "{…}")],
)
def test_a_key_that_is_not_a_string_is_refused(tmp_path: Path, key: str, shown: str) -> None:
    [(what, where, hint)] = problems(tmp_path, f"set:\n  ? {key}\n  : 1\n")
    assert (what, hint) == (f"key {shown} is not a string", "put it in quotes")
    assert where == "grid.yaml:2:5"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("seeds: [0", "grid.yaml:1:10"),
        ("a: b: c", "grid.yaml:1:5"),
        ("a: 1\n---\nb: 2", "grid.yaml:2:1"),
        ("a: *b", "grid.yaml:1:4"),
    ],
)
def test_broken_yaml_is_told_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    [(what, where, _)] = problems(tmp_path, text)
    assert what.startswith("invalid YAML")
    assert where == place


def test_broken_json_is_told_with_its_place(tmp_path: Path) -> None:
    [(what, where, _)] = problems(tmp_path, '{"seeds": [0,]}', "grid.json")
    assert what.startswith("invalid JSON")
    assert where.startswith("grid.json:1:1")


@pytest.mark.parametrize(
    "text",
    ["x: !!python/name:os.system", "x: !!binary aGk=", "x: !mine 3", "x: !!set {a}", "x: !!timestamp 2014-01-01"],
)
def test_no_tag_makes_an_object(tmp_path: Path, text: str) -> None:
    assert "unsupported YAML tag" in problems(tmp_path, text)[0][0]


def test_aliases_are_read_but_not_multiplied_without_end(tmp_path: Path) -> None:
    assert read(tmp_path, "seeds: &s [1, 2]\nmask_seeds: *s\n").mask_seeds == (1, 2)
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{previous}'] * 10)}]\n"
        for previous, name in zip("abcdef", "bcdefg", strict=True)
    )
    for text in (bomb, "a: &a [*a]\n", "a: " + "[" * 50 + "]" * 50):
        assert "too deeply" in problems(tmp_path, text)[0][0]


@pytest.mark.parametrize("text", ["[sst]", "sst", "", "# nothing", "3"])
def test_a_file_that_is_not_a_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "mapping" in problems(tmp_path, text)[0][0]


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: gr\xf6\xdfe\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * 1_000_001)
    for name, reason in (("missing", "No such file"), ("latin", "not valid UTF-8"), ("large", "at most 1,000,000")):
        with pytest.raises(ConfigError, match=reason) as caught:
            read_request(tmp_path / f"{name}.yaml")
        assert caught.value.where == str(tmp_path / f"{name}.yaml")


def test_a_newer_grid_file_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path, "schema: 2\n")[0][1] == "grid.yaml:1:1, schema"


SLURM = """\
methods: [scpnet]
slurm:
  partition: gpu
  time: 10:30
  gpus: 2
  exclusive: true
  setup: [module load cuda, "export A=1"]
  trunk: {mem: 64G}
  scpnet.cpus: 8
"""


def test_settings_of_jobs_are_as_on_the_command_line_and_know_their_lines(tmp_path: Path) -> None:
    found = {(each.of, each.key): each for each in read(tmp_path, SLURM).slurm}
    assert {key: each.value for key, each in found.items()} == {
        ("", "partition"): "gpu",
        ("", "time"): "10:30",  # text, not the number 630
        ("", "gpus"): "2",
        ("", "exclusive"): "yes",
        ("", "setup"): "module load cuda\nexport A=1",
        ("trunk", "mem"): "64G",
        ("scpnet", "cpus"): "8",
    }
    assert found["trunk", "mem"].where == f"{tmp_path}/grid.yaml:8:11, slurm.trunk.mem"


@pytest.mark.parametrize(
    ("text", "where"), [("slurm: {mem: null}", "1:9, slurm.mem"), ("slurm:\n  a: {mem: {b: c}}", "2:7, slurm.a.mem")]
)
def test_a_setting_of_jobs_that_is_no_value_is_refused(tmp_path: Path, text: str, where: str) -> None:
    [(what, place, _)] = problems(tmp_path, text)
    assert place == f"grid.yaml:{where}"
    assert "neither text nor a number" in what


def test_settings_of_jobs_are_a_mapping(tmp_path: Path) -> None:
    assert problems(tmp_path, "slurm: [mem]")[0][1] == "grid.yaml:1:1, slurm"


def test_a_wrong_setting_of_jobs_is_refused_with_its_line_whatever_the_launcher(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "grid.yaml").write_text("methods: [linear-probe]\nsubset: 40\nslurm:\n  partitions: gpu\n")
    answer = command("run", "--config", "grid.yaml", "--dry-run")
    assert answer.code == 3
    assert "where: grid.yaml:4:3, slurm.partitions" in answer.err
    assert "did you mean 'partition'?" in answer.err


GIVEN = {
    "methods": ["bce", "sst"],
    "datasets": ["voc2007", "shapes"],
    "ratios": ["10%", "0.5"],
    "seeds": [1, 2],
    "mask_seeds": [3],
    "mask": "hcp",
    "noise": [0.1, 0.2],
    "regime": "semi",
    "subset": 60,
    "limit": 5,
    "track": "controlled",
    "set": ["lr=1", "recipe.epochs=2"],
    "data_root": "data",
}
"""A value for every key that is an option, too."""


def options(given: dict[str, Any]) -> list[str]:
    """The options of the command line that say the same as the keys of a grid file."""
    argv: list[str] = []
    for key, value in given.items():
        values = [str(each) for each in (value if isinstance(value, list) else [value])]
        flag = f"--{key.replace('_', '-')}"
        argv += [part for each in values for part in (flag, each)] if key == "set" else [flag, *values]
    return argv


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The requests that `run` and `ablate` plan; nothing is planned."""
    found: list[Request] = []

    def planned(request: Request, how: RunOptions) -> None:
        found.append(request)
        raise typer.Exit

    for name in ("run", "ablate"):
        monkeypatch.setattr(import_module(f"pmll_bench.cli.{name}"), "run_grid", planned)
    return found


def test_every_option_of_run_is_a_key_of_grid_files_and_means_the_same(
    command: Command, requests: list[Request], tmp_path: Path
) -> None:
    assert GIVEN.keys() == {field.key for field in declared() if field.option is not None}
    assert command("run", *options(GIVEN)).code == 0
    (given,) = requests
    assert replace(given, methods=given.rows) == read(tmp_path, json.dumps(GIVEN), "grid.json")
    assert all(getattr(given, field.name) != field.default for field in declared() if field.option is not None)


def test_ablate_takes_the_options_of_run_except_its_methods(command: Command, requests: list[Request]) -> None:
    own = {key: value for key, value in GIVEN.items() if key != "methods"}
    assert command("ablate", "dualcoop-contexts", *options(own)).code == 0
    assert command("run", *options(own)).code == 0
    ablation, run = requests
    changed = {field.name for field in declared() if field.option is not None} - {"methods", "sets"}
    assert {name: getattr(ablation, name) for name in changed} == {name: getattr(run, name) for name in changed}
    assert ablation.sets[-2:] == run.sets
    assert command("ablate", "dualcoop-contexts", "--methods", "bce").code == 2


def test_set_is_parsed_once_for_a_whole_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[tuple[str, ...]] = []

    def counted(sets: tuple[str, ...]) -> Overrides:
        parsed.append(sets)
        return parse_sets(sets)

    monkeypatch.setattr("pmll_bench.plan.request.parse_sets", counted)
    asked = Request(methods=("bce", MethodRow("bce", "again", ("pooling=avg",))), sets=("recipe.epochs=1",), subset=40)
    plan(asked)
    assert sorted(parsed) == [("pooling=avg",), ("recipe.epochs=1",)]
