"""A learner whose batch norm takes its statistics from the batch when it predicts, too."""

from dataclasses import replace

from torch.nn import functional as F

from learners import CARD, RECIPE, Linear
from pmll_methods.recipe import Track


class NormalisesOverBatch(Linear):
    """Scores an image by the images beside it."""

    card = replace(CARD, tracks={"smoke": Track(recipe=RECIPE)})

    def forward(self, features, head):
        if len(features) > 1:
            features = F.batch_norm(features, None, None, training=True)
        return super().forward(features, head)
