"""Golden cases: files that hold inputs, parameters and the outputs that our code has to give."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

COMMITTED = Path(__file__).parent / "golden"
FOLDER = Path(os.environ.get("PMLL_GOLDEN") or COMMITTED)
SHARED = Path(__file__).resolve().parents[2] / "shared" / "golden"

# Cases that contain data released by others. They are not committed.
RELEASED = {
    "gcn_ml_adjacency": ("coco_released", "voc2007_released"),
    "scpnet_prior": ("coco_released", "voc_released"),
    "mask_hcp": ("voc2007_real_labels",),
}

Arrays: TypeAlias = dict[str, np.ndarray]


def cases(kind: str) -> list[Any]:
    """One parameter per golden file of a kind.

    Raises:
        FileNotFoundError: The folder has no file of this kind.
    """
    paths = sorted((FOLDER / kind).glob("*.npz"))
    if not paths:
        raise FileNotFoundError(f"no golden files in {FOLDER / kind} (PMLL_GOLDEN names another folder)")
    found = [pytest.param(path, id=path.stem) for path in paths]
    missing = set(RELEASED.get(kind, ())) - {path.stem for path in paths}
    return found + [_released(SHARED / kind / f"{stem}.npz") for stem in sorted(missing)]


def _released(path: Path) -> Any:
    absent = pytest.mark.skip(f"contains released data, which is not committed; needs {path}")
    return pytest.param(path, id=path.stem, marks=() if path.is_file() else absent)


def load(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays of a golden file by name ("in.x", "param.x", "out.x"), and its options, rtol and atol."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return arrays, json.loads(str(arrays.pop("meta")))
