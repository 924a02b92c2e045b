"""`recipe.decode` and `recipe.resize`: part of the identity where they differ, and of everything that reads images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pmll_bench as pb
from command_line import Command
from pmll_bench.plan.grid import recipe_digest
from pmll_bench.plan.planning import plan
from pmll_bench.plan.request import Request
from pmll_bench.store.store import Store
from pmll_methods.recipe import Recipe

RECIPE = Recipe(resolution=32, batch=4, epochs=1, lr=1e-3)
FAST = {"decode": "torchvision", "resize": "torchvision"}
VIEW = {"views": "oversize+squash", "test_view": "oversize+squash"}  # resizes the images of shapes, too


@pytest.mark.parametrize("field", FAST)
def test_another_library_is_another_cell(field: str) -> None:
    assert recipe_digest(RECIPE.at(**{field: "torchvision"}), "") != recipe_digest(RECIPE, "")
    assert recipe_digest(RECIPE.at(**{field: "pillow"}), "") == recipe_digest(RECIPE, "")


def test_cells_of_different_libraries_share_no_images() -> None:
    sets = ("dualcoop.recipe.resize=torchvision",)
    groups = plan(Request(methods=("coop", "dualcoop"), ratios=(0.5,), subset=40, sets=sets)).groups
    assert [{each.recipe.resize for each in group.cells} for group in groups] == [{"pillow"}, {"torchvision"}]


def test_an_unknown_library_is_refused_at_planning() -> None:
    with pytest.raises(pb.MethodError, match=r"resize.*pilow"):
        plan(Request(methods=("bce",), ratios=(0.5,), subset=40, sets=("recipe.resize=pilow",)))


def test_run_fit_and_kept_models_read_images_as_the_recipe_says(command: Command) -> None:
    """Bit for bit the same scores, which are those of other pixels than by default. A package of them is in order."""
    data = pb.load_dataset("shapes", subset=40)
    fitted = pb.fit("linear-probe", pb.mask_labels(data, 0.5), recipe=FAST | VIEW, device="cpu", threads=1)
    sets = [word for name, value in {**FAST, **VIEW}.items() for word in ("--set", f"recipe.{name}={value}")]
    grid = ["--methods", "linear-probe", "--subset", "40", "--ratios", "0.5", "--device", "cpu", "--threads", "1"]
    assert command("run", *grid, *sets, "--keep-model").code == 0
    store = Store(Path("runs"))
    (result,) = store.results()
    assert (result.recipe.decode, result.recipe.resize) == ("torchvision", "torchvision")
    stored = store.scores(result.cell_id).scores
    assert np.array_equal(fitted.predict(data.test), stored)
    assert np.array_equal(pb.load_model(result.cell_id, "runs", device="cpu").predict(data.test), stored)
    usual = pb.fit("linear-probe", pb.mask_labels(data, 0.5), recipe=VIEW, device="cpu", threads=1).predict(data.test)
    assert not np.array_equal(usual, stored)
    assert abs(usual - stored).max() < 0.5
    assert command("submit", "pack", "--methods", "linear-probe", "--author", "A. Author", "-o", "my.zip").code == 0
    assert command("submit", "check", "my.zip").code == 0
