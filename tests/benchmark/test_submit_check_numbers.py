"""Forged or broken numbers: each is refused with its row and both values, and nothing is ever unpickled."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hostile_packages import Members, arrays, cell_of, changed, forged, honest, npy, npz, refused, with_scores, zipped
from pmll_bench.store.store import Store
from pmll_bench.submission.checking.data_sets import loader
from pmll_bench.submission.checking.passes import run_passes
from pmll_bench.submission.package import member
from scored_results import finish, noisy, shapes

BCE = cell_of(honest())
RESULT = member(BCE, "result.json")


def other(**parts: Any) -> Members:
    """A package whose scores file has other arrays."""
    return with_scores(npz(**{**arrays(), **parts}))


def cells(row: int, column: int, value: float) -> np.ndarray:
    """The scores with one of them changed."""
    scores = arrays()["scores"].copy()
    scores[row, column] = value
    return scores


def swapped(name: str) -> np.ndarray:
    """An array with its rows 3 and 4 exchanged."""
    order = np.arange(len(arrays()[name]))
    order[[3, 4]] = [4, 3]
    found: np.ndarray = arrays()[name][order]
    return found


def header(text: str, data: bytes = b"") -> bytes:
    """An `.npy` file with this header."""
    line = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + data


def claimed(**values: Any) -> Members:
    return changed(honest(), RESULT, **values)


HOSTILE: Mapping[str, tuple[Callable[[], Members], str]] = {
    "no zip of arrays": (lambda: with_scores(b"scores"), "scores.npz, row None: is not a zip"),
    "an array too many": (lambda: other(evil=np.zeros(3)), "scores.npz, row None: has 4 members, at most 3"),
    "an array in a folder": (
        lambda: with_scores(npz(**arrays()).replace(b"ids.npy", b"i/..npy")),
        "i/..npy, row None: does not belong in a scores file",
    ),
    "no ids": (lambda: with_scores(npz(scores=arrays()["scores"], classes=arrays()["classes"])), "ids.npy.*is missing"),
    "scores of 8 bytes": (lambda: other(scores=arrays()["scores"].astype(np.float64)), "has the type '<f8', not <f4"),
    "scores of the other byte order": (lambda: other(scores=arrays()["scores"].astype(">f4")), "has the type '>f4'"),
    "whole scores": (lambda: other(scores=arrays()["scores"].astype(np.int32)), "has the type '<i4'"),
    "scores in columns": (lambda: other(scores=np.asfortranarray(arrays()["scores"])), "Fortran order"),
    "scores with fields": (
        lambda: other(scores=np.zeros((60, 20), [("a", "<f4")])),
        r"has the type \[\('a', '<f4'\)\]",
    ),
    "too few scores": (
        lambda: other(scores=arrays()["scores"][1:]),
        "has the shape 59 x 20, the data set needs 60 x 20",
    ),
    "a shape too large": (
        lambda: other(scores=header("{'descr': '<f4', 'fortran_order': False, 'shape': (60, 20), }", bytes(10))),
        "has 10 bytes of data, its type and shape need 4,800",
    ),
    "a shape for all memory": (
        lambda: other(scores=header("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999, 99999999), }")),
        "has the shape 999999999 x 99999999",
    ),
    "ids for all memory": (
        lambda: other(ids=header("{'descr': '<U999999999', 'fortran_order': False, 'shape': (60,), }")),
        "has the type '<U999999999'",
    ),
    "a header that is code": (
        lambda: other(scores=header("__import__('os').system('touch evil')")),
        "a header that numpy does not write",
    ),
    "a deep header": (lambda: other(scores=header("(" * 900)), "a header that numpy does not write"),
    "a long header": (lambda: other(scores=header(" " * 60_000)), "a header that numpy does not write"),
    "a score that is nan": (lambda: other(scores=cells(7, 3, np.nan)), "row 7: the score of class 3 is nan"),
    "a score that is infinite": (lambda: other(scores=cells(59, 0, -np.inf)), "row 59: the score of class 0 is -inf"),
    "ids in another order": (lambda: other(ids=swapped("ids")), "row 3: has ids in another order than the data set"),
    "other ids": (lambda: other(ids=np.array([f"image{number}" for number in range(60)])), "row 0: has other ids than"),
    "one id twice": (lambda: other(ids=arrays()["ids"][[0, *range(59)]]), "row 1: has other ids than the data set"),
    "permuted classes": (lambda: other(classes=swapped("classes")), "row 3: has classes in another order"),
    "a script in the ids": (lambda: other(ids=np.array(["<script>"] * 60)), "row 0: has other ids"),
    "no characters as ids": (
        lambda: other(ids=np.full((60, 4), 0xFFFFFFFF, "<u4").view("<U4")[:, 0]),
        r"row 0: has other ids than the data set: \\",
    ),
    "a forged mAP": (lambda: claimed(metrics__map=0.99), r"metrics\.map is 0\.99, recomputed 0\.6745"),
    "an mAP forged by little": (
        lambda: claimed(metrics__map=0.674533),
        "map is 0.674533, recomputed 0.67453325",
    ),
    "a metric left out": (lambda: without_metric("CF1"), "metrics.CF1 is missing"),
    "a metric of one's own": (lambda: claimed(metrics__best=1.0), "metrics.best is not a metric of these scores"),
    "a forged AP": (lambda: claimed(ap=[1.0] * 20), "row 0: ap is 1.0, recomputed"),
    "a forged mask": (lambda: claimed(mask_digest="0" * 64), "mask_digest is 0000.*our draw of the mask has 6285"),
    "forged counts": (lambda: claimed(counts__train=6000), "counts.train is 6000, in the data set 60"),
    "forged support": (lambda: claimed(support__known=[9] * 20), "row 0: support.known is 9, recomputed 0"),
    "other classes": (
        lambda: claimed(classes=[f"c{number}" for number in range(20)]),
        "classes are not those of the data",
    ),
    "another data set": (lambda: forged(honest(), fingerprint="0" * 64), "fingerprint 0000.*shapes here has 3b14"),
    "more known labels than said": (
        lambda: forged(honest(), ratio=0.05),
        "mask_digest is .*, our draw of the mask has",
    ),
    "the mask of another seed": (lambda: forged(honest(), mask_seed=5), "mask_digest is .*, our draw of the mask has"),
    "labels without noise": (lambda: forged(honest(), noise=0.2), "support.known is"),
    "a mask in a file": (lambda: forged(honest(), mask="list/0123456789abcdef"), "the mask is a file"),
    "a path as a mask": (lambda: forged(honest(), mask="/etc/mask.npz"), "is not a rule of the regime 'partial'"),
    "a mask of another regime": (lambda: forged(honest(), mask="cole"), "is not a rule of the regime 'partial'"),
    "an unknown regime": (lambda: forged(honest(), regime="all"), "the regime 'all' is unknown"),
    "an unknown option": (lambda: forged(honest(), options={"subset": 60, "size": 9}), "unknown option 'size'"),
    "an option left out": (
        lambda: forged(honest(), options={"subset": 60}),
        'has the options {"subset":60}, shapes here',
    ),
    "a subset of nothing": (lambda: forged(honest(), options={"subset": 0}), "subset is not a whole number from 1 on"),
    "a mask seed without effect": (
        lambda: forged(honest(), regime="full", mask="none", ratio=1.0, mask_seed=1),
        "the mask 'none' is the same for all mask seeds",
    ),
}


def without_metric(name: str) -> Members:
    metrics = json.loads(honest()[RESULT])["metrics"]
    del metrics[name]
    return claimed(metrics=metrics)


@pytest.mark.parametrize("kind", HOSTILE)
def test_forged_numbers_are_refused_with_both_values(tmp_path: Path, kind: str) -> None:
    build, reason = HOSTILE[kind]
    found = refused(tmp_path, zipped(build()))
    assert re.search(reason, found), found


class Evil:
    """An object that writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (Path("unpickled.txt"), "evil")


@pytest.mark.parametrize("name", ["scores", "ids", "classes"])
def test_an_array_of_objects_is_refused_and_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    objects = np.empty(arrays()[name].shape, object)
    objects.fill(Evil())
    assert f"{name}.npy, row None: has the type '|O'" in refused(tmp_path, zipped(other(**{name: npy(objects)})))
    assert not Path("unpickled.txt").exists()


def test_every_problem_of_every_cell_is_listed_at_once(tmp_path: Path) -> None:
    members = changed(
        claimed(metrics__map=0.99, mask_digest="0" * 64), member(cell_of(honest(), "mine"), "result.json")
    )
    members = changed(members, member(cell_of(members, "mine"), "result.json"), counts__test=61)
    found = refused(tmp_path, zipped(members))
    assert "mask_digest" in found
    assert "counts.test is 61, in the data set 60" in found


def warned(folder: Path, members: Members) -> str:
    """The warnings about a package that passes."""
    path = folder / "package.zip"
    path.write_bytes(zipped(members))
    answer = run_passes(path, loader(None))
    assert not answer.problems
    return "\n".join(each.what for each in answer.warnings)


def scored(folder: Path, scores: np.ndarray) -> Members:
    """A package in which the cell of `bce` honestly has these scores."""
    store = Store.open(folder / "runs")
    path = finish(store, "bce", scores.astype(np.float32))
    content = (path / "attempts/0001/scores.npz").read_bytes()
    members = with_scores(content)
    return {**members, member(path.name, "result.json"): (path / "result.json").read_bytes()}


def test_suspicious_scores_are_held_for_review_and_not_refused(tmp_path: Path) -> None:
    truth = shapes().test.labels
    assert warned(tmp_path, honest()) == ""
    found = warned(tmp_path, scored(tmp_path / "labels", truth))
    assert "the scores are the labels of the test images" in found
    assert "the mAP is 100 %" in found
    assert "100 % of the scores are equal to another score" in found


def test_equal_scores_for_all_images_are_held_for_review(tmp_path: Path) -> None:
    scores = noisy(1.0, 0)
    scores[:, 4] = 0.5
    found = warned(tmp_path, scored(tmp_path / "flat", scores))
    assert found == f"1 class with equal scores for all images: {shapes().classes[4]}"


def test_metrics_of_the_best_test_epoch_cannot_be_recomputed(tmp_path: Path) -> None:
    assert "cannot be recomputed" in warned(tmp_path, claimed(oracle={"metrics": {"map": 0.9}, "epoch": 3}))


def test_the_same_scores_for_two_masks_are_held_for_review(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "runs")
    paths = [finish(store, "bce", noisy(1.0, 0), mask_seed=seed) for seed in (0, 1)]
    members = _of_folders(paths)
    assert f"has the scores of the cell {min(path.name for path in paths)}" == warned(tmp_path, members)


def _of_folders(paths: list[Path]) -> Members:
    members = honest()
    about = json.loads(members["submission.json"])
    template = about["cells"][BCE]
    about["cells"] = {path.name: template for path in paths}
    found = {name: content for name, content in members.items() if not name.startswith("cells/")}
    for path in paths:
        found[member(path.name, "cell.json")] = (path / "cell.json").read_bytes()
        found[member(path.name, "result.json")] = (path / "result.json").read_bytes()
        found[member(path.name, "scores.npz")] = (path / "attempts/0001/scores.npz").read_bytes()
    return {**found, "submission.json": json.dumps(about).encode()}
