"""A method of a user's own that keeps all rules: logistic regression on coarse colours, without a learner."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from pmll_methods.method import ImageSet, Pixels, Run, Scores, Stopped, TrainSet

CELLS = 4  # a side


class Plain:
    """Logistic regression on the mean colour of 4 x 4 cells."""

    def fit(self, train: TrainSet, run: Run) -> None:
        features, labels = self.features(train, run), self.labels(train)
        state = run.restore()
        self.weight = self.start(features.shape[1], labels.shape[1], run) if state is None else state["weight"].numpy()
        first = 0 if state is None else state["epoch"]
        for epoch in range(first, 10 * run.recipe.epochs):
            if run.should_stop():
                run.save({"weight": torch.from_numpy(self.weight), "epoch": epoch}, epoch)
                raise Stopped
            self.descend(features, labels)

    def descend(self, features: np.ndarray, labels: np.ndarray) -> None:
        """One step down the log-loss of the known labels."""
        present = 1 / (1 + np.exp(-features @ self.weight))
        error = np.where(labels != 0, present - (labels > 0), 0)
        self.weight = (self.weight - 1.0 * features.T @ error / len(labels)).astype(np.float32)

    def predict(self, images: ImageSet, run: Run) -> Scores:
        scores: Scores = self.features(images, run) @ self.weight
        return scores

    def labels(self, train: TrainSet) -> np.ndarray:
        """What to learn from: int8 [images, classes], hidden entries 0."""
        return train.labels

    def start(self, features: int, classes: int, run: Run) -> np.ndarray:
        """Where training starts: float32 [features, classes]."""
        return np.random.default_rng(run.seed).normal(0, 0.1, (features, classes)).astype(np.float32)

    def features(self, images: ImageSet, run: Run) -> np.ndarray:
        """Mean colours, and a constant: float32 [images, 49]."""
        positions: Iterable[np.ndarray] = np.array_split(np.arange(len(images)), -(-len(images) // run.recipe.batch))
        batches = images.batches(positions, (run.recipe.test_view,), run.recipe.resolution)
        return np.concatenate([self.encode(pixels) for _, (pixels,) in batches])

    def encode(self, pixels: Pixels) -> np.ndarray:
        number, channels, side, _ = pixels.shape
        cells = pixels.reshape(number, channels, CELLS, side // CELLS, CELLS, side // CELLS).mean(axis=(3, 5))
        colours = cells.reshape(number, -1) / 255 - 0.5
        return np.concatenate([colours, np.ones((number, 1))], axis=1).astype(np.float32)
