"""The documentation site: its commands and links, and the pages that are written from the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import _pages
import pytest
import typer

import pmll_bench
from doc_pages import PAGES, ROOT, commands, links, text_of
from pmll_bench.cli import app, main
from pmll_bench.errors import Exit
from pmll_methods.method import REGISTRY


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return _pages.pages()


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_every_option_of_every_page_exists(page: str) -> None:
    tree: Any = typer.main.get_command(app)
    for words in commands(page):
        command, rest = tree, list(words)
        while rest and rest[0] in (inside := getattr(command, "commands", {})):
            command = inside[rest.pop(0)]
        assert command is not tree or rest[0].startswith("-") or rest[0] in ("COMMAND", "…"), words
        known = {name for parameter in (*command.params, *tree.params) for name in parameter.opts} | {"--help"}
        assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known, words


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_every_page_leads_somewhere(page: str) -> None:
    here = ROOT / page
    for target in links(page):
        name, _, part = target.partition("#")
        file = here.parent / name if name else here
        assert file.exists(), target
        heads = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE) if part else []
        assert not part or part in [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads], target


def test_every_method_has_a_card_with_what_is_inferred_and_its_recipes(written: dict[str, str]) -> None:
    assert {path for path in written if path.startswith("methods/")} == {
        *(f"methods/{name}.md" for name in REGISTRY),
        "methods/_list.md",
    }
    sarl = written["methods/sarl.md"]
    assert "word vectors are 300-dimensional GloVe vectors" in sarl  # one of its inferred parts
    assert "never reproduced at paper scale" in sarl
    assert "| `gamma_negative` | `2` | float from 0 | focusing parameter of negatives, γ- | SARL, 4.2 |" in sarl
    assert "| voc2007, coco2014 | partial | 448 | 64 | 100 | sgd | 0.002 |" in sarl
    assert "| 78.3 ± 0.2 | 80.2 ± 0.2 |" in sarl  # its Table 2 on COCO at 10 and 20 %
    assert "pmll-bench ablate sarl-gammas" in sarl
    assert re.search(r"\*\*tower `RN101:openai`:\*\* .*\*\*may contain test images", sarl)
    assert "@misc{ruan2024sarl" in sarl
    assert "crops the centre" in written["methods/clip-zeroshot.md"]  # a difference from CLIP's code
    assert "| [sarl](methods/sarl.md) | CLIP |" in written["methods/_list.md"]


def test_every_data_set_has_a_page_with_its_counts_and_options(written: dict[str, str]) -> None:
    assert "| [voc2007](data-sets/voc2007.md) | PASCAL VOC 2007 | 5,011 | 4,952 | 20 |" in written["data-sets/_list.md"]
    assert "`positive` in single-positive" in written["data-sets/voc2012.md"]
    assert "not checked against the official split files" in written["data-sets/nuswide.md"]


def test_the_reference_has_every_command_with_every_option_and_working_examples(written: dict[str, str]) -> None:
    tree: Any = typer.main.get_command(app)
    for name, command in tree.commands.items():
        page = written[f"commands/{name}.md"]
        for each in getattr(command, "commands", {name: command}).values():
            options = {option for param in each.params if not param.hidden for option in param.opts if option[0] == "-"}
            missing = [option for option in options - {"--help", "-h"} if f"`{option}`" not in page]
            assert not missing, name
            assert page.count("```sh\npmll-bench ") >= 1, name
    assert "\b" not in "".join(written.values())


def test_the_python_reference_has_every_name_that_the_package_exports(written: dict[str, str]) -> None:
    reference = "".join(text for path, text in written.items() if path.startswith("python/"))
    for name in pmll_bench.__all__:
        assert re.search(rf"^\.\. auto\w+:: pmll_bench[\w.]*\.{name}$", reference, re.MULTILINE), name
        assert getattr(pmll_bench, name).__doc__, name


def test_the_table_of_exit_codes_is_complete(written: dict[str, str]) -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| \S", written["commands/_exit-codes.md"], re.MULTILINE)
    assert {name: int(number) for number, name in rows} == {each.name: int(each) for each in Exit}


def test_the_files_of_a_store_and_the_grids_of_the_papers_satisfy_their_json_schemas(
    written: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="comes with the extra 'dev'")
    yaml = pytest.importorskip("yaml")
    schemas = {path: json.loads(text) for path, text in written.items() if path.endswith(".json")}
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["run", "--methods", "clip-zeroshot", "--subset", "20", "--ratios", "0.5", "--device", "cpu"])
    for name in ("result", "cell", "attempt", "end", "store"):
        (file, *_) = Path("runs").rglob(f"{name}.json")
        jsonschema.validate(json.loads(file.read_text()), schemas[f"schemas/{name}.json"])
    damaged = json.loads(next(Path("runs").rglob("result.json")).read_text()) | {"metrics": {"map": 62.1}}
    with pytest.raises(jsonschema.ValidationError, match=r"62\.1"):  # metrics are between 0 and 1
        jsonschema.validate(damaged, schemas["schemas/result.json"])
    grids = sorted((ROOT / "benchmark" / "pmll_bench" / "ablations").glob("*.yaml"))
    for file in grids:
        jsonschema.validate(yaml.safe_load(file.read_text(encoding="utf-8")), schemas["schemas/grid.json"])
    with pytest.raises(jsonschema.ValidationError, match="method"):
        jsonschema.validate({"method": "bce"}, schemas["schemas/grid.json"])


def test_the_events_of_an_attempt_are_those_of_the_page() -> None:
    source = (ROOT / "benchmark" / "pmll_bench" / "running" / "cell_run.py").read_text(encoding="utf-8")
    said = set(re.findall(r"^\| `(\w+)` \|", text_of("json-schemas.md"), re.MULTILINE))
    assert said == set(re.findall(r'"event": "(\w+)"', source))
