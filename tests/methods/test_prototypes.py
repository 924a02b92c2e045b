"""Prototypes are k-means centres of the features of known positives: as many as there can be, the same every time."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from pmll_methods.nn.prototypes import Prototypes, class_prototypes, k_means


def blobs(n: int = 30) -> Tensor:
    """Three clouds around 0, 10 and 20."""
    noise = torch.randn(3, n, 4, generator=torch.Generator().manual_seed(0))
    return (noise + torch.tensor([0.0, 10.0, 20.0])[:, None, None]).flatten(0, 1)


def test_the_centres_are_the_clouds_middles() -> None:
    found = k_means(blobs(), 3)
    order = found[:, 0].argsort()
    torch.testing.assert_close(found[order], blobs().reshape(3, 30, 4).mean(dim=1))


def test_the_same_seed_gives_the_same_centres_and_another_seed_others() -> None:
    cloud = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(k_means(cloud, 10, seed=1), k_means(cloud, 10, seed=1))
    assert not torch.equal(k_means(cloud, 10, seed=1), k_means(cloud, 10, seed=2))


def test_a_class_has_at_most_as_many_prototypes_as_known_positives() -> None:
    features = [blobs(), blobs()[:2], blobs()[:0]]
    centres, count = class_prototypes(features, 4, seed=0)
    assert centres.shape == (3, 4, 4)
    assert count.tolist() == [4, 2, 0]
    torch.testing.assert_close(centres[1, :2].sort(dim=0).values, features[1].sort(dim=0).values)
    assert not centres[1, 2:].any()
    assert not centres[2].any()


def test_images_that_are_all_alike_raise_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = k_means(torch.ones(5, 2), 3)
    assert torch.equal(found, torch.ones(3, 2))


def test_only_known_positives_are_gathered_and_each_sweep_starts_anew() -> None:
    prototypes = Prototypes(classes=3, k=2, width=4)
    labels = torch.tensor([[1, 0, -1]], dtype=torch.int8)
    for features in (torch.ones(1, 3, 4), 2 * torch.ones(1, 3, 4)):
        prototypes.gather(features, labels)
        prototypes.update()
        assert prototypes.count.tolist() == [1, 0, 0]
        assert torch.equal(prototypes.centres[0, 0], features[0, 0])
    assert prototypes.state_dict().keys() == {"centres", "count"}


def test_other_first_weights_mean_another_seed() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        one = Prototypes(2, 2, 2).seed
        torch.manual_seed(1)
        assert Prototypes(2, 2, 2).seed != one
