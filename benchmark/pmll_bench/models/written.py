"""Predictions as a file: CSV or Parquet, with a row per image and a column per class."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from ..errors import ConfigError

PATH = "path"  # the first column, as in a data set of one's own


def as_csv(names: Sequence[str], classes: Sequence[str], values: np.ndarray) -> str:
    """Predictions [images, classes] as CSV; numbers with 6 significant digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([PATH, *classes])
    shown = np.vectorize(str if np.issubdtype(values.dtype, np.integer) else "{:.6g}".format, otypes=[object])(values)
    writer.writerows([name, *row] for name, row in zip(names, shown, strict=True))
    return text.getvalue()


def as_parquet(names: Sequence[str], classes: Sequence[str], values: np.ndarray) -> bytes:
    """Predictions [images, classes] as a Parquet file.

    Raises `ConfigError` if pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        hint = "pip install 'pmll-bench[parquet]', or write CSV"
        raise ConfigError("Parquet files need pyarrow, which is not installed", where="--format", hint=hint) from error
    printable = [name.encode("utf-8", "backslashreplace").decode() for name in names]
    columns = [pa.array(printable), *(pa.array(column) for column in values.T)]
    target = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(columns, names=[PATH, *classes]), target)
    return target.getvalue()
