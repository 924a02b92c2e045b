"""Numbers with their nouns in messages."""

from __future__ import annotations

from pmll_errors import counted

__all__ = ["counted"]
