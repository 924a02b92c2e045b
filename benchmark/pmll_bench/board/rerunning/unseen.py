"""Runs a method on a draw of `shapes` that nobody has published, beside the draw that everybody knows."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pmll_datasets.registry import REGIMES

from ...statistics.intervals import parts
from ...statistics.resampling import Resampled, image_weights
from ...store.scored_data import data_of
from ...store.store import Store
from ...submission.evidence import UnseenDraw
from .chosen import Code
from .comparing import DEVIATIONS, RESAMPLES, SEED, resampled
from .processes import call, without_folders

KNOWN = 0
FIRST, LAST = 1001, 2**31 - 1  # below: draws that anybody may have tried
SEEDS = 3


def unseen_draw(package: str, commit: str) -> int:
    """The number of the draw: nobody could know it when the package was made."""
    seed = int.from_bytes(hashlib.sha256(f"{package}:{commit}:shapes".encode()).digest()[:8], "big")
    return FIRST + seed % (LAST - FIRST + 1)


def on_unseen_draw(code: Code, draw: int, folder: Path) -> UnseenDraw:
    """Run a method on both draws with its settings of the smoke track, with three masks and seeds each."""
    ratio = _ratio(code.regime)
    found, errors = [], []
    for number in (KNOWN, draw):
        root = folder / f"{code.method}-draw-{number}"
        ended = call(*_run(code, number, ratio, root, folder))
        maps = _maps(root) if ended.code == 0 else None
        found.append(maps)
        errors += [] if maps is not None else [_why(root) or ended.error]
    known, unseen = found
    return UnseenDraw(
        draw=draw,
        regime=code.regime,
        ratio=ratio,
        known_map=None if known is None else known.mean,
        unseen_map=None if unseen is None else unseen.mean,
        tolerance=0.0 if known is None or unseen is None else tolerance((known, unseen)),
        error=errors[0] if errors else "",
    )


def tolerance(draws: Sequence[Resampled]) -> float:
    """3 standard deviations of the difference of two draws: test images, and masks with training seeds.

    How much draws differ beyond that was measured, and is little (docs/how-trust-is-computed.md): training images
    differ as well, but the methods see 1,200 of them. With a single training seed it would be much for methods whose
    start matters, as its luck is another one on each draw.
    """
    return DEVIATIONS * math.sqrt(sum(float(part.variance) for draw in draws for part in parts(draw)))


def _ratio(regime: str) -> float:
    """Half of the labels where the regime has such a ratio, else its largest one."""
    ratios = REGIMES[regime].ratios
    return 0.5 if 0.5 in ratios else ratios[-1]


def _run(code: Code, draw: int, ratio: float, root: Path, folder: Path) -> list[str]:
    grid = ["--methods", code.target(folder), "--datasets", "shapes", "--regime", code.regime, "--track", "smoke"]
    repetitions = ["--ratios", str(ratio), "--seeds", *map(str, range(SEEDS)), "--set", f"data.draw={draw}"]
    return ["run", *grid, *repetitions, "--device", "cpu", "--threads", "1", "--root", str(root), "--json"]


def _maps(root: Path) -> Resampled:
    """The mAP of the three runs of one draw."""
    found = []
    store = Store.open(root, create=False)
    for folder in store.folders():
        data, stored = data_of(folder), folder.scores()
        weights = image_weights(len(data.test), RESAMPLES, SEED)
        found.append(resampled(stored.scores, data.test.labels, weights))
    return Resampled(
        np.concatenate([each.observed for each in found]), np.concatenate([each.resampled for each in found])
    )


def _why(root: Path) -> str:
    """Why a cell has no result; "" if all have one, or none was planned."""
    if not root.exists():
        return ""
    states = (folder.state() for folder in Store.open(root, create=False).folders())
    return next((without_folders(each.message) for each in states if each.message), "")
