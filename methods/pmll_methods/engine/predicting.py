"""Prediction with learners that share images, and the selection of an epoch by the scores of watched images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..devices import beside_work
from ..learners.learner import AnyLearner
from ..method import Diverged, ImageSet, Run, Scores
from . import ema
from .contract import NOT_FINITE, check_logits
from .encoded import encode
from .feed import autocast, in_order
from .isolation import isolate_errors, result_or_error
from .member import Member


@dataclass(frozen=True)
class Predictor:
    """Predicts with a learner as it would be if training ended now: with the averaged weights, if there are any."""

    member: Member

    def __call__(self, images: ImageSet) -> Scores:
        scores = _scores_if_ended([self.member], images)[0]
        if isinstance(scores, Exception):
            raise scores
        return scores

    @contextmanager
    def as_if_ended(self) -> Iterator[AnyLearner]:
        """The learner with the weights that predict, for the duration of the block."""
        with ema.swapped_in(self.member.learner, self.member.average):
            yield self.member.learner


def select_epoch(members: Sequence[Member], epoch: int) -> None:
    """Let the benchmark select after an epoch. Members that want the same images scored share one pass over them.

    All want the images that rank the epochs first. Those whose best epoch this is then want the test images.
    """
    wanted = _wanted([(member, None) for member in members], epoch)
    while wanted:
        images, asking = wanted.pop(next(iter(wanted)))
        scores = result_or_error(partial(_scores_if_ended, asking, images))
        given = [scores] * len(asking) if isinstance(scores, Exception) else scores
        for ids, (more, again) in _wanted(list(zip(asking, given, strict=True)), epoch).items():
            wanted.setdefault(ids, (more, []))[1].extend(again)


def _wanted(
    given: Sequence[tuple[Member, Scores | Exception | None]], epoch: int
) -> dict[tuple[str, ...], tuple[ImageSet, list[Member]]]:
    """The images that members want scored next, by their ids, given the scores of those that they wanted before."""
    wanted: dict[tuple[str, ...], tuple[ImageSet, list[Member]]] = {}
    for member, scores in given:
        with isolate_errors(member.fail):
            if isinstance(scores, Exception):
                raise scores
            images = member.run.wants(epoch, Predictor(member), scores)
            if images is not None:
                wanted.setdefault(tuple(images.ids), (images, []))[1].append(member)
    return wanted


def _scores_if_ended(members: Sequence[Member], images: ImageSet) -> list[Scores | Exception]:
    """The scores of members as they would be if training ended now."""
    with ExitStack() as swapped:
        learners = [swapped.enter_context(Predictor(member).as_if_ended()) for member in members]
        return predict_group(learners, images, [member.run for member in members])


@torch.no_grad()
def predict_group(learners: Sequence[AnyLearner], images: ImageSet, runs: Sequence[Run]) -> list[Scores | Exception]:
    """Predict with learners that share images and views. Each frozen part encodes the images once.

    Returns:
        One entry per learner: scores float32 [images, classes], or the exception that ended its prediction (`Diverged`
        if the scores are not finite).
    """
    recipe, device = runs[0].recipe, runs[0].device
    for learner in learners:
        learner.eval()
    batches = images.batches(in_order(len(images), recipe.batch), (recipe.test_view,), recipe.resolution)
    parts: list[list[Tensor]] = [[] for _ in learners]
    failures: dict[int, Exception] = {}
    with autocast(recipe, device):
        heads = [result_or_error(learner.head) for learner in learners]
        for _, pixels in batches:
            encoded = encode(learners, [beside_work(torch.from_numpy(pixels[0]), device)], come_again=[True])
            for number, (learner, head) in enumerate(zip(learners, heads, strict=True)):
                if number not in failures:
                    with isolate_errors(partial(failures.__setitem__, number)):
                        if isinstance(head, Exception):
                            raise head
                        logits = learner(encoded.of(learner)[0], head)
                        check_logits(logits, len(pixels[0]), learner)
                        parts[number].append(logits.float())
    return [failures.get(number) or _finite(torch.cat(part).cpu().numpy()) for number, part in enumerate(parts)]


def _finite(scores: Scores) -> Scores | Exception:
    return scores if np.isfinite(scores).all() else Diverged("predicted scores are not finite", hint=NOT_FINITE)
