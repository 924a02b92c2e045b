"""`check` tests whether a method keeps the rules, as scikit-learn's `check_estimator` does for estimators.

A method is trained on small data sets in a temporary folder, with the same planning, run and store as in `pmll-bench
run`. Each check changes one thing and compares the scores. This finds mistakes, not deliberate evasion: a method that
recognises a trial, or keeps copies of labels elsewhere, passes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Literal

from pmll_datasets.index import forget
from pmll_methods import registry

from ..errors import ConfigError, StoreError, nearest
from ..store.failure import explain
from .catalogue import CHECKS, NEEDED, Check
from .rules import Failed, Skipped
from .trial import Broken, Trials


@dataclass(frozen=True)
class Finding:
    """The outcome of one check. `seen` is a remark, the reason for skipping, or a description of the failure.

    `trace` is the traceback if the method raised an error.
    """

    check: str
    result: Literal["ok", "failed", "skipped"]
    seen: str
    seconds: float
    reason: str
    hint: str
    trace: str = ""


@dataclass(frozen=True)
class Session:
    """The checks of one method. They share a temporary folder and the runs that several checks use for comparison.

    Checks run in one regime: `regime`, else `partial` or the method's first.

    Args:
        target: The method's name, or the path of a file.
        full: Whether to run the long form of each check.
        regime: One of the method's regimes.
    """

    target: str
    full: bool = False
    regime: str | None = None
    closing: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.close()

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks of this session, in order."""
        return (NEEDED, *(each for each in CHECKS if self.full or not each.full))

    def find(self, each: Check) -> Finding:
        """Run one check. An error that the method raises is the check's failure.

        Raises:
            MethodError: There is no such method.
            ConfigError: The method's card does not name the regime.
        """
        if each is NEEDED:
            return self._needed
        if self._needed.result != "ok":
            return Finding(each.name, "skipped", "there are no scores to compare", 0.0, each.reason, each.hint)
        return run_check(each, self._trials)

    @cached_property
    def _needed(self) -> Finding:
        return run_check(NEEDED, self._trials)

    @cached_property
    def _trials(self) -> Trials:
        kind = registry.find(self.target)
        if self.regime is not None and self.regime not in kind.card.regimes:
            hint = nearest(self.regime, kind.card.regimes)
            raise ConfigError(f"{self.target} has no regime {self.regime!r}", hint=hint)
        folder = Path(self.closing.enter_context(TemporaryDirectory(prefix="pmll-check-")))
        self.closing.callback(forget, folder)  # before the folder is removed: the index is found by its path
        return Trials(self.target, kind, folder, self.full, self.regime)


def check(target: str, full: bool = False, regime: str | None = None) -> Iterator[Finding]:
    """Run the checks of a method one after the other; see `Session`."""
    with Session(target, full, regime) as session:
        for each in session.checks:
            yield session.find(each)


def run_check(each: Check, trials: Trials) -> Finding:
    """Run one check. A full disk is not the method's fault and is raised."""
    started = time.monotonic()
    result: Literal["ok", "failed", "skipped"] = "failed"
    hint, trace = each.hint, ""
    try:
        result, seen = "ok", each.rule(trials)
    except StoreError:
        raise
    except Skipped as skipped:
        result, seen = "skipped", str(skipped)
    except (Failed, Broken) as failed:
        seen = str(failed)
        broken = failed if isinstance(failed, Broken) else failed.__cause__
        if isinstance(broken, Broken):
            # without scores, the error itself must be fixed
            raised = "fix the error that the method raises" if each is NEEDED else each.hint
            hint, trace = broken.hint or raised, broken.trace
    except Exception as error:
        why = explain(error, trials.target)
        seen, trace = why.cause, why.trace
    return Finding(each.name, result, seen, time.monotonic() - started, each.reason, hint, trace)
