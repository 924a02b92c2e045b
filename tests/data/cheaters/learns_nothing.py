"""Changes its scores with the labels, but ranks no image by what is in it."""

import numpy as np

from plain_method import Plain


class LearnsNothing(Plain):
    """Scores by how often a label is present, and a little by chance."""

    def predict(self, images, run):
        noise = np.random.default_rng(run.seed).normal(0, 1e-9, self.weight.shape[1])
        return np.tile(self.weight[-1] + noise, (len(images), 1)).astype(np.float32)
