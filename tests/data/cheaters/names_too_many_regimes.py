"""Claims a regime that it can't train in."""

from dataclasses import replace

from learners import CARD, RECIPE
from plain_method import Plain
from pmll_methods.method import MethodError
from pmll_methods.recipe import Track


class NamesTooManyRegimes(Plain):
    """Fails where everything is known."""

    card = replace(CARD, tracks={"smoke": Track(recipe=RECIPE)}, regimes=("partial", "full"))

    def labels(self, train):
        if train.regime == "full":
            raise MethodError("no label is hidden")
        return train.labels
