"""The three passes of `submit check`: container, text and numbers. Nothing is extracted, imported or written."""
