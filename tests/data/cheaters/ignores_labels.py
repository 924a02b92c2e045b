"""Looks at which labels are known, not at what they are."""

from plain_method import Plain


class IgnoresLabels(Plain):
    """Takes every known label for a positive."""

    def labels(self, train):
        return abs(train.labels)
