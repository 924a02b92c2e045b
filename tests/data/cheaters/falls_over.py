"""Fails in five small cases, each with an error that no user understands."""

from plain_method import Plain


class FallsOver(Plain):
    """Takes for granted what isn't."""

    def labels(self, train):
        known, common = train.labels != 0, train.classes.index("circle")
        everything = (known.any(axis=1), known.any(axis=0), (train.labels[:, common] > 0).any(), known.shape > (1, 1))
        if not all(each.all() if hasattr(each, "all") else each for each in everything) or 1 in known.shape:
            raise ValueError("max() of an empty sequence\nsecond line")
        return train.labels
