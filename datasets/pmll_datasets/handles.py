"""Opaque handles: a method holds a handle, and the object itself stays in this module.

No attribute, no closure and no reference that the garbage collector knows leads from a handle to its object; only a
global of this module does. This prevents mistakes, not intent: code that imports this module, or that reads module
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
    """Stands for an object, which is kept alive as long as the handle is."""

    __slots__ = ("__weakref__",)


_OBJECTS: WeakKeyDictionary[Handle[Any], object] = WeakKeyDictionary()  # Any: handles of all types


def make_handle(target: T) -> Handle[T]:
    """A new handle of an object; the object must not refer to the handle."""
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
    return Images(images.ids, _Reader(make_handle(images.read)))
