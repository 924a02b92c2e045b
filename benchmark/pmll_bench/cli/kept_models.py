"""What `run --keep-model` does with each cell of a grid, in words."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pmll_errors import counted

from .grid_options import Launcher, RunOptions
from .options import STORE
from .output import tell

LISTED = 12  # kept models that are listed

if TYPE_CHECKING:
    from ..plan.planning import Plan
    from ..store.store import Store


def tell_about_models(planned: Plan, store: Store, how: RunOptions) -> None:
    """Say which finished cells are trained again to keep their models, and of which methods no model can be kept."""
    if not how.keep_model:
        return
    plain = dict.fromkeys(each.label for each in planned.cells if not each.grouped)
    if plain:
        what = "plain classes, whose parameters are not known" if len(plain) > 1 else "a plain class"
        tell(f"no model is kept of {', '.join(plain)}: {what}; a class derived from Learner is kept")
    done = sum(store.lacks_model(each) for each in planned.cells)
    if not done:
        return
    cells = f"{counted(done, 'finished cell')} without a kept model"
    if how.launcher == Launcher.slurm:
        tell(f"{cells}: not submitted again; --launcher inline or local trains them again to keep their models")
    else:
        are, their = ("is", "its model; its result stays") if done == 1 else ("are", "their models; their results stay")
        tell(f"{cells} {are} trained again to keep {their}")


def tell_kept_models(planned: Plan, store: Store, how: RunOptions) -> None:
    """List the cells whose models are kept, with the command that uses them."""
    if not how.keep_model:
        return
    from ..plan.planned import cell_name

    results = ((each, store.folder(each.cell).result()) for each in planned.cells)
    kept = [each for each, result in results if result is not None and result.model is not None]
    if kept:
        place = "" if how.root == STORE else f" --root {shlex.quote(str(how.root))}"
        tell(f"kept models, for 'pmll-bench predict CELL IMAGES{place}':")
    for each in kept[:LISTED]:
        tell(f"  {each.cell.id}  {cell_name(each)}")
    if len(kept) > LISTED:
        tell(f"  and {len(kept) - LISTED:,} more; --dry-run lists all cells")
