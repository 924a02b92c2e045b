"""Changes an honest package in every way that Hypothesis finds, and checks it: nothing may break, pass or be written.

    nox -s fuzz                        # one hour
    nox -s fuzz -- --minutes 5
    nox -s fuzz -- --minutes 5 --seed 7

Changes are made to the bytes of the zip, to the fields of its records, to members and their names, to the bytes and
headers of the arrays, and to values, keys and depth of the documents; digests are repaired where this lets a change
get further. Every package is checked in this process, one in 200 also in a process of its own.

Ends with 0 if every check ended with an answer or a `DataError`, if no file was written, nothing unpickled and no
process started, if the standard library reads the same members from a package that passes, and if all claims of such a
package are true. Prints how many packages were refused for which reason. The first package that breaks a rule is kept
in the folder for temporary files.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, seed, settings

from archives import names
from hostile_packages import honest
from package_changes import Package, packages
from pmll_bench.metrics import evaluate
from pmll_bench.submission.check import check
from pmll_bench.submission.checking.answer import Answer
from pmll_bench.submission.checking.data_sets import loader
from pmll_bench.submission.checking.passes import run_passes
from pmll_bench.submission.package import SUBMISSION, member
from pmll_datasets.errors import DataError
from scored_results import shapes

KEPT = Path(tempfile.gettempdir()) / "package-that-broke-the-check.zip"
BATCH = 500  # examples of one run of Hypothesis
IN_A_PROCESS = 200  # one package in so many is also checked in a process of its own
WRITES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
FORBIDDEN = (*WRITES, "subprocess.Popen", "os.system", "os.exec", "os.fork", "pickle.find_class", "socket.connect")
FIELDS = ("cell", "classes", "counts", "support", "mask_digest", "metrics", "ap", "method", "dataset", "ratio")


class Watch:
    """Notices what a check may not do, while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open" and (set("wax+") & set(str(arguments[1] or "")) or int(arguments[2] or 0) & 3):
            self.seen.append(f"open {arguments[0]!r}")
        elif event.startswith(FORBIDDEN):
            self.seen.append(f"{event} {arguments!r}")


def reason(what: str) -> str:
    """A problem without the values in it, for counting."""
    text = re.sub(r"'[^']*'|[0-9a-f]{16,}", "…", what)
    return re.sub(r"[-+]?\d[\d,.]*(e-?\d+)?", "N", text)[:70]


def true_claims(path: Path) -> bool:
    """Whether a package that has passed claims only what is true, read with the standard library alone."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    for cell in json.loads(members[SUBMISSION])["cells"]:
        result = json.loads(members[member(cell, "result.json")])
        with np.load(io.BytesIO(members[member(cell, "scores.npz")]), allow_pickle=False) as arrays:
            scores, ids, classes = arrays["scores"], arrays["ids"].tolist(), arrays["classes"].tolist()
        if member(cell, "result.json") not in honest():
            return False
        before = json.loads(honest()[member(cell, "result.json")])
        data = shapes()
        if result["counts"]["known"] is None:  # as in results that were made before it was recorded
            result["counts"]["known"] = before["counts"]["known"]
        measured = evaluate(scores, data.test.labels, logits="OF1" in result["metrics"])
        same = all(result[field] == before[field] for field in FIELDS if field not in ("metrics", "ap"))
        near = all(abs(measured.values[name] - value) < 1e-9 for name, value in result["metrics"].items())
        if not (same and near and tuple(ids) == data.test.ids and tuple(classes) == data.classes):
            return False
    return set(json.loads(members[SUBMISSION])["cells"]) == set(json.loads(honest()[SUBMISSION])["cells"])


class Fuzz:
    """Checks packages and counts what became of them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "package.zip"
        self.watch = Watch()
        self.load = loader(None)
        self.reasons: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.path.write_bytes(b"")
        self.before = names(folder)

    def one(self, kind: str, content: bytes) -> None:
        """Check one package; an assertion fails if the check may not end like this."""
        self.path.write_bytes(content)
        self.kinds[kind] += 1
        answer = self._checked()
        assert not self.watch.seen, self.watch.seen
        assert names(self.path.parent) == self.before
        if answer is None:
            self.outcomes["data set missing here"] += 1
        elif answer.problems:
            self.outcomes["refused"] += 1
            self.reasons.update({reason(each.what) for each in answer.problems})
        else:
            self.outcomes["passed"] += 1
            assert true_claims(self.path), "a package with false claims passed"
        if sum(self.outcomes.values()) % IN_A_PROCESS == 0 and answer is not None:
            self._in_a_process(answer)

    def _checked(self) -> Answer | None:
        self.watch.on = True
        try:
            return run_passes(self.path, self.load)
        except DataError:
            return None
        finally:
            self.watch.on = False

    def _in_a_process(self, answer: Answer) -> None:
        report = check(self.path)
        assert [each.what for each in report.problems] == [each.what for each in answer.problems]
        self.outcomes["also in a process of its own"] += 1


def main() -> None:
    """Fuzz for some minutes; print counts."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=60)
    options.add_argument("--seed", type=int, default=0)
    given_options = options.parse_args()
    end, batch = time.monotonic() + 60 * given_options.minutes, given_options.seed
    with tempfile.TemporaryDirectory() as folder:
        fuzz = Fuzz(Path(folder))
        shapes()

        @given(packages())
        @settings(max_examples=BATCH, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def once(package: Package) -> None:
            try:
                fuzz.one(package.kind, package.content)
            except Exception:
                KEPT.write_bytes(package.content)
                raise

        try:
            while time.monotonic() < end:
                seed(batch)(once)()
                batch += 1
        finally:
            report(fuzz)


def report(fuzz: Fuzz) -> None:
    """Print what was done and found."""
    print(f"{sum(fuzz.kinds.values()):,} packages")
    for title, counts in (("outcome", fuzz.outcomes), ("change", fuzz.kinds), ("reason", fuzz.reasons)):
        print(f"\n{title}")
        for name, count in counts.most_common():
            print(f"{count:>9,}  {name}")


if __name__ == "__main__":
    main()
