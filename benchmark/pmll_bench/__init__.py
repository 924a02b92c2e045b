"""pmll-bench: a benchmark for multi-label recognition with partial labels.

The names in `__all__` are the Python interface; docs/python.md shows how to use them. They are imported on first use,
so that `import pmll_bench` and the command line start fast. The library logs with standard logging and is silent until
a program configures it: all loggers are below `pmll_bench`, `pmll_datasets` and `pmll_methods`.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pmll_datasets.errors import DataError as DataError
    from pmll_errors import PmllError as PmllError
    from pmll_methods.method import Diverged as Diverged
    from pmll_methods.method import MethodError as MethodError

    from . import metrics as metrics
    from .api.comparing import compare as compare
    from .api.data import MaskedDataset as MaskedDataset
    from .api.data import dataset as dataset
    from .api.data import list_datasets as list_datasets
    from .api.data import load_dataset as load_dataset
    from .api.data import mask_labels as mask_labels
    from .api.fitting import Fitted as Fitted
    from .api.fitting import fit as fit
    from .api.grids import run as run
    from .api.methods import list_methods as list_methods
    from .api.models import LoadedModel as LoadedModel
    from .api.models import load_model as load_model
    from .api.results import load_results as load_results
    from .errors import CellsFailed as CellsFailed
    from .errors import ConfigError as ConfigError
    from .errors import StoreError as StoreError
    from .errors import UsageError as UsageError

__version__: str

_PLACES = {
    "load_dataset": ".api.data",
    "dataset": ".api.data",
    "mask_labels": ".api.data",
    "MaskedDataset": ".api.data",
    "list_datasets": ".api.data",
    "list_methods": ".api.methods",
    "fit": ".api.fitting",
    "Fitted": ".api.fitting",
    "run": ".api.grids",
    "load_results": ".api.results",
    "compare": ".api.comparing",
    "load_model": ".api.models",
    "LoadedModel": ".api.models",
    "PmllError": "pmll_errors",
    "ConfigError": ".errors",
    "StoreError": ".errors",
    "UsageError": ".errors",
    "CellsFailed": ".errors",
    "DataError": "pmll_datasets.errors",
    "MethodError": "pmll_methods.method",
    "Diverged": "pmll_methods.method",
}
"""The module that defines each name."""

__all__ = ["metrics", *_PLACES]

logging.getLogger(__name__).addHandler(logging.NullHandler())  # silent unless a program or -v configures logging


def __getattr__(name: str) -> Any:
    """Import a name of the Python interface on first use; `__version__` is that of the installed package."""
    if name == "__version__":
        from importlib.metadata import version

        return version("pmll-bench")
    if name == "metrics":
        return import_module(".metrics", __name__)
    if name in _PLACES:
        return getattr(import_module(_PLACES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
