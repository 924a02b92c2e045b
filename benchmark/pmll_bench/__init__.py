"""The grid, the store, the launchers, the reports and the command line of pmll-bench."""

import logging

__version__: str

logging.getLogger(__name__).addHandler(logging.NullHandler())  # silent unless a program or -v configures logging


def __getattr__(name: str) -> str:
    """Look up `__version__` in the metadata of the installed package on first use; pyproject.toml defines it."""
    if name == "__version__":
        from importlib.metadata import version

        return version("pmll-bench")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
