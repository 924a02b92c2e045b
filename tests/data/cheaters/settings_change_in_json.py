"""A setting without a type of its own: what is stored isn't what is read."""

from dataclasses import dataclass
from typing import Any

from plain_method import Plain

from pmll_methods.settings import Settings, setting


@dataclass(frozen=True, kw_only=True)
class SomeSettings(Settings):
    scales: Any = setting((1, 2), "a tuple that comes back as a list")


class SettingsChangeInJson(Plain):
    """Compares them with a tuple."""

    Settings = SomeSettings

    def __init__(self, settings):
        self.settings = settings
