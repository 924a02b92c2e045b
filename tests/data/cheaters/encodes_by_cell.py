"""A learner whose frozen part isn't: it depends on the labels of the cell."""

from dataclasses import replace

from learners import CARD, RECIPE, Linear
from pmll_methods.recipe import Track


class EncodesByCell(Linear):
    """A group shares what its first cell makes of the images."""

    card = replace(CARD, tracks={"smoke": Track(recipe=RECIPE)})

    def encode(self, pixels):
        return super().encode(pixels) * (self.problem.labels != 0).float().mean()
