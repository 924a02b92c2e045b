"""What starts light. Which way imports run is held by the contracts in pyproject.toml: `lint-imports`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from command_line import SMALL, method_file

OF_TOWERS = {"open_clip", "torchvision", "timm"}  # importing them takes longer than torch
HEAVY = {
    "pmll_datasets": {"torch"},
    "pmll_bench.plan": {"torch", "pandas", "sklearn", "scipy", "matplotlib"},
    "pmll_bench.store": {"torch"},
    "pmll_bench.report": {"torch"},
    "pmll_bench.running": OF_TOWERS,
    "pmll_bench.cli": {"torch", "pandas", "sklearn", "scipy", "matplotlib", "pydantic", "numpy", "rich"},
}
ON_REQUEST = {"pmll_datasets.torch_pixels"}  # imported by a function, for a recipe that asks for torchvision's pixels
IMPORT_ALL = """
import importlib, pkgutil, sys
room = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(room.__path__, prefix=f"{room.__name__}."):
    if module.name not in sys.argv[2:]:
        importlib.import_module(module.name)
print(*sys.modules)
"""


@pytest.mark.parametrize("room", HEAVY)
def test_importing_a_room_imports_no_heavy_package(room: str) -> None:
    command = [sys.executable, "-c", IMPORT_ALL, room, *ON_REQUEST]
    imported = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert any(name.startswith(f"{room}.") for name in imported)
    heavy = HEAVY[room].intersection(imported)
    assert not heavy, f"importing {room} imports {heavy}; `python -X importtime` shows where"


RUN = """
import sys
from pmll_bench.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules, file=sys.stderr)
"""


def test_a_method_without_a_tower_runs_without_the_libraries_of_towers(tmp_path: Path) -> None:
    grid = ["run", "--methods", method_file(tmp_path), "--ratios", "0.5", *SMALL, "--root", str(tmp_path / "runs")]
    ended = subprocess.run([sys.executable, "-c", RUN, *grid], check=True, capture_output=True, text=True)
    imported = set(ended.stderr.splitlines()[-1].split())
    assert imported & {"torch", "triton", *OF_TOWERS} == {"torch"}
