"""`check`: does a method keep the rules? To methods what scikit-learn's `check_estimator` is to estimators.

A method is trained on small data sets in a temporary folder, through the very planning, run and store that every
number comes from; each check changes one thing and compares the scores. That finds mistakes. It doesn't find
deliberate evasion: a method that recognises a trial, or keeps copies of labels elsewhere, passes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
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
    """What one check found. `seen` is a remark, why it was skipped, or what was seen where it failed.

    `trace` is the traceback where the method raised something.
    """

    check: str
    result: Literal["ok", "failed", "skipped"]
    seen: str
    seconds: float
    reason: str
    hint: str
    trace: str = ""


def check(target: str, full: bool = False, regime: str | None = None) -> Iterator[Finding]:
    """What each check finds about a method (its name, or the path of a file), as it comes.

    Checks are made in one regime: that asked for, else `partial` or the method's first. Whatever the method raises is
    that check's failure. Raises `MethodError` where there is no such method, `ConfigError` where its card doesn't name
    the regime.
    """
    kind = registry.find(target)
    if regime is not None and regime not in kind.card.regimes:
        raise ConfigError(f"{target} has no regime {regime!r}", hint=nearest(regime, kind.card.regimes))
    with _scratch() as folder:
        trials = Trials(target, kind, folder, full, regime)
        first = carry_out(NEEDED, trials)
        yield first
        for each in CHECKS:
            if each.full and not full:
                continue
            if first.result == "ok":
                yield carry_out(each, trials)
            else:
                yield Finding(each.name, "skipped", "there are no scores to compare", 0.0, each.reason, each.hint)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for data sets and stores; it goes away, and with it what the index of images knows of it."""
    with TemporaryDirectory(prefix="pmll-check-") as folder:
        try:
            yield Path(folder)
        finally:
            forget(Path(folder))


def carry_out(each: Check, trials: Trials) -> Finding:
    """One check. A full disk is no fault of the method and is raised."""
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
            # where the first check fails, scores are not what is wrong
            raised = "fix the error that the method raises" if each is NEEDED else each.hint
            hint, trace = broken.hint or raised, broken.trace
    except Exception as error:
        why = explain(error, trials.target)
        seen, trace = why.cause, why.trace
    return Finding(each.name, result, seen, time.monotonic() - started, each.reason, hint, trace)
