"""Opens the kept model of a cell as a fitted method."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pmll_datasets.loader import ImageSet
from pmll_methods import registry
from pmll_methods.engine.torch_method import TorchMethod
from pmll_methods.learners.learner import AnyLearner
from pmll_methods.method import MethodError, Pixels, Positions, Scores, State
from pmll_methods.recipe import Recipe
from pmll_methods.settings import from_plain

from ..errors import FileError, StoreError, UsageError
from ..plan.planned import Planned
from ..running.method_files import find_method
from ..running.model_file import StoredModel, read_model, tower_digest
from ..running.train_set import rendering_of
from ..store.cell_folder import CellFolder
from ..store.pack import read_in
from ..store.result import ModelFile, Result
from ..store.store import Store

RESTORE = "restore it, or remove the cell's folder and run it again with --keep-model"
AGAIN = "run the same command again with --keep-model: the cell is trained again, and its result stays"


@dataclass(frozen=True)
class UnrecordedRun:
    """A `Run` that saves, reports and records nothing and never stops: for predictions and measurements."""

    seed: int
    recipe: Recipe
    device: str

    def save(self, state: State, step: int = 0) -> None: ...
    def restore(self, step: int | None = None) -> State | None: ...
    def saved_steps(self) -> tuple[int, ...]:
        return ()

    def save_due(self) -> bool:
        return False

    def should_stop(self) -> bool:
        return False

    def report(self, epoch: int, epochs: int, losses: Mapping[str, float]) -> None: ...
    def record(self, name: str, positions: Positions, values: np.ndarray) -> None: ...
    def after_epoch(self, epoch: int, predict: Callable[..., Scores]) -> None: ...
    def wants(self, epoch: int, predict: Callable[..., Scores], scores: Scores | None = None) -> None: ...


@dataclass(frozen=True)
class KeptModel:
    """A trained method, as it predicted the test images of its cell.

    `method` is fitted: `method.predict(images, run)` gives float32 scores [images, classes]. `logits` is whether these
    are logits of P(present), `uses_labels` whether training labels had any effect.
    """

    method: TorchMethod
    run: UnrecordedRun
    result: Result
    logits: bool
    uses_labels: bool

    @property
    def classes(self) -> tuple[str, ...]:
        """The official class names, in the order of the scores."""
        return self.result.classes

    @property
    def learner(self) -> AnyLearner:
        """The trained learner, in evaluation mode."""
        assert self.method.learner is not None  # `open_model` builds it
        return self.method.learner

    def predict(self, images: ImageSet) -> Scores:
        """Scores, float32 [images, classes], in the order of `images`, whose pixels are made as in training."""
        return self.method.predict(replace(images, rendering=rendering_of(self.run.recipe)), self.run)


@dataclass(frozen=True)
class _Labels:
    """The part of a `TrainSet` that a learner is built from: no images."""

    labels: np.ndarray
    classes: tuple[str, ...]
    prompt_names: tuple[str, ...]
    regime: str
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self,
        positions: Iterable[Positions],
        views: Sequence[str],
        resolution: int,
        *,
        seed: int = 0,
        epoch: int = 0,
    ) -> Iterator[tuple[Positions, tuple[Pixels, ...]]]:
        raise MethodError("a method read training images while its kept model was opened", hint="read them in fit")


def open_model(folder: CellFolder, *, device: str = "cpu") -> KeptModel:
    """The kept model of a finished cell.

    On the same processor type with as many threads, it predicts the same scores, bit by bit.

    Raises:
        UsageError: The cell has no kept model.
        StoreError: Its file is missing, damaged or was changed.
        MethodError: The method, its tower or its word vectors are not those that it was trained with.
    """
    record, result = folder.record(), folder.result()
    if record is None or result is None or result.model is None:
        raise _no_model(folder, result, grouped=record is not None and record.grouped)
    planned = record.planned()
    stored = _stored(folder, result.model)
    kind = find_method(Store(folder.path.parents[3]), planned)
    recipe = planned.recipe
    if result.tried_rates is not None:
        recipe = recipe.at(lr=result.tried_rates.best.rate)
    run = UnrecordedRun(planned.cell.seed, recipe, device)
    return KeptModel(_fitted(planned, kind, stored, run, folder), run, result, kind.card.logits, kind.card.uses_labels)


def _no_model(folder: CellFolder, result: Result | None, *, grouped: bool) -> UsageError:
    where = str(folder.path)
    if result is None:
        return UsageError(f"cell {folder.id} has no result yet", where=where, hint="see 'pmll-bench status'")
    if not grouped:
        what = f"{result.label} is a plain class, whose parameters are not known, so no model of {folder.id} is kept"
        return UsageError(what, where=where, hint="derive it from Learner: see docs/add-a-method.md")
    return UsageError(f"cell {folder.id} has no kept model", where=where, hint=AGAIN)


def _stored(folder: CellFolder, file: ModelFile) -> StoredModel:
    """The content of the model file, if its digest is that in the result."""
    content, where = read_in(folder.path, file.file), str(folder.path / file.file)
    if content is None:
        raise FileError("the model file is missing", where=where, hint=RESTORE)
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise StoreError("the model file has changed since the result was made", where=where, hint=RESTORE)
    try:
        return read_model(content)
    except ValueError as error:
        raise StoreError(str(error), where=where, hint="update pmll-bench, or restore the file") from error


def _fitted(
    planned: Planned, kind: registry.Kind, stored: StoredModel, run: UnrecordedRun, folder: CellFolder
) -> TorchMethod:
    """The method with the stored state, in evaluation mode."""
    method = kind.build(from_plain(kind.settings_class, planned.settings, where="settings"))
    assert isinstance(method, TorchMethod)  # a model is kept only of learners
    labels = _Labels(stored.labels, stored.classes, stored.prompt_names, planned.cell.regime)
    learner = method.build(labels, run)
    found = tower_digest(learner.problem.tower)
    if found != stored.tower:
        raise MethodError(
            f"the frozen tower has other weights than in training: {found[:12]}, then {stored.tower[:12]}",
            where=planned.where.target,
            hint="use the weights that the cell was trained with",
        )
    try:
        learner.load_state_dict(dict(stored.state))
    except RuntimeError as error:
        what = f"the kept model does not fit the method: {error}".partition("\n")[0]
        hint = "use the version of pmll-bench that trained it (result.json: environment)"
        raise MethodError(what, where=str(folder.path), hint=hint) from error
    learner.to(run.device).eval()
    return method
