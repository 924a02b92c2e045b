"""How far a row can be trusted: worked out from evidence, with the reasons in words. Nobody sets it.

    claimed       a cell has no scores, or they are not those of its number: nothing could be recomputed
    re-scored     the scores of every cell give its metrics on our labels, and its mask is the one that we draw
    re-run        cells that nobody could choose were trained again by somebody else and agree, the method passed its
                  checks, and it does on a draw of `shapes` that nobody has published what it does on the known one
    reproduced    re-run, at paper size, and inside the interval that a paper prints under the same protocol

A row is as weak as its weakest cell. A re-run that fails, because a cell comes out otherwise, a check fails or the
unseen draw does not agree, refutes a row: it is not ranked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pmll_errors import counted

from ..submission.evidence import Evidence, RerunCell, RerunEvidence
from .draw import drawn
from .records import Trust


@dataclass(frozen=True)
class PaperEvidence:
    """How a row compares with published numbers of the same protocol: what is inside of their intervals, or why not."""

    inside: tuple[str, ...] = ()
    missing: str = "no published number has the same protocol"


@dataclass(frozen=True)
class RowEvidence:
    """What is known of the cells of a row.

    `scores` has the digest of each cell's scores by its id. `problems` say for a cell why it is not re-scored, and
    `packages` with which packages exactly these scores came. `paper` is about published numbers.
    """

    method: str
    scores: Mapping[str, str]
    problems: Mapping[str, str]
    packages: Mapping[str, tuple[Evidence, ...]] = field(default_factory=dict)
    paper: PaperEvidence = PaperEvidence()

    def beside(self, paper: PaperEvidence) -> RowEvidence:
        """The same with what is known about published numbers."""
        return replace(self, paper=paper)


@dataclass(frozen=True)
class Verdict:
    """A level of trust, and one sentence per fact that it rests on or that keeps the row from the next level.

    `refuted` says what a re-run found against the row; empty if there is nothing.
    """

    trust: Trust
    sentences: tuple[str, ...]
    refuted: str = ""


def trust_of(row: RowEvidence) -> Verdict:
    """The level of trust of a row."""
    if row.problems or not row.scores:
        return Verdict(Trust.claimed, (f"Claimed: {why_claimed(row) or 'there is no result'}.",))
    cells = counted(len(row.scores), "cell")
    rescored = f"Re-scored: the scores of {cells} give the stated metrics on our labels, and the masks are ours."
    found = [_of_package(row, package) for package in _packages(row)]
    without = [cell for cell in row.scores if not row.packages.get(cell)]
    if without or not found or not all(each.passed for each in found):
        missing = [each.text for each in found if not each.passed]
        if without:
            some = "the results" if len(without) == len(row.scores) else counted(len(without), "cell")
            missing.append(f"{some} did not come in a package with the code of the method")
        refuted = "; ".join(each.refuted for each in found if each.refuted)
        return Verdict(Trust.rescored, (rescored, *(f"Not re-run: {text}." for text in missing)), refuted)
    rerun = (rescored, *(f"Re-run: {each.text}." for each in found))
    if not row.paper.inside:
        return Verdict(Trust.rerun, (*rerun, f"Not reproduced: {row.paper.missing}."))
    return Verdict(Trust.reproduced, (*rerun, *(f"Reproduced: {text}." for text in row.paper.inside)))


def why_claimed(row: RowEvidence) -> str:
    """Why a row is not re-scored: each reason, with the number of its cells if it holds for some of them only."""
    reasons = dict.fromkeys(row.problems[cell] for cell in sorted(row.problems))
    numbers = {reason: sum(each == reason for each in row.problems.values()) for reason in reasons}
    return "; ".join(
        reason if count == len(row.scores) else f"{reason} ({count} of {counted(len(row.scores), 'cell')})"
        for reason, count in numbers.items()
    )


@dataclass(frozen=True)
class _Finding:
    """Whether the re-run of a package speaks for a row, what it says, and what of it speaks against the row."""

    passed: bool
    text: str
    refuted: str = ""


class _Problem(NamedTuple):
    """What keeps a re-run from speaking for a row; with `refutes`, it speaks against it."""

    text: str
    refutes: bool = False


def _packages(row: RowEvidence) -> list[Evidence]:
    """The packages of a row by digest. Of several that brought the same cell, one that speaks for it is enough."""
    every = {each.package: each for packages in row.packages.values() for each in packages}
    good = {digest for digest, each in every.items() if _of_package(row, each).passed}
    chosen = {
        each.package
        for cell in row.scores
        for packages in [row.packages.get(cell, ())]
        for each in packages
        if each.package in good or not any(other.package in good for other in packages)
    }
    return [every[digest] for digest in sorted(chosen)]


def _of_package(row: RowEvidence, evidence: Evidence) -> _Finding:
    name = f"package {evidence.package[:8]}"
    if evidence.rerun is None:
        return _Finding(False, f"nobody has trained cells of {name} again")
    problems = list(_problems(row, evidence, evidence.rerun))
    if problems:
        against = "; ".join(each.text for each in problems if each.refutes)
        return _Finding(False, f"{name}: {'; '.join(each.text for each in problems)}", against)
    return _Finding(True, _said(row, evidence.rerun, _own(row, evidence)))


def _own(row: RowEvidence, evidence: Evidence) -> list[str]:
    """The cells of a row that came with a package."""
    return [cell for cell, packages in row.packages.items() if evidence in packages]


def _problems(row: RowEvidence, evidence: Evidence, rerun: RerunEvidence) -> Iterator[_Problem]:
    """What keeps the re-run of a package from speaking for the cells of a row."""
    for cell in drawn(_own(row, evidence), evidence.package, rerun.commit):
        found = rerun.cells.get(cell)
        if found is None:
            yield _Problem(f"cell {cell} was drawn and not trained again")
        elif found.submitted != row.scores[cell]:
            yield _Problem(f"cell {cell} was trained again for other scores than these")
        elif not found.within:
            yield _Problem(f"cell {cell} {_apart(found)}", refutes=found.rerun_map is not None)
    checks = rerun.checks.get(row.method, {})
    failed = [check for check, outcome in checks.items() if outcome == "failed"]
    if failed:
        yield _Problem(f"{row.method} fails the check {', '.join(sorted(failed))}", refutes=True)
    elif "ok" not in checks.values():
        yield _Problem(f"{row.method} was not checked")
    unseen = rerun.unseen.get(row.method)
    if unseen is None or unseen.unseen_map is None or unseen.known_map is None:
        why = f": {unseen.error}" if unseen is not None and unseen.error else ""
        yield _Problem(f"{row.method} has no result on an unseen draw of shapes{why}")
    elif not unseen.within:
        both = f"{_points(unseen.unseen_map)}, on the known one {_points(unseen.known_map)}"
        text = f"on an unseen draw of shapes, {row.method} has {both}, with a tolerance of {_points(unseen.tolerance)}"
        yield _Problem(text, refutes=True)


def _apart(cell: RerunCell) -> str:
    if cell.rerun_map is None:
        return f"could not be trained again: {cell.error or 'training failed'}"
    both = f"has mAP {_points(cell.submitted_map)}, trained again {_points(cell.rerun_map)}"
    if cell.same_platform:
        return f"{both}, although the platform is the same"
    return f"{both}, with a tolerance of {_points(cell.tolerance)}"


def _said(row: RowEvidence, rerun: RerunEvidence, own: Sequence[str]) -> str:
    """What a re-run that speaks for a row has shown."""
    cells = [rerun.cells[cell] for cell in drawn(own, rerun.package, rerun.commit)]
    equal = sum(cell.same for cell in cells)
    far = max(abs((cell.rerun_map or 0.0) - cell.submitted_map) for cell in cells)
    how = "with equal scores" if equal == len(cells) else f"mAP at most {100 * far:.2g} points apart, within tolerance"
    of = f"{len(cells)} of {counted(len(own), 'cell')} of package {rerun.package[:8]}"
    unseen = rerun.unseen[row.method]
    return (
        f"{of}, drawn by the commit {rerun.commit[:8]}, were trained again, {how}; the method passed its checks and has"
        f" {_points(unseen.unseen_map)} on an unseen draw of shapes, {_points(unseen.known_map)} on the known one"
    )


def _points(value: float | None) -> str:
    return "no mAP" if value is None else f"{100 * value:.1f}"
