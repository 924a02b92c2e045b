"""The examples of the documentation, taken from its pages, run as they stand there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from doc_pages import blocks, check_workflow, spans, text_of
from pmll_bench.cli import main
from pmll_bench.cli.recipes import page
from pmll_bench.metrics import evaluate
from pmll_datasets.dataset import DataError, load
from pmll_datasets.registry import DATASETS, Entry

DOCS = Path(__file__).parents[1] / "docs"
QUICK = ["--subset", "40", "--ratios", "0.5", "--threads", "1", "--device", "cpu", "--set", "recipe.epochs=1"]


def code(page: str, name: str = "") -> str:
    """The Python block of a page with this file name, or the one without a name."""
    blocks = re.findall(
        r"^```python ?(\S*)\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    (found,) = [text for file, text in blocks if file == name]
    return str(found)


def written(page: str, folder: Path) -> str:
    """The text of a page; the files that its blocks name are written into a folder, with five images beside them."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for name, content in re.findall(r"^```(?:csv|json) (\S+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        (folder / name).write_text(content, encoding="utf-8")
    for number in range(1, 6):
        Image.new("RGB", (32, 24), (50 * number, 80, 80)).save(folder / f"{number}.png")
    return text


def ended(*argv: str) -> int:
    with pytest.raises(SystemExit) as exit:
        main(argv)
    return int(exit.value.code or 0)


@pytest.mark.parametrize("name", ["colours", "ensembled", "residual"])  # focal: in the workflow for GitHub, below
def test_the_examples_of_methods_keep_all_rules_and_run_beside_others(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(f"{name}.py").write_text(code("add-a-method.md", f"{name}.py"), encoding="utf-8")
    assert ended("check", f"{name}.py") == 0
    assert ended("run", "--methods", f"{name}.py", "clip-zeroshot", *QUICK) == 0
    assert re.search(rf"^{name}", capsys.readouterr().out, re.MULTILINE)


def test_the_benchmark_compares_the_averages_of_the_example_with_the_hidden_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ensembled.py").write_text(code("add-a-method.md", "ensembled.py"), encoding="utf-8")
    assert ended("run", "--methods", "ensembled.py", *QUICK) == 0
    (result,) = Path("runs/cells").glob("*/*/*/result.json")
    assert "average" in json.loads(result.read_text())["beliefs"]


def test_the_example_of_checks_in_one_s_own_test_suite_gives_a_test_per_check(tmp_path: Path) -> None:
    for name in ("focal.py", "test_focal.py"):
        (tmp_path / name).write_text(code("add-a-method.md", name), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "test_focal.py"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout
    passed = re.findall(r"test_focal_keeps_the_rules\[(\S+)\] PASSED", answer.stdout)
    assert "focal.py-same-seed-same-scores" in passed
    assert len(passed) > 10


def test_the_workflow_for_github_is_valid_and_its_commands_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (text,) = blocks("check-in-ci.md", "yaml")
    Path("my_method.py").write_text(code("add-a-method.md", "focal.py"), encoding="utf-8")
    steps = [step["run"] for step in yaml.safe_load(text)["jobs"]["smoke"]["steps"] if "run" in step]
    commands = [shlex.split(step)[1:] for step in steps if step.startswith("pmll-bench ")]
    assert [words[0] for words in commands] == ["check", "run", "table"]
    for words in commands:
        assert ended(*words, *(["--device", "cpu"] if words[0] == "run" else [])) == 0
    assert re.search(r"^focal +\d+\.\d", capsys.readouterr().out, re.MULTILINE)
    check_workflow(text, Path(".github/workflows/method.yml"))


def test_the_grid_file_of_the_page_is_read_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (text,) = blocks("grid-files.md", "yaml")
    Path("grid.yaml").write_text(text, encoding="utf-8")
    assert ended("run", "--config", "grid.yaml", "--dry-run") == 0
    assert "18 cells" in "".join(capsys.readouterr())  # three rows, two ratios, three seeds


def test_the_table_of_the_first_run_is_that_of_the_readme() -> None:
    (shown,) = blocks("first-run.md", "text")
    rows = {line.split("  ")[0]: re.findall(r"\d+\.\d", line) for line in shown.splitlines()[2:]}
    readme = re.findall(r"^\| ([a-z-]+(?: †)?) \| (.*\d\.\d.*) \|$", text_of("README.md"), re.MULTILINE)
    assert rows == {name: re.findall(r"\d+\.\d", numbers) for name, numbers in readme}
    assert len(rows["dualcoop †"]) == 10


def test_the_metrics_of_the_page_are_those_of_the_results() -> None:
    scores, labels = np.array([[1.0, -1.0], [-1.0, 1.0]], np.float32), np.array([[1, -1], [-1, 1]], np.int8)
    names = {name for row in re.findall(r"^\| (`.*?) \|", text_of("metrics.md"), re.MULTILINE) for name in spans(row)}
    prefixes = {name.removesuffix("…") for name in names if name.endswith("…")} | {""}
    plain = {name for name in names if not name.endswith("…")}
    ranking = {"map", "map_hcp"}
    assert {prefix + name for prefix in prefixes for name in plain - ranking} | ranking == {
        *evaluate(scores, labels).values
    }


def test_the_example_of_a_data_set_is_read_by_its_line_of_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "ponds"
    for folder in ("images", "labels"):
        (home / folder).mkdir(parents=True)
    (home / "classes.txt").write_text("frog heron reed\n")
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        (home / f"{split}.txt").write_text(" ".join(f"{split}{n}" for n in range(12)))
        for n in range(12):
            Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(home / "images" / f"{split}{n}.png")
            (home / "labels" / f"{split}{n}.txt").write_text(("frog", "heron reed", "reed", "")[n % 4])
    loader = tmp_path / "loaders" / "ponds.py"
    loader.parent.mkdir()
    loader.write_text(code("add-a-data-set.md", "ponds.py"), encoding="utf-8")
    monkeypatch.syspath_prepend(str(loader.parent))
    lines: dict[str, Entry] = eval(f"{{{code('add-a-data-set.md')}}}", {"Entry": Entry})
    monkeypatch.setitem(DATASETS, "ponds", lines["ponds"])
    monkeypatch.setitem(sys.modules, "pmll_datasets.ponds", __import__("ponds"))
    monkeypatch.chdir(tmp_path)
    here = ["--datasets", "ponds", "--data-root", str(home), "--device", "cpu", "--threads", "1"]
    assert ended("run", "--methods", "clip-zeroshot", "--track", "smoke", *here) == 0
    assert "12 training and 12 test images, 3 classes" in capsys.readouterr().out


def test_the_commands_for_your_own_images_answer_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An ellipsis on the page stands for what depends on the place or on the images."""
    monkeypatch.chdir(tmp_path)
    text = written("your-own-images.md", tmp_path)
    sessions = "".join(re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    commands = re.findall(r"^\$ pmll-bench (.*)\n((?:(?!\$ ).*\n)*)", sessions, re.MULTILINE)
    assert len(commands) == sessions.count("$ ") == 5
    for command, answer in commands:
        ended(*shlex.split(command))
        printed = capsys.readouterr()
        pattern = re.escape(answer).replace("…", ".*")
        assert re.fullmatch(pattern, printed.err + printed.out), f"{command}\n{printed.err}{printed.out}"


def test_the_table_of_what_marks_mean_is_what_they_mean(tmp_path: Path) -> None:
    """A data set for each row of the table, with a class for each mark that the row explains."""
    text = written("your-own-images.md", tmp_path)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    (_, *marks), _, *rows = rows
    assert marks == ["1", "0", "-1", "empty"]
    assert len(rows) == 8
    signs = {"present": 1, "absent": -1, "unknown": 0}
    for number, (about, *meanings) in enumerate(rows):
        explained = [
            (mark.replace("empty", ""), meaning) for mark, meaning in zip(marks, meanings, strict=True) if meaning
        ]
        names = [f"class {place}" for place in range(len(explained))]
        row = ",".join(mark for mark, _ in explained)
        absent = ",".join(next(mark for mark, meaning in explained if meaning == "absent") for _ in explained)
        file = tmp_path / f"row{number}.csv"
        file.write_text(f"path,split,{','.join(names)}\n1.png,train,{row}\n2.png,test,{absent}\n", encoding="utf-8")
        options = dict(re.findall(r"data\.(\w+)=([\w-]+)", about))
        assert load(str(file), options=options).train.labels.tolist() == [[signs[meaning] for _, meaning in explained]]
        if "zero" in options:
            with pytest.raises(DataError, match="may mean"):
                load(str(file))


def test_the_page_of_recipes_is_what_the_cards_say_now() -> None:
    """After a change of a recipe: python -m pmll_bench.cli.recipes > docs/recipes.md."""
    assert (DOCS / "recipes.md").read_text(encoding="utf-8") == page()
