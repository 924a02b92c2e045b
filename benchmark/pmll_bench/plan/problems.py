"""Collects what is wrong with a request, so that a user hears of all of it at once."""

from __future__ import annotations

from types import TracebackType

from pmll_datasets.errors import DataError
from pmll_methods.method import MethodError

from ..errors import ConfigError, ConfigErrors


class Problems:
    """A block `with problems:` that goes wrong is noted, and what comes after it is looked at, too."""

    def __init__(self) -> None:
        self.found: dict[str, ConfigError | DataError | MethodError] = {}  # by what they say: each once

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, ConfigError | DataError | MethodError):
            return False
        self.found.setdefault(str(error), error)
        return True

    def raise_all(self) -> None:
        """Raise a single problem as it is and several as one `ConfigErrors`; do nothing where there is none."""
        if len(self.found) == 1:
            raise next(iter(self.found.values()))
        if self.found:
            raise ConfigErrors([each for error in self.found.values() for each in _parts(error)])


def _parts(error: ConfigError | DataError | MethodError) -> list[ConfigError]:
    if isinstance(error, ConfigErrors):
        return list(error.parts)
    return [error if isinstance(error, ConfigError) else ConfigError(error.what, where=error.where, hint=error.hint)]
