"""The released form of SST and SARB, written from the papers' formulas at the sizes of HCP-MLR-PL.

Nothing that has no effect is removed: the decoupling keeps tensors over all positions, classes and channels, the pair
head has a row per pair of classes, the bank of SST is compared entry by entry, SARB runs all images through the graph
three times. Weights and buffers are those of one of our learners.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pmll_methods.learners.label_features import LabelFeatureLearner
from pmll_methods.towers.cnn import Trunk

AnyLearner = LabelFeatureLearner[Any]


def frozen_stages(trunk: Trunk) -> nn.Sequential:
    """The stages before layer4, with their batch norms as they are."""
    before = [stage for name, stage in trunk.stages.items() if name != "layer4"]
    return copy.deepcopy(nn.Sequential(*before)).requires_grad_(False).eval()


class LabelFeatures(nn.Module):
    """Trunk, semantic decoupling and gated graph, and the losses that SST and SARB share."""

    def __init__(self, learner: AnyLearner) -> None:
        super().__init__()
        self.prefix = frozen_stages(learner.trunk)
        self.own: Any = copy.deepcopy(learner.train())  # its weights and buffers; attributes of modules have no types
        self.normalise = learner.normalise
        classes = len(self.own.words)
        self.pairs = torch.tensor(list(combinations(range(classes), 2))).T

    def train(self, mode: bool = True) -> LabelFeatures:
        super().train(mode)
        self.prefix.eval()
        return self

    def decoupled(self, pixels: Tensor) -> Tensor:
        """One feature vector per class, [b, c, f]."""
        with torch.no_grad():
            x = self.prefix(self.normalise(pixels))
        x = self.own.change_channel(F.avg_pool2d(self.own.top(x), self.own.settings.map_pool))
        layers, positions = self.own.decoupling, x.flatten(2).mT
        images, places, width = positions.shape
        classes = len(self.own.words)
        of_positions = layers.fc1(positions.reshape(-1, width))[:, None].repeat(1, classes, 1)
        of_words = layers.fc2(self.own.words)[None].repeat(images * places, 1, 1)
        joint = (of_positions * of_words).tanh().reshape(images * places * classes, -1)
        weights = layers.fc4(layers.fc3(joint)).reshape(images, places, classes).softmax(dim=1)
        every = positions[:, :, None].repeat(1, 1, classes, 1) * weights[..., None]
        features: Tensor = every.sum(dim=1)
        return features

    def classify(self, features: Tensor) -> Tensor:
        """Logits after three steps of the gated graph, whose adjacency is repeated per image."""
        graph, nodes = self.own.graph, features
        step = graph.ggnn
        forward = self.own.adjacency.repeat(len(features), 1, 1)
        backward = self.own.adjacency.mT.repeat(len(features), 1, 1)
        for _ in range(step.steps):
            messages = torch.cat([forward @ nodes, backward @ nodes], dim=-1)
            update = torch.sigmoid(step.fc_1_w(messages) + step.fc_1_u(nodes))
            reset = torch.sigmoid(step.fc_2_w(messages) + step.fc_2_u(nodes))
            candidate = torch.tanh(step.fc_3_w(messages) + step.fc_3_u(reset * nodes))
            nodes = (1 - update) * nodes + update * candidate
        output = graph.fc(torch.cat([nodes, features], dim=-1)).tanh()
        logits: Tensor = (output * graph.classifiers.weight).sum(dim=-1) + graph.classifiers.bias
        return logits

    def contrastive(self, features: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """1 - cos of (+, +), 1 + cos of (+, -) and (-, -); the last two sampled if there are (+, +)."""
        one, other = torch.tensor(list(combinations(range(len(features)), 2))).T
        cosine = F.cosine_similarity(features[one], features[other], dim=-1, eps=1e-9)
        both = labels[one] * labels[other]
        together = 1 - cosine[(both > 0) & (labels[one] > 0)]
        groups = [1 + cosine[both < 0], 1 + cosine[(both > 0) & (labels[one] < 0)]]
        if n := len(together):
            chosen = [torch.randperm(len(group), generator=generator)[: 2 * n] for group in groups]
            groups = [
                torch.cat([group[rows], group.topk(min(n, len(group))).values])
                for group, rows in zip(groups, chosen, strict=True)
            ]
        return torch.cat([together, *groups]).mean()


def masked_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """softplus(-x) + (1 - t) x of t > 0 and softplus(x) of t < 0, the mean over known entries."""
    present, absent = (targets > 0), (targets < 0)
    loss = present * (F.softplus(logits) - targets * logits) + absent * F.softplus(logits)
    return loss.sum() / (present | absent).sum().clamp(min=1)


class Sst(LabelFeatures):
    """L_bce + 10 L_cooc + 0.05 L_con + L_intra + L_inter with thresholds of 0.95."""

    def terms(self, pixels: Tensor, labels: Tensor, generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
        features = self.decoupled(pixels)
        logits = self.classify(features)
        yield "bce", masked_bce(logits, labels)
        pair_logits = self.pair_head(features)
        yield "cooccurrence", 10 * self.cooccurrence(pair_logits, labels)
        yield "intra", masked_bce(logits, completed(labels, self.intra(pair_logits, labels)))
        yield "contrastive", 0.05 * self.contrastive(features, labels, generator)
        self.remember(features.detach(), labels)
        yield "inter", masked_bce(logits, completed(labels, self.inter(features)))

    def pair_head(self, features: Tensor) -> Tensor:
        head = self.own.pair_head
        narrow = head.fc_1(features)
        joined = torch.cat([narrow[:, self.pairs[0]], narrow[:, self.pairs[1]]], dim=-1)
        output = head.fc_3(head.fc_2(joined).relu())
        logits: Tensor = (output * head.classifiers.weight).sum(dim=-1) + head.classifiers.bias
        return logits

    def cooccurrence(self, pair_logits: Tensor, labels: Tensor) -> Tensor:
        """The asymmetric loss (2, 1, 0.05); a pair that is not known to be present counts as absent."""
        present = ((labels[:, self.pairs[0]] > 0) & (labels[:, self.pairs[1]] > 0)).float()
        p = pair_logits.sigmoid()
        q = (1 - p + 0.05).clamp(max=1)
        loss = present * p.clamp(min=1e-8).log() * (1 - p)
        return -(loss + (1 - present) * q.clamp(min=1e-8).log() * (1 - q) ** 2).mean()

    def intra(self, pair_logits: Tensor, labels: Tensor) -> Tensor:
        """Mean co-occurrence with the known positives of the image, filled in label by label."""
        classes, probability, at = labels.shape[1], pair_logits.sigmoid(), 0
        together = torch.eye(classes).repeat(len(labels), 1, 1)
        for label in range(classes - 1):
            row = probability[:, at : at + classes - 1 - label]
            together[:, label, label + 1 :] = together[:, label + 1 :, label] = row
            at += classes - 1 - label
        present = (labels > 0).float()
        return (together * present[:, None]).sum(dim=2) / present.sum(dim=1, keepdim=True).clamp(min=1)

    def inter(self, features: Tensor) -> Tensor:
        """The mean cosine with every vector of the bank, the bank repeated per image."""
        bank = self.own.memory.slots.repeat(len(features), 1, 1, 1)
        every = features[:, :, None].repeat(1, 1, bank.shape[2], 1)
        return F.cosine_similarity(every, bank, dim=-1, eps=1e-9).mean(dim=2)

    def remember(self, features: Tensor, labels: Tensor) -> None:
        """Push the known positives of each class into its bank, newest first."""
        bank = self.own.memory.slots
        for label in range(labels.shape[1]):
            new = features[labels[:, label] > 0, label]
            bank[label] = torch.cat([new, bank[label]])[: bank.shape[1]]


def completed(labels: Tensor, score: Tensor) -> Tensor:
    """Unknown labels with a score of 0.95 or more become present."""
    return torch.where((labels == 0) & (score.detach() >= 0.95), 1, labels)


class Sarb(LabelFeatures):
    """L_bce + 0.05 L_con + L_inst + L_prot, both blends through the graph for all images."""

    def terms(self, pixels: Tensor, labels: Tensor, generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
        features = self.decoupled(pixels)
        yield "bce", masked_bce(self.classify(features), labels)
        yield "contrastive", 0.05 * self.contrastive(features, labels, generator)
        alpha, beta = self.own.alpha, self.own.beta
        with torch.no_grad():
            alpha.clamp_(0, 1)
            beta.clamp_(0, 1)
        where = ((labels == 0) & (labels.flip(0) > 0)).float()
        yield "instance", self.blended(features, features.flip(0), labels, where, alpha)
        centres = self.own.prototypes.centres
        k = int(torch.randint(centres.shape[1], (), generator=generator))
        rand = torch.rand(labels.shape, generator=generator).where(labels == 0, -1.0)
        where = F.one_hot(rand.argmax(dim=1), labels.shape[1]).float() * (labels == 0)
        yield "prototype", self.blended(features, centres[:, k], labels, where, beta)

    def blended(self, features: Tensor, others: Tensor, labels: Tensor, where: Tensor, own: Tensor) -> Tensor:
        share = (1 - where + where * own)[..., None]
        mixed = share * features + (1 - share) * others
        targets = (1 - where) * labels + where * (1 - own)
        return masked_bce(self.classify(mixed), targets)
