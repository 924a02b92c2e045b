"""Opaque handles: a method holds a handle, while the object itself stays in this module.

No attribute, closure or reference known to the garbage collector leads from a handle to its object; only a global of
this module does. This prevents accidents, not deliberate access: code that imports this module, or that reads module
globals, frames or the disk, can reach everything that the process can.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

from .dataset import ImageArray, Images

T = TypeVar("T")


class Handle(Generic[T]):
    """A reference to an object that only `resolve` can follow. The object lives as long as its handle."""

    __slots__ = ("__weakref__",)


_OBJECTS: WeakKeyDictionary[Handle[Any], object] = WeakKeyDictionary()  # Any: handles of all types


def make_handle(target: T) -> Handle[T]:
    """Make a handle for an object. The object must not refer to the handle."""
    handle: Handle[T] = Handle()
    _OBJECTS[handle] = target
    return handle


def resolve(handle: Handle[T]) -> T:
    """The object of a handle."""
    return cast(T, _OBJECTS[handle])


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads images without a reference to their files."""

    handle: Handle[Callable[[int], ImageArray]]

    def __call__(self, position: int) -> ImageArray:
        return resolve(self.handle)(position)


def opaque_images(images: Images) -> Images:
    """The same images without a reference to their paths or their data set."""
    decoders = {library: _Reader(make_handle(read)) for library, read in images.decoders.items()}
    return Images(images.ids, _Reader(make_handle(images.read)), decoders)
