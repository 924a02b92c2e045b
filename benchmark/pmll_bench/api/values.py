"""The values that a program gives as plain data: lists for tuples, ranges and arrays, text for paths."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ConfigError


def as_plain(value: object, where: str = "grid") -> Any:
    """A value as a grid file would state it. Raises `ConfigError` for a class.

    >>> as_plain({"ratios": (0.1, "50%"), "seeds": range(2)})
    {'ratios': [0.1, '50%'], 'seeds': [0, 1]}
    """
    if inspect.isclass(value):
        hint = "write it to a file, for a notebook with %%writefile my_method.py in its cell, and give the path"
        raise ConfigError(f"the class {value.__name__} has no file that a store could keep", where=where, hint=hint)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {name: as_plain(each, where) for name, each in value.items()}
    if hasattr(value, "tolist"):  # of numpy and pandas
        return as_plain(value.tolist(), where)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [as_plain(each, where) for each in value]
    return value
