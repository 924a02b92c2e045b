"""Golden cases: files that hold inputs, parameters and the outputs that our code has to give."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

FOLDER = Path(os.environ.get("PMLL_GOLDEN") or Path(__file__).resolve().parents[2] / "shared" / "golden")

Arrays: TypeAlias = dict[str, np.ndarray]


def cases(kind: str) -> list[Any]:
    """One parameter for each golden file of a kind; a single skipped one where there are none."""
    paths = sorted((FOLDER / kind).glob("*.npz"))
    if not paths:
        return [pytest.param(None, id="none", marks=pytest.mark.skip(f"no golden files in {FOLDER / kind}"))]
    return [pytest.param(path, id=path.stem) for path in paths]


def load(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays of a golden file by name ("in.x", "param.x", "out.x"), and its options, rtol and atol."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return arrays, json.loads(str(arrays.pop("meta")))
