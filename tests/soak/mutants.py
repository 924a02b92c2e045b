"""Makes small wrong changes to a module, one at a time, and lists those that no test notices.

    python tests/soak/mutants.py losses metrics      # parts of file names; none: all modules below, hours
    python tests/soak/mutants.py losses/asl.py:30    # one line

cosmic-ray makes the changes. Each is tested in a fork of a process that has already loaded the large libraries, in a
copy of the checkout, by the tests named below. Prints one line per survivor, as it comes, and a count per module.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("errors", "datasets", "methods", "benchmark")
LIBRARIES = ("torch", "torchvision", "timm", "open_clip", "sklearn.cluster", "pandas", "hypothesis", "beartype", "rich")
SECONDS = 300  # a mutant that takes longer loops without end: it is noticed
METHODS, BENCH = "methods/pmll_methods/", "benchmark/pmll_bench/"
VALUES = "test_loss_values.py"
PAPER = ("test_paper_steps.py", "test_paper_steps_pseudo_labels.py", "test_paper_steps_label_features.py")
LOOP = ("test_training_steps.py", "test_schedule.py", "test_loop.py", "test_paper_rates.py")


def of_methods(*names: str) -> tuple[str, ...]:
    return tuple(f"tests/methods/{name}" for name in names)


def of_bench(*names: str) -> tuple[str, ...]:
    return tuple(f"tests/benchmark/{name}" for name in names)


TESTS = {  # of each module, the quick ones first
    f"{METHODS}losses/asymmetric.py": of_methods(VALUES, "test_losses.py", PAPER[0]),
    f"{METHODS}losses/partial_bce.py": of_methods(VALUES, "test_losses.py", PAPER[0]),
    f"{METHODS}losses/contrastive.py": of_methods(VALUES, "test_contrastive.py", PAPER[2]),
    f"{METHODS}losses/csl.py": of_methods(VALUES, "test_large_loss.py"),
    f"{METHODS}losses/hill.py": of_methods(VALUES, "test_large_loss.py", PAPER[0]),
    f"{METHODS}losses/splc.py": of_methods(VALUES, "test_large_loss.py", PAPER[0]),
    f"{METHODS}losses/large_loss.py": of_methods(VALUES, "test_large_loss.py", PAPER[0]),
    f"{METHODS}losses/single_positive.py": of_methods(VALUES, "test_single_positive.py", PAPER[0]),
    f"{METHODS}losses/scpnet.py": of_methods(VALUES, "test_scpnet.py", PAPER[1]),
    f"{METHODS}losses/scinet.py": of_methods(VALUES, "test_scinet_golden.py", PAPER[1]),
    f"{METHODS}losses/targets.py": of_methods(VALUES, "test_scpnet.py", "test_scinet_golden.py", PAPER[1]),
    f"{METHODS}engine/ema.py": of_methods("test_schedule.py", *LOOP),
    f"{METHODS}engine/schedule.py": of_methods("test_schedule.py", "test_epochs.py", LOOP[0]),
    f"{METHODS}engine/feed.py": of_methods("test_feed.py", *LOOP[:3]),
    f"{METHODS}engine/member.py": of_methods("test_member.py", *LOOP),
    f"{METHODS}engine/loop.py": of_methods("test_member.py", *LOOP),
    f"{METHODS}engine/contract.py": of_methods("test_loop.py"),
    f"{METHODS}engine/isolation.py": of_methods("test_loop.py"),
    "datasets/pmll_datasets/masks.py": ("tests/datasets/test_masks.py",),
    f"{BENCH}metrics.py": of_bench("test_metrics.py"),
    f"{BENCH}running/selection.py": of_bench("test_selection.py", "test_protocol.py", "test_tries.py"),
    f"{BENCH}store/lease.py": of_bench("test_lease.py", "test_protocol.py"),
    f"{BENCH}report/tables/table.py": of_bench("test_table.py", "test_caveats.py"),
}
OPERATORS = tuple(
    f"core/{name}"
    for name in (
        *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Mod_Mul")),
        *(f"ReplaceBinaryOperator_{pair}" for pair in ("FloorDiv_Mul", "Pow_Mul", "BitAnd_BitOr", "BitOr_BitAnd")),
        *(f"ReplaceComparisonOperator_{pair}" for pair in ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Lt_Gt", "Gt_Lt")),
        *(f"ReplaceComparisonOperator_{pair}" for pair in ("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is")),
        *(f"ReplaceUnaryOperator_Delete_{name}" for name in ("USub", "Invert", "Not")),
        *("AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
        *("ReplaceBreakWithContinue", "NumberReplacer", "ZeroIterationForLoop"),
    )
)


class Mutant(NamedTuple):
    """A module with one small wrong change."""

    line: int
    operator: str
    code: str


def mutants(path: Path) -> Iterator[Mutant]:
    """All of a module but those of annotations, which are never run, and of the `*` before keywords."""
    text = path.read_text("utf-8")
    idle, lines = of_annotations(text), text.splitlines()
    for name in OPERATORS:
        operator: Any = get_operator(name)()
        spots = [spot for node in ast_nodes(get_ast(text)) for spot in operator.mutation_positions(node)]
        for occurrence, (start, _) in enumerate(spots):
            line, column = start
            keywords = re.match(r"\*+[,\w]", lines[line - 1][column:])
            if keywords or any(low <= start <= high for low, high in idle):
                continue
            changed = mutate_code(text.encode(), operator, occurrence)
            if changed is not None:
                yield Mutant(line, name.removeprefix("core/"), changed)


def of_annotations(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where annotations begin and end."""
    found: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            found.append(node.returns)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            found.append(node.annotation)
    return [
        ((each.lineno, each.col_offset), (each.end_lineno or 0, each.end_col_offset or 0)) for each in found if each
    ]


def run_tests(copy: Path, tests: Sequence[str], log: Path) -> None:
    """In the fork: never returns."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(copy)
    sys.path[:0] = [str(copy / source) for source in SOURCES]
    options = ["-q", "-x", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    options += ["-o", "addopts=--import-mode=importlib"]  # without checks of shapes, which take most of the time
    status = pytest.main([*options, *tests])
    sys.stdout.flush()
    os._exit(status)


def noticed(copy: Path, tests: Sequence[str], log: Path) -> bool:
    """Whether one of the tests fails on the copy of the checkout."""
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            run_tests(copy, tests, log)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            return status != 0
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def try_module(copy: Path, name: str, line: int | None) -> tuple[int, int]:
    """How many mutants of a module there are, and how many of them survive."""
    log = copy.parent / "log.txt"
    if not line and noticed(copy, TESTS[name], log):
        sys.exit(f"the tests of {name} fail before any change:\n{log.read_text()[-2000:]}")
    original = (copy / name).read_text("utf-8")
    all_of_it = [mutant for mutant in mutants(copy / name) if line in (None, mutant.line)]
    survivors = 0
    for mutant in all_of_it:
        (copy / name).write_text(mutant.code, "utf-8")
        if not noticed(copy, TESTS[name], log):
            survivors += 1
            new = mutant.code.splitlines()[mutant.line - 1].strip()
            print(f"survived: {name}:{mutant.line} {mutant.operator}: {new}", flush=True)
        (copy / name).write_text(original, "utf-8")
    return len(all_of_it), survivors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("modules", nargs="*", help="parts of file names, with :LINE for one line; default: all modules")
    wanted = parser.parse_args().modules or [""]
    sys.dont_write_bytecode = True  # a module that has changed within a second would be taken for the old one
    for library in LIBRARIES:
        __import__(library)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        ignored = shutil.ignore_patterns(".*", "__pycache__", "results", "runs")
        shutil.copytree(ROOT, copy, ignore=ignored)
        for part, _, line in (each.partition(":") for each in wanted):
            for name in (each for each in TESTS if part in each):
                count, survivors = try_module(copy, name, int(line) if line else None)
                print(f"{name}: {count} mutants, {survivors} survive", flush=True)


if __name__ == "__main__":
    main()
