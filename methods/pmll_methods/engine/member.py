"""One cell during training: its learner, optimizer, averaged weights and checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from traceback import clear_frames

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..devices import seed_draws, to_device
from ..learners.learner import AnyLearner, Batch, Features, Phase, Step
from ..method import MethodError, Run, State, key
from ..recipe import Recipe
from . import ema
from .clock import Clock
from .contract import check_attached, check_terms
from .feed import autocast
from .isolation import isolate_errors
from .loss_log import LossLog
from .schedule import learning_rate, one_cycle


@dataclass(frozen=True, order=True)
class Place:
    """The next step of training. `done` counts the steps taken so far."""

    phase: int = 0
    epoch: int = 0
    step: int = 0
    done: int = 0


@dataclass
class Member:
    """One learner of a group with its optimizer, averaged weights and losses."""

    learner: AnyLearner
    run: Run
    clock: Clock = field(default_factory=Clock)  # measures its own steps
    failure: Exception | None = None
    phases: tuple[Phase, ...] = ()  # those of the learner, with the horizon of the recipe
    average: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.recipe = self.run.recipe
        self.labels = self.learner.problem.labels.cpu()
        self.learner.to(self.run.device)
        self.losses = LossLog(self.learner, self.run.device)
        self.optimizer: torch.optim.Optimizer | None = None
        self.scaler = _scaler(self.run)
        self.trained: dict[str, Tensor] = {}
        self.waits = False  # whether `train_step` leaves the step of the optimizer to `finish_step`
        self.unfinished = False

    def fail(self, error: Exception) -> None:
        """End the training of this member and release what the others may need: their memory is the same."""
        self.failure = error
        clear_frames(error.__traceback__)  # the activations of the step
        self.optimizer, self.average = None, {}
        for parameter in self.learner.parameters():
            parameter.grad = None

    def begin_phase(self, saved: State | None = None) -> None:
        """Create the optimizer and the averaged weights of a phase, or restore the saved ones."""
        groups = [
            {
                "params": list(parameters),
                "name": name,
                "scale": self.recipe.lr_scale.get(name, 1.0),
                "weight_decay": self.recipe.weight_decay if decayed else 0.0,
            }
            for name, parameters, decayed in _by_decay(self.learner.parameter_groups(), self.recipe)
        ]
        self.optimizer = _optimizer(self.run, groups) if any(group["params"] for group in groups) else None
        self.scaler = _scaler(self.run)
        self.trained = ema.averaged(self.learner)
        if self.recipe.ema is not None:
            self.average = ema.start(self.learner)
        if saved is not None:
            self.average = {name: tensor.to(self.run.device) for name, tensor in saved["average"].items()}
            self.scaler.load_state_dict(saved["scaler"])
            if self.optimizer is not None:
                self.optimizer.load_state_dict(saved["optimizer"])

    def set_mode(self, training: bool, *, first_epoch: bool = False) -> None:
        """Set training or evaluation mode; in training, batch norm follows `recipe.batch_norm`."""
        self.learner.train(training)
        rests = self.recipe.batch_norm == "eval" or (first_epoch and self.recipe.batch_norm == "train-from-second")
        if training and rests:
            for part in self.learner.modules():
                if isinstance(part, _BatchNorm):
                    part.eval()

    def batch(self, views: Mapping[str, tuple[Features, ...]], positions: Mapping[str, Tensor]) -> Batch[Features]:
        """Features and labels of one step: the first stream, the others by name."""
        first, *others = views
        parts = {name: self._part(views[name], positions[name]) for name in others}
        return self._part(views[first], positions[first], parts)

    def _part(
        self, views: tuple[Features, ...], positions: Tensor, streams: Mapping[str, Batch[Features]] | None = None
    ) -> Batch[Features]:
        labels = self.labels[positions]
        return Batch(views, to_device(labels, self.run.device), positions, streams or {}, labels)

    def train_step(self, batch: Batch[Features], phase: Phase, place: Place, steps: int) -> None:
        """Take one optimizer step. Raises `Diverged` if the loss is not finite, on a GPU a few steps later."""
        try:
            self._step(batch, phase, place, steps)
        except Exception:
            self.losses.read()  # an earlier loss that is not finite is the cause
            raise

    def _step(self, batch: Batch[Features], phase: Phase, place: Place, steps: int) -> None:
        seed = key(self.run.seed, "step", place.phase, place.epoch, place.step)
        seed_draws(seed, self.run.device)  # dropout and other random draws are the same alone and in a group
        generator = torch.Generator().manual_seed(seed)
        self.set_mode(training=True, first_epoch=place.phase == place.epoch == 0)
        with autocast(self.recipe, self.run.device):
            head = self.learner.head()
            step = Step(place.phase, place.epoch, place.step, steps, generator)
            terms = check_terms(self.learner.loss(batch, head, step), self.learner)
        total = torch.stack([term.float() for term in terms.values()]).sum()
        self.losses.add(total, terms, place.epoch, place.step)
        if self.optimizer is not None:
            check_attached(total, self.learner)
            self._descend(total, phase, place, steps)

    def _descend(self, total: Tensor, phase: Phase, place: Place, steps: int) -> None:
        assert self.optimizer is not None
        at = place.epoch * steps + place.step
        epochs = phase.horizon or phase.epochs
        rate = learning_rate(self.recipe, at, steps, epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * phase.lr_scale * group["scale"]
            if self.recipe.schedule == "onecycle":
                group["betas"] = (one_cycle(rate, at, steps * epochs)[1], self.recipe.betas[1])
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(total).backward()
        self.unfinished = True
        if not self.waits:
            self.finish_step()

    def finish_step(self) -> None:
        """Step the optimizer and the averaged weights, if the gradients of a step wait for it."""
        if not self.unfinished:
            return
        assert self.optimizer is not None
        self.unfinished = False
        if self.recipe.clip is not None:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(
                [parameter for group in self.optimizer.param_groups for parameter in group["params"]], self.recipe.clip
            )
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.recipe.ema is not None:
            ema.update(self.average, self.trained, self.recipe.ema)

    def epoch_done(self, epoch: int, epochs: int) -> None:
        """Report the mean of each loss term over the epoch."""
        self.run.report(epoch, epochs, {name: total / count for name, (total, count) in self.losses.sums().items()})
        self.losses.restart()

    def save(self, place: Place) -> None:
        """Save everything that training needs to continue from `place`."""
        state: State = {
            "place": [place.phase, place.epoch, place.step, place.done],
            "learner": self.learner.state_dict(),
            "average": self.average,
            "scaler": self.scaler.state_dict(),
            "losses": {name: list(kept) for name, kept in self.losses.sums().items()},
        }
        if self.optimizer is not None:
            state["optimizer"] = self.optimizer.state_dict()
        self.run.save(state, place.done)

    def restore(self, done: int) -> Place:
        """Restore the state saved after `done` steps. Raises `MethodError` if it does not fit the method."""
        state = self.run.restore(done)
        assert state is not None
        try:
            self.learner.load_state_dict(state["learner"])
            self.begin_phase(state)
            self.losses.restart({name: (total, count) for name, (total, count) in state["losses"].items()})
            return Place(*state["place"])
        except (KeyError, ValueError, RuntimeError) as error:
            raise MethodError(
                f"the state saved after {done} steps does not fit the method: {error}",
                hint="delete the cell's files attempts/*/checkpoint-*.pt to train from the start",
            ) from error


def read_losses(members: Sequence[Member]) -> None:
    """Read the losses of members from the device; a member whose loss is not finite ends before it is saved."""
    for member in members:
        if member.failure is None:
            with isolate_errors(member.fail):
                member.losses.read()


def _by_decay(
    groups: Mapping[str, Sequence[nn.Parameter]], recipe: Recipe
) -> Iterator[tuple[str, Sequence[nn.Parameter], bool]]:
    """Each group with its name and whether it has weight decay; vectors form groups without, unless `decay_vectors`."""
    for name, parameters in groups.items():
        if recipe.decay_vectors or name == "scalars":
            yield name, parameters, name != "scalars"
        else:
            yield name, [each for each in parameters if each.ndim == 1], False
            yield name, [each for each in parameters if each.ndim != 1], True


def _scaler(run: Run) -> torch.amp.GradScaler:
    """The loss scaler, which does nothing except in half precision on a GPU."""
    half = run.recipe.precision == "fp16" and run.device != "cpu"
    return torch.amp.GradScaler(torch.device(run.device).type, enabled=half)


def _optimizer(run: Run, groups: list[dict[str, object]]) -> torch.optim.Optimizer:
    recipe = run.recipe
    fused = recipe.fused or None  # None: torch's default, which is not fused
    if recipe.optimizer == "sgd":
        momentum, decay = recipe.momentum, recipe.weight_decay
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=momentum, weight_decay=decay, fused=fused)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=recipe.lr, betas=recipe.betas, weight_decay=recipe.weight_decay, fused=fused)
