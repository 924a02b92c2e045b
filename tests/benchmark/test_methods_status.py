"""How far methods are checked: every declared level has its evidence, and nothing else is declared."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest

from command_line import Command
from made_up_results import keep, made_up
from pmll_bench.report.papers.status import GOLDEN_KINDS, OWN, REPRODUCED, levels, short_status, status
from pmll_bench.report.pretraining import overlap_note, pretraining
from pmll_bench.store.summary import tower_of
from pmll_methods import registry
from pmll_methods.method import GOLDEN, PAPER_STEP, PHOTOGRAPHS, REGISTRY

ROOT = Path(__file__).parents[2]
METHODS = ROOT / "methods"


def first_cells(markdown: str) -> set[str]:
    """The words in the first and fourth cell of all lines of tables, without marks."""
    cells = re.findall(r"^\| ([^|]+?) \|", markdown, re.MULTILINE) + re.findall(r"\| \| (`[^|]+?`) \|", markdown)
    return {cell.strip("`†‡ ").partition(" (")[0] for cell in cells} & set(REGISTRY)


def test_one_step_at_paper_size_was_measured() -> None:
    text = (ROOT / "benchmark" / "README.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## One step at paper size\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)
    assert first_cells(section) == {name for name in REGISTRY if PAPER_STEP in levels(name)}


def test_real_photographs_have_a_row_in_a_published_table() -> None:
    text = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## Real photographs") :]
    assert first_cells(section) == {name for name in REGISTRY if PHOTOGRAPHS in levels(name)}


Symbol: TypeAlias = tuple[str, str]  # a module of the methods, and a name in it
PARTS = tuple(f"pmll_methods.{room}." for room in ("losses", "nn", "towers", "learners"))  # where the equations are
PLUMBING = tuple(f"pmll_methods.{module}" for module in ("learners.learner", "towers.cnn", "towers.clip"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> dict[str, Symbol]:
    """What a file imports from the methods, by the name that it has there."""
    found: dict[str, Symbol] = {}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom):
            package = node.module or ""
            if node.level:
                own = path.relative_to(METHODS).with_suffix("").parts[: -node.level]
                package = ".".join([*own, *filter(None, [node.module])])
            if package.startswith("pmll_methods"):
                found |= {alias.asname or alias.name: (package, alias.name) for alias in node.names}
    return found


def file_of(module: str) -> Path:
    return METHODS.joinpath(*module.split(".")).with_suffix(".py")


@cache
def used_by(module: str) -> frozenset[Symbol]:
    """What a module of the methods imports from others, and what those import."""
    seen: set[str] = set()
    symbols: set[Symbol] = set()
    waiting = [module]
    while waiting:
        path = file_of(name := waiting.pop())
        if name not in seen and path.is_file():
            seen.add(name)
            known = imported(path)
            symbols |= {*known.values(), *of_modules(path, known), *own(name, path)}
            waiting += [each for package, part in known.values() for each in (package, f"{package}.{part}")]
    return frozenset(symbols)


def of_modules(path: Path, known: Mapping[str, Symbol]) -> set[Symbol]:
    """What a file uses of an imported module, as in `thresholds.cat_labels`."""
    attributes = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)]
    named = [(node.value.id, node.attr) for node in attributes if isinstance(node.value, ast.Name)]
    return {(".".join(known[module]), part) for module, part in named if module in known}


def own(module: str, path: Path) -> set[Symbol]:
    """What a module both defines and uses."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {(module, node.name) for node in tree(path).body if isinstance(node, kinds) and node.name in uses(path)}


@cache
def uses(path: Path) -> set[str]:
    return names_in(tree(path))


def names_in(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


@cache
def parts_tested_by(kind: str) -> frozenset[Symbol]:
    """The parts of methods that tests of the golden vectors of a kind call, in the test or in a helper of its file."""
    symbols: set[Symbol] = set()
    for path in sorted((ROOT / "tests" / "methods").glob("test_*.py")):
        if "from golden import" not in path.read_text(encoding="utf-8"):
            continue
        known = imported(path)
        functions = {node.name: node for node in tree(path).body if isinstance(node, ast.FunctionDef)}
        for function in functions.values():
            marks = " ".join(map(ast.unparse, function.decorator_list))
            if not function.name.startswith("test_") or f"'{kind}'" not in marks:
                continue
            names: set[str] = set()
            waiting = [function]
            while waiting:
                for name in names_in(waiting.pop()) - names:
                    names.add(name)
                    waiting += [functions[name]] if name in functions else []
            symbols |= {known[name] for name in names & known.keys()}
    return frozenset(symbol for symbol in symbols if symbol[0].startswith(PARTS) and symbol[0] not in PLUMBING)


@pytest.mark.parametrize(("method", "kind"), [(name, kind) for name, kinds in GOLDEN_KINDS.items() for kind in kinds])
def test_golden_vectors_exist_and_test_what_the_method_uses(method: str, kind: str) -> None:
    assert list((ROOT / "tests" / "golden" / kind).glob("*.npz")), f"no vectors of {kind}"
    assert parts_tested_by(kind) & used_by(REGISTRY[method].target.partition(":")[0]), (
        f"{kind} tests nothing of {method}"
    )


@pytest.mark.parametrize("method", REGISTRY)
def test_the_card_has_the_declared_levels(method: str) -> None:
    assert registry.find(method).card.shown == levels(method)


def test_no_method_claims_to_be_reproduced() -> None:
    assert all(status(name).endswith(REPRODUCED) for name in REGISTRY)
    assert status("dualcoop") == f"{GOLDEN}, {PAPER_STEP}, {PHOTOGRAPHS}, {REPRODUCED}"
    assert levels("mine") == ()
    assert status("mine") == OWN


def test_a_row_has_the_levels_that_all_its_methods_have() -> None:
    assert short_status(["dualcoop"]) == "golden, paper step, photographs"
    assert short_status(["dualcoop", "kggr"]) == "paper step"
    assert short_status(["mine"]) == short_status([]) == OWN


def test_lists_and_tables_show_the_status(command: Command, tmp_path: Path) -> None:
    listed = command("list", "methods")
    (kggr,) = [line for line in listed.out.splitlines() if line.startswith("kggr ")]
    assert "paper step" in kggr
    assert "golden" not in kggr
    assert "No method has been reproduced at paper scale" in " ".join(command("list", "--help").out.split())
    items = {item["name"]: item for item in command("list", "methods", "--json").document["items"]}
    assert items["kggr"]["status"] == [PAPER_STEP]
    keep(tmp_path / "runs", made_up("kggr", 0.5), made_up("mine", 0.4))
    shown = command("table", "--status").out
    assert re.search(r"kggr .* paper step\n", shown)
    assert re.search(r"mine .* not checked by us\n", shown)
    assert "No method has been reproduced at paper scale" in shown
    assert "No method has been reproduced" not in command("table").out


@pytest.mark.parametrize(
    ("tower", "data"),
    [
        ("RN101:openai", "WIT-400M"),
        ("clip:RN50:openai", "WIT-400M"),
        ("ViT-B-16:laion2b_s34b_b88k", "LAION"),
        ("ViT-B-32:datacomp_xl_s13b_b90k", "LAION"),
        ("ViT-B-16-SigLIP:webli", "image-text pairs"),
        ("resnet101", "ImageNet"),
        ("resnet50:IMAGENET1K_V2", "ImageNet"),
        ("timm:vit_base_patch16_224.augreg_in21k_ft_in1k", "more than ImageNet"),
        ("timm:resnet50.a1_in1k", "ImageNet"),
        ("mobilenet_v2 (weights from a file)", "not known"),
        ("local-dir:~/model", "not known"),
    ],
)
def test_what_towers_were_pretrained_on(tower: str, data: str) -> None:
    found = pretraining(tower)
    assert found.data.startswith(data)
    assert found.warning.startswith("may contain test images")


def test_the_embedded_tower_has_seen_no_test_image() -> None:
    assert pretraining("tiny").warning == ""
    assert tower_of({"tower": "tiny", "weights": None}) == "tiny"
    assert tower_of({"tower": "resnet50", "weights": "own.pt"}) == "resnet50 (weights from a file)"
    assert tower_of({}) == tower_of({"tower": None}) == ""


def test_the_warning_names_towers_and_rows_on_photographs_of_the_web_only() -> None:
    towers = {"RN101:openai": ["dualcoop", "sarl", "dualcoop"], "resnet101": ["sst"], "tiny": ["bce"], "": ["mine"]}
    (note,) = overlap_note("voc2007", towers)
    assert note == (
        "The pretraining of these towers may contain test images of voc2007: RN101:openai (WIT-400M, 400 million "
        "image-text pairs of the web, not published; dualcoop, sarl); resnet101 (ImageNet; sst)."
    )
    assert list(overlap_note("coco2014-subset", {"tiny": ["bce"]})) == []
    assert list(overlap_note("shapes", towers)) == []
    assert list(overlap_note("my-vocabulary", towers)) == []


def test_tables_and_show_have_the_warning(command: Command, tmp_path: Path) -> None:
    settings = {"tower": "RN101:openai", "weights": None}
    keep(tmp_path / "runs", made_up("dualcoop", 0.5, dataset="voc2007", settings=settings))
    assert "may contain test images of voc2007: RN101:openai (WIT-400M" in command("table").out
    shown = command("show", "sst").out
    assert re.search(r"^  towers   resnet101: pretrained on ImageNet; may contain test images", shown, re.MULTILINE)
    assert "tiny: pretrained on generated scenes that differ from those of shapes" in shown
