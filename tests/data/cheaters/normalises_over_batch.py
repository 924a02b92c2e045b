"""A learner whose batch norm takes its statistics from the batch when it predicts, too."""

from dataclasses import replace

from learners import CARD, RECIPE, Linear
from torch.nn import functional as F

from pmll_methods.recipe import Track


class NormalisesOverBatch(Linear):
    """Scores a picture by the pictures beside it."""

    card = replace(CARD, tracks={"smoke": Track(recipe=RECIPE)})

    def forward(self, features, head):
        return super().forward(F.batch_norm(features, None, None, training=len(features) > 1), head)
