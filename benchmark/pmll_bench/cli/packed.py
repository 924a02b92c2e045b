"""What `submit pack` says about a package: its content, what is missing from full grids, and what others will see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pmll_errors import counted

from ..streams import as_printed
from .output import columns, failure_text
from .prune import as_size

if TYPE_CHECKING:
    from ..submission.packing import Packed


def document(packed: Packed) -> dict[str, Any]:
    """The package as plain data."""
    return {
        "file": str(packed.path),
        "digest": packed.digest,
        "size": packed.size,
        "cells": [each.folder.id for each in packed.cells],
        "rows": [{**asdict(each), "complete": each.complete} for each in packed.grids],
        "others": [asdict(each) for each in packed.others],
        "code": {name: each.digest for name, each in packed.code.items()},
        "without_code": packed.without_code,
        "environments": packed.environments,
    }


def text(packed: Packed) -> str:
    """What is in the package, what is missing, what others will see, and its digest."""
    rows = [
        [each.name, each.dataset, each.regime, each.protocol, f"{each.present} of {each.expected}", each.text]
        for each in packed.grids
    ]
    seen = [
        "Others will see your texts, the settings, metrics, scores and training times of these cells, and:",
        *(f"  {line}" for line in packed.environments),
        "The package has no paths, no names of hosts or users, no logs and no models.",
    ]
    code = f", code of {', '.join(packed.code)}" if packed.code else ""
    parts = [
        f"{packed.path}: {counted(len(packed.cells), 'cell')}{code}, {as_size(packed.size)}",
        columns(["method", "data set", "regime", "protocol", "cells", "missing"], rows),
        "\n".join(seen),
        f"sha256 {packed.digest}",
    ]
    return as_printed("\n\n".join(parts))


def remarks(packed: Packed) -> Iterator[str]:
    """What the submitter should know: cells that were left out, and what keeps the results from being ranked."""
    from ..store.status import failures
    from ..submission.choosing import LEFT_OUT

    out = (LEFT_OUT, "outdated")
    yield from map(failure_text, failures(packed.others, out))
    if waiting := Counter(each.state for each in packed.others if each.state not in out):
        states = ", ".join(f"{number} {state}" for state, number in waiting.items())
        yield f"{counted(waiting.total(), 'unfinished cell')}: {states}; see 'pmll-bench status'"
    if any(not each.complete for each in packed.grids):
        yield "a board ranks only full grids: all ratios of the regime, each on the same 3 masks or more"
    for name in packed.without_code:
        yield f"the code of {name} is not in the package: without it, nobody can re-run its cells (--with-code FILE)"
    if partial := sorted({each.dataset for each in packed.grids if each.dataset.endswith("-subset")}):
        yield f"{', '.join(partial)}: only those who have the same images can check these cells"
