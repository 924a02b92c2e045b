"""`list_methods`: the names of all methods."""

from __future__ import annotations

from pmll_methods.method import names


def list_methods() -> tuple[str, ...]:
    """The names of all methods: the built-in ones, then those of installed packages.

    >>> import pmll_bench as pb
    >>> "dualcoop" in pb.list_methods()
    True
    """
    return names()
