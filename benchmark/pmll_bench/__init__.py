"""The grid, the store, the launchers, the reports and the command line of pmll-bench."""

import logging

__version__: str

logging.getLogger(__name__).addHandler(logging.NullHandler())  # silent unless a program or -v asks for the log


def __getattr__(name: str) -> str:
    """Looks up `__version__` in the installed package when it is asked for; pyproject.toml states it."""
    if name == "__version__":
        from importlib.metadata import version

        return version("pmll-bench")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
