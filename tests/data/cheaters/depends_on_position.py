"""Scores the pictures at the end of the list higher."""

import numpy as np

from plain_method import Plain


class DependsOnPosition(Plain):
    """Carries something on from picture to picture."""

    def predict(self, images, run):
        return super().predict(images, run) + np.arange(len(images), dtype=np.float32)[:, None]
