"""The current revisions of methods, by which results of older ones are told."""

from __future__ import annotations

from collections.abc import Collection


def revisions(names: Collection[str] | None = None) -> dict[str, int]:
    """The revisions of the built-in and installed methods among some names; by default of all.

    Only an installed method is imported for it.
    """
    from pmll_methods import registry
    from pmll_methods.method import REGISTRY

    return {
        name: REGISTRY[name].revision if name in REGISTRY else registry.find(name).card.revision
        for name in registry.names()
        if names is None or name in names
    }
