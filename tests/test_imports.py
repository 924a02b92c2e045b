"""What starts light. Which way imports run is held by the contracts in pyproject.toml: `lint-imports`."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "pmll_datasets": {"torch"},
    "pmll_bench.plan": {"torch", "pandas", "sklearn", "scipy", "matplotlib"},
    "pmll_bench.store": {"torch"},
    "pmll_bench.report": {"torch"},
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
