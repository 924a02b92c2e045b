"""Scores the images at the end of the list higher."""

import numpy as np

from plain_method import Plain


class DependsOnPosition(Plain):
    """Carries something on from image to image."""

    def predict(self, images, run):
        return super().predict(images, run) + np.arange(len(images), dtype=np.float32)[:, None]
