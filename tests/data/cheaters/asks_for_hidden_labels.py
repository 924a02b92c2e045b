"""Asks the run that it is given for the labels that are hidden from it."""

from plain_method import Plain


class AsksForHiddenLabels(Plain):
    """Adds the hidden labels to those it may see."""

    def fit(self, train, run):
        self.hidden = run.hidden()
        super().fit(train, run)

    def labels(self, train):
        return train.labels + self.hidden
