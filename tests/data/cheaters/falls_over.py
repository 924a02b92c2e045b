"""Fails in five small cases, each with an error that no user understands."""

from plain_method import Plain


class FallsOver(Plain):
    """Takes for granted what isn't."""

    error = ValueError

    def labels(self, train):
        known, present = train.labels != 0, train.labels > 0
        whole = known.any(axis=1).all() and known.any(axis=0).all() and present[:, train.classes.index("circle")].any()
        if not whole or 1 in known.shape:
            raise self.error("max() of an empty sequence\nand a second line")
        return train.labels
