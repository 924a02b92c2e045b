"""Detects, during planning, images that were replaced by others of the same name."""

from __future__ import annotations

from pmll_datasets.dataset import DataError, Dataset


def note_replaced(data: Dataset) -> tuple[str, ...]:
    """A note if images of a user's own data set have changed since they were last seen.

    Raises `DataError` for any other data set, whose identity would no longer match its images.
    """
    comparison = data.comparison
    if not comparison.changed:
        return ()
    if data.user_file:
        return (f"{data.name}: {comparison.summary}; it now counts as another data set, and old results stay separate",)
    hint = f"restore the images, or check and accept them: pmll-bench data verify {data.name} --renew"
    raise DataError(f"{data.name}: {comparison.summary}", where=str(data.files[comparison.changed[0]]), hint=hint)
