"""A setting without a type of its own: what is stored isn't what is read."""

from dataclasses import dataclass
from typing import Any

from plain_method import Plain
from pmll_methods.settings import Settings


@dataclass(frozen=True, kw_only=True)
class SomeSettings(Settings):
    """A tuple comes back as a list."""

    scales: Any = (1, 2)


class SettingsChangeInJson(Plain):
    """Compares them with a tuple."""

    Settings = SomeSettings

    def __init__(self, settings):
        self.settings = settings
