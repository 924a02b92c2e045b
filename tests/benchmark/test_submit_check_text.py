"""Hostile documents: each is refused with the member and the reason before any number is looked at."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hostile_packages import Members, cell_of, changed, forged, honest, refused, zipped
from pmll_bench.submission.checking.names import built_in_like
from pmll_bench.submission.package import SUBMISSION, member
from pmll_methods.method import REGISTRY

BCE = cell_of(honest())
CELL, RESULT, SCORES = (member(BCE, name) for name in ("cell.json", "result.json", "scores.npz"))


def document(text: str, name: str = SUBMISSION) -> Members:
    return {**honest(), name: text.encode("utf-8", "surrogatepass")}


def submission(**values: Any) -> Members:
    return changed(honest(), SUBMISSION, **values)


def result(**values: Any) -> Members:
    return changed(honest(), RESULT, **values)


def both(**values: Any) -> Members:
    """The same change in both documents of a cell."""
    return changed(result(**values), CELL, **values)


def without(*names: str) -> Members:
    return {name: content for name, content in honest().items() if name not in names}


def inserted(text: str) -> Members:
    """The submission with one more key."""
    return document(honest()[SUBMISSION].decode().strip()[:-1] + f", {text}}}")


def without_effect() -> Members:
    return changed(honest(), member(cell_of(honest(), "mine"), "result.json"), deterministic=True)


HOSTILE: Mapping[str, tuple[Callable[[], Members], str]] = {
    "no submission": (lambda: without(SUBMISSION), "submission.json, row None: is missing"),
    "not UTF-8": (lambda: {**honest(), SUBMISSION: b"\xff\xfe{}"}, "is not UTF-8"),
    "not JSON": (lambda: document("{'authors': 1}"), "is not JSON"),
    "deep JSON": (lambda: inserted('"deep": ' + "[" * 400_000), "is nested deeper than 20 levels"),
    "deep objects": (lambda: inserted('"a": ' + '{"a":' * 90_000), "is nested deeper than 20 levels"),
    "a key twice": (lambda: inserted('"authors": ["B. Author"]'), "has the key 'authors' twice"),
    "NaN": (lambda: inserted('"x": NaN'), "has the number NaN"),
    "infinity": (lambda: inserted('"x": 1e999'), "1e999, which is too long or not finite"),
    "a huge number": (lambda: inserted('"x": ' + "9" * 500_000), "does not fit into 64 bits"),
    "a long fraction": (lambda: inserted('"x": 0.' + "3" * 5000), "too long or not finite"),
    "an unknown key": (lambda: submission(trust="reproduced"), "trust: Extra inputs are not permitted"),
    "a number for a text": (lambda: submission(notes=5), "notes: Input should be a valid string"),
    "no authors": (lambda: submission(authors=[]), "authors: .*at least 1 item"),
    "a long text": (lambda: submission(notes="x" * 2001), "has 2,001 characters, at most 2,000 are allowed"),
    "a text that turns around": (lambda: submission(notes="a\u202egnp.exe"), "the character U\\+202E"),
    "a control character": (lambda: submission(notes="a\u001b[2J"), "the character U\\+001B"),
    "half a character": (lambda: document('{"authors": ["\\ud800"]}'), "the character U\\+D800"),
    "a script in the authors": (lambda: submission(authors=["<script>alert(1)</script>"]), "has markup"),
    "a script in a key": (lambda: inserted('"<img src=x>": 1'), "the key <img src=x> has markup"),
    "a script in a label": (lambda: both(label="<script>alert(1)</script>"), "label has markup"),
    "a script as a link": (lambda: submission(code="javascript:alert(1)"), "code is not a link that starts with"),
    "a file as a paper": (lambda: submission(paper="file:///etc/passwd"), "paper is a link that does not start"),
    "a cell without scores": (lambda: without(SCORES), f"{SCORES}, row None: is missing"),
    "a cell without a request": (lambda: without(CELL), f"{CELL}, row None: is missing"),
    "a cell that is not listed": (
        lambda: submission(cells={cell_of(honest(), "mine"): json.loads(honest()[SUBMISSION])["cells"][BCE]}),
        f"does not list the cell {BCE}",
    ),
    "other scores than listed": (lambda: submission(**{f"cells__{BCE}__scores": "0" * 64}), "scores of the cell"),
    "another label than listed": (lambda: submission(**{f"cells__{BCE}__label": "BCE"}), "label of the cell"),
    "scores of another digest": (lambda: result(scores__sha256="0" * 64), "has the digest .*, result.json says 0000"),
    "a cell under another id": (lambda: result(cell__ratio=0.2, ratio=0.2), "cell_id is"),
    "a request for another cell": (lambda: changed(honest(), CELL, cell__ratio=0.2), "cell differs from that in"),
    "other settings": (
        lambda: changed(honest(), CELL, settings={"lr": 1}),
        "settings differs from that in",
    ),
    "a place of data": (lambda: changed(honest(), CELL, where__root="/etc"), "names places of files on a machine"),
    "a place of code": (lambda: changed(honest(), CELL, where__target="/tmp/evil.py"), "names places of files"),
    "weights of a machine": (lambda: both(settings={"weights": "/tmp/evil.pt"}), "names places of files"),
    "a name with a slash": (lambda: both(cell__method="../x", method="../x"), "invalid name of a data set or method"),
    "another recipe": (lambda: both(recipe__resolution=448), "recipe and towers have the digest"),
    "a forged recipe": (lambda: forged(honest(), recipe="0" * 64), "recipe and towers have the digest .* says 0000"),
    "another tower": (lambda: both(settings={"tower": "RN101:openai"}), "recipe and towers have the digest"),
    "a seed without effect": (lambda: without_effect(), "has the seed 1, and says that no seed has an effect"),
    "a folder of code": (lambda: changed(honest(), CELL, where__target=".."), "names places of files"),
    "an older revision": (lambda: forged(honest(), revision=0), "is of revision 0 of bce, this version has 1"),
    "a revision in words": (lambda: forged(honest(), revision="1"), "is of revision '1' of bce, this version has 1"),
    "a built-in method of one's own": (
        lambda: forged(honest(), revision="1+" + "0" * 64),
        "of bce, this version has 1",
    ),
    "a method without a digest": (lambda: forged(honest(), "mine", revision=1), "its digest must follow a \\+"),
    "other code": (lambda: {**honest(), "methods/mine.py": b"evil"}, "has the digest .* was made with"),
    "code of no method": (lambda: {**honest(), "methods/other.py": b""}, "is missing in submission.json"),
    "missing code": (lambda: without("methods/mine.py"), "is missing in the package"),
    "code that turns around": (
        lambda: {**honest(), "methods/mine.py": "a\n\u2066b".encode()},
        "row 2: has the character",
    ),
    "a name like a built-in one": (lambda: forged(honest(), "mine", method="dual-c00p"), "built-in method dualcoop"),
    "a label of a built-in one": (
        lambda: changed(honest(), member(cell_of(honest(), "mine"), "result.json"), label="SST"),
        "the name SST could be taken for that of the built-in method sst",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_document_is_refused_with_its_reason(tmp_path: Path, kind: str) -> None:
    build, reason = HOSTILE[kind]
    found = refused(tmp_path, zipped(build(), zipfile.ZIP_STORED))
    assert re.search(reason, found), found


def test_a_thousand_problems_of_a_document_are_counted_and_twenty_listed(tmp_path: Path) -> None:
    found = refused(tmp_path, zipped(submission(**{f"x{number}": 1 for number in range(1000)})))
    assert "submission.json, row None: and 980 more problems" in found
    assert len(found.splitlines()) < 30


@pytest.mark.parametrize("name", REGISTRY)
def test_a_built_in_method_is_taken_for_itself_alone(name: str) -> None:
    assert built_in_like(name) == name


@pytest.mark.parametrize("name", ["DualCoOp", "dual-coop", "dua1c00p", "ԁualcoop", "ｄｕａｌｃｏｏｐ", "dúalcoop"])
def test_a_name_that_looks_like_a_built_in_one_is_told(name: str) -> None:
    assert built_in_like(name) == "dualcoop"
    assert built_in_like(name + "-plus") is None
