"""Lends objects that a borrower may use but not reach: the borrower holds a handle, the object stays in this module.

Nothing leads from a handle to what it stands for: no attribute, no closure, no referent that the garbage collector
knows of. The way back is a global of this module. That keeps mistakes out, not intent: code that imports this module,
or that reads module globals, frames or the disk, can reach anything that this process can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

from .dataset import ImageArray, Images

T = TypeVar("T")


class Handle(Generic[T]):
    """Stands for an object that was lent, for as long as somebody holds the handle."""

    __slots__ = ("__weakref__",)


_LENT: WeakKeyDictionary[Handle[Any], object] = WeakKeyDictionary()


def make_handle(thing: T) -> Handle[T]:
    """A handle for an object, which must not lead back to the handle."""
    handle: Handle[T] = Handle()
    _LENT[handle] = thing
    return handle


def resolve(handle: Handle[T]) -> T:
    """The object that a handle stands for."""
    return cast(T, _LENT[handle])


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads images without leading to where they lie."""

    handle: Handle[Any]

    def __call__(self, position: int) -> ImageArray:
        image: ImageArray = resolve(self.handle)(position)
        return image


def opaque_images(images: Images) -> Images:
    """The same images; what is given leads to no path and to no data set."""
    return Images(images.ids, _Reader(make_handle(images.read)))
