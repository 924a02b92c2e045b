"""A learner whose step size follows from a count that no checkpoint holds."""

from dataclasses import replace

from learners import CARD, RECIPE, Linear
from pmll_methods.recipe import Track


class ForgetsOnResume(Linear):
    """Weighs its loss by the number of steps so far, in a plain attribute."""

    card = replace(CARD, tracks={"smoke": Track(recipe=RECIPE)})

    def __init__(self, problem, settings):
        super().__init__(problem, settings)
        self.steps = 0

    def loss(self, batch, head, step):
        self.steps += 1
        return {name: term / self.steps for name, term in super().loss(batch, head, step).items()}
