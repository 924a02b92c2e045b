"""Starts from random numbers of no seed."""

import numpy as np

from plain_method import Plain


class DrawsFromAnywhere(Plain):
    """Never the same twice."""

    def start(self, features, classes, run):
        return np.random.default_rng().normal(0, 0.1, (features, classes)).astype(np.float32)
