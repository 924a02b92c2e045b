"""Class prototypes: k-means centres of the features of known positives, which a sweep collects."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int8, Int64
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from ..method import key

STARTS = 10  # k-means++ initialisations, the best of which is kept; scikit-learn's default at the time of HCP-MLR-PL


class Prototypes(nn.Module):
    """Up to `k` prototypes per class. The centres are buffers; features collected during a sweep are not.

    `centres[c, :count[c]]` are the prototypes of class c, the rest are zeros. A class without known positives has none.
    """

    centres: Tensor
    count: Tensor

    def __init__(self, classes: int, k: int, width: int) -> None:
        super().__init__()
        self.register_buffer("centres", torch.zeros(classes, k, width))
        self.register_buffer("count", torch.zeros(classes, dtype=torch.int64))
        self.seed = int(torch.randint(2**62, ()))  # drawn at initialisation, hence a function of the training seed
        self.gathered: list[tuple[Tensor, Tensor]] = []

    def gather(self, features: Float[Tensor, "b c f"], labels: Int8[Tensor, "b c"]) -> None:
        """Collect the features of the known positives of one batch."""
        image, label = torch.nonzero(labels > 0, as_tuple=True)
        self.gathered.append((features[image, label].cpu(), label.cpu()))

    def update(self) -> None:
        """Compute new centres from the collected features."""
        features, label = (torch.cat(parts) for parts in zip(*self.gathered, strict=True))
        self.gathered = []
        counts = torch.bincount(label, minlength=len(self.count)).tolist()
        by_class = torch.split(features[label.argsort(stable=True)], counts)
        centres, count = class_prototypes(by_class, self.centres.shape[1], self.seed)
        self.centres, self.count = centres.to(self.centres), count.to(self.count)


def class_prototypes(
    features_by_class: Sequence[Float[Tensor, "_ f"]], k: int, seed: int
) -> tuple[Float[Tensor, "c k f"], Int64[Tensor, " c"]]:
    """The k-means centres of each class, padded with zeros, and their number min(k, n) for n features.

    k-means runs in one thread, since its result varies between runs with more.
    """
    width = features_by_class[0].shape[1]
    centres = features_by_class[0].new_zeros(len(features_by_class), k, width)
    count = torch.tensor([min(k, len(features)) for features in features_by_class])
    with threadpool_limits(1):  # once for all classes, since entering it takes milliseconds
        for number, features in enumerate(features_by_class):
            if len(features):
                centres[number, : count[number]] = k_means(features, k, seed=key(seed, "prototypes", number))
    return centres, count


def k_means(
    features: Float[Tensor, "n f"], k: int, *, seed: int = 0, start: Float[Tensor, "m f"] | None = None
) -> Float[Tensor, "m f"]:
    """The min(k, n) centres of scikit-learn's k-means, initialised by k-means++ or from `start` if given.

    The warning about duplicate features is silenced; their centres coincide.
    """
    one_each = len(features) <= k  # every initialisation converges to the features themselves
    model = KMeans(
        min(k, len(features)),
        init="k-means++" if start is None else start.numpy(),
        n_init=STARTS if start is None and not one_each else 1,
        random_state=seed % 2**32,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features.numpy())
    return torch.from_numpy(model.cluster_centers_)
