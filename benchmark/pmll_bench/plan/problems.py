"""Collects the problems of a request, so that one error names them all."""

from __future__ import annotations

from types import TracebackType

from pmll_datasets.errors import DataError
from pmll_methods.method import MethodError

from ..errors import ConfigError, PmllError, raise_all


class Problems:
    """Records the error that ends a block `with problems:`; execution continues after the block."""

    def __init__(self) -> None:
        self.found: dict[str, PmllError] = {}  # by message: each once

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, ConfigError | DataError | MethodError):
            return False
        self.found.setdefault(str(error), error)
        return True

    def raise_all(self) -> None:
        """Raise a single error directly and several as one `ConfigErrors`; do nothing if there are none."""
        raise_all(list(self.found.values()))
