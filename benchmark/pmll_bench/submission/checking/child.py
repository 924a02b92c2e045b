"""The process that checks a package: `python -P -m pmll_bench.submission.checking.child FILE SECONDS …`.

It sets its own limits before it opens the file, and prints one document, an `Answer`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from pmll_datasets.errors import DataError

from ...errors import ConfigError, PmllError
from ..problems import Problem
from .answer import Answer, Trouble
from .data_sets import loader
from .limits import MEMORY, room_for_data, set_limits
from .passes import run_passes


def main(argv: Sequence[str]) -> None:
    """Check the package that the arguments name, and print the answer."""
    options = ArgumentParser()
    options.add_argument("package", type=Path)
    options.add_argument("seconds", type=int)
    options.add_argument("--data-root", type=Path)
    options.add_argument("--without-data", action="store_true")
    given = options.parse_args(argv)
    unlimited = set_limits(given.seconds)
    try:
        answer = run_passes(given.package, None if given.without_data else loader(given.data_root, room_for_data))
    except MemoryError:
        answer = Answer.of("", [Problem("", f"needs more than {MEMORY >> 20:,} MiB of memory to be checked")])
    except (DataError, ConfigError) as error:
        answer = Answer(trouble=_trouble(error))
    print(answer.model_copy(update={"unlimited": unlimited}).model_dump_json())


def _trouble(error: PmllError) -> Trouble:
    return Trouble(what=error.what, where=error.where, hint=error.hint, data=isinstance(error, DataError))


if __name__ == "__main__":
    main(sys.argv[1:])
