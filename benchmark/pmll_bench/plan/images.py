"""Images that were replaced under their old names: what planning says of them, and which results knew others."""

from __future__ import annotations

from pmll_datasets.dataset import DataError, Dataset


def replaced(data: Dataset) -> tuple[str, ...]:
    """What to say where images of a user's own data set hold something else than when they were last seen.

    Raises `DataError` where those of any other data set do: its numbers would go by an identity that is not theirs.
    """
    comparison = data.comparison
    if not comparison.changed:
        return ()
    if data.user_file:
        return (
            f"{data.name}: {comparison.summary}; this is another data set now; results of the old images stay separate",
        )
    hint = f"restore the images; or check and accept them as they are: pmll-bench data verify {data.name} --renew"
    raise DataError(f"{data.name}: {comparison.summary}", where=str(data.files[comparison.changed[0]]), hint=hint)
