"""Runs the checks inside a project's own pytest, one test per check."""

from __future__ import annotations

import atexit
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .catalogue import Check
from .check import Finding, Session

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class MethodCheck:
    """One check of one method, to be called in a test."""

    session: Session
    check: Check

    def __call__(self) -> None:
        """Run the check; fail or skip the test with the finding."""
        import pytest

        finding = self.session.find(self.check)
        if finding.result == "skipped":
            pytest.skip(finding.seen)
        if finding.result == "failed":
            pytest.fail(_report(finding), pytrace=False)

    @property
    def id(self) -> str:
        """ "focal.py-same-seed-same-scores"."""
        name = Path(self.session.target).name
        return f"{name}-{re.sub('[^a-z0-9]+', '-', self.check.name)}"


def parametrize_with_checks(
    *methods: str | os.PathLike[str], full: bool = False, regime: str | None = None
) -> pytest.MarkDecorator:
    """Parametrize a test with the checks of methods, as scikit-learn's `parametrize_with_checks` does for estimators.

    The test takes an argument `check` and calls it::

        @parametrize_with_checks("focal.py")
        def test_focal_keeps_the_rules(check):
            check()

    Args:
        methods: Names of methods, or paths of their files, relative to the current folder.
        full: Whether to run the long form of each check.
        regime: The regime to check in; by default `partial`, or a method's first.
    """
    import pytest

    checks = []
    for method in methods:
        session = Session(os.fspath(method), full, regime)
        atexit.register(session.closing.close)  # removes the temporary folder that its checks share
        checks += [MethodCheck(session, each) for each in session.checks]
    return pytest.mark.parametrize("check", checks, ids=[each.id for each in checks])


def _report(finding: Finding) -> str:
    """Why a test failed: what was seen, why it matters, and what to do."""
    lines = [f"{finding.check}: {finding.seen}", f"why:  {finding.reason}", f"hint: {finding.hint}", finding.trace]
    return "\n".join(line for line in lines if line)
