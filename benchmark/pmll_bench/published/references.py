"""The papers that the library cites, as BibTeX: `references.bib` by key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from ..errors import ConfigError, nearest


@cache
def references() -> Mapping[str, str]:
    """The BibTeX entries by key, in the order of their keys."""
    text = resources.files(__package__).joinpath("references.bib").read_text(encoding="utf-8")
    entries = [entry.strip() for entry in text.split("\n\n")]
    by_key = {re.match(r"@\w+\{([^,]+),", entry)[1]: entry for entry in entries}  # type: ignore[index]
    return dict(sorted(by_key.items()))


def bibtex(keys: Iterable[str]) -> str:
    """The entries with these keys, ordered by key, each once; empty keys are left out.

    Raises `ConfigError` for a key without an entry.
    """
    wanted = {key for key in keys if key}
    for key in sorted(wanted - references().keys()):
        raise ConfigError(f"no reference {key!r}", hint=nearest(key, references()))
    return "\n\n".join(entry for key, entry in references().items() if key in wanted) + ("\n" if wanted else "")
