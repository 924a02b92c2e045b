"""Refuses methods that need too much memory for the number of classes of a data set, before anything runs.

The machine that plans is often not the one that trains, so the limit is a stated number, which the environment variable
`PMLL_MEMORY` replaces.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from ..errors import ConfigError
from .planned import DataFacts, MethodFacts
from .request import Request

VARIABLE = "PMLL_MEMORY"
LIMIT = 24.0  # GB
GB = 1e9


def too_large(
    request: Request, data: Sequence[DataFacts], methods: Mapping[str, Sequence[MethodFacts]]
) -> Iterator[ConfigError]:
    """An error for each method on each data set whose cells would need more memory than the limit.

    Raises `ConfigError` if `PMLL_MEMORY` is not a number of GB.
    """
    limit = memory_limit()
    for of_data in data:
        for row in methods[of_data.name]:
            need = 0.0 if row.growth is None else row.growth.bytes(of_data.classes, of_data.train) / GB
            if request.regime in row.regimes and need > limit:
                yield ConfigError(
                    f"{row.label} needs about {need:,.0f} GB of memory for {of_data.classes:,} classes, "
                    f"more than the limit of {limit:g} GB",
                    where=of_data.name,
                    hint=f"{_relief(row)}; where there is more memory, set {VARIABLE} to it, in GB",
                )


def memory_limit() -> float:
    """The limit in GB. Raises `ConfigError` if the environment variable is not a positive number."""
    given = os.environ.get(VARIABLE)
    try:
        limit = LIMIT if given is None else float(given)
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise ConfigError(f"{given!r} is not a number of GB", where=VARIABLE, hint=f"set it to {LIMIT:g}, or unset it")
    return limit


def _relief(row: MethodFacts) -> str:
    """What the user can do on the same machine."""
    if row.growth is not None and row.growth.relief:
        return f"set {row.label}.{row.growth.relief}, or leave the method out"
    if row.growth is not None and row.growth.per_label:
        return "leave the method out"
    return f"lower {row.label}.recipe.batch, or leave the method out"
