"""Expands a request into cells and groups, given the facts about its data sets and methods. It reads no files."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from pmll_datasets.view_rules import rules

from ..errors import ConfigError, nearest, raise_all
from .cell import Cell, check_name, digest
from .planned import DataFacts, Group, MaskFacts, MethodFacts, Planned, Where, lockstep
from .request import Declared, Request, declared

if TYPE_CHECKING:
    from pmll_methods.recipe import Recipe


MUCH_LONGER = 1.5  # a group of several methods that takes as many shares of a process is split


def expand(
    request: Request,
    data: Sequence[DataFacts],
    methods: Mapping[str, Sequence[MethodFacts]],
    mask: MaskFacts | None = None,
) -> tuple[Planned, ...]:
    """The cells of a request, in the order of its axes: data set, method, label noise, seeds, ratio.

    A deterministic method is planned once per mask with training seed 0. `methods` maps each data set to its rows;
    `mask` is required if the mask of the request is not a plain rule name. Methods that do not support the regime are
    left out (see `skipped`). Raises one `ConfigError` with all problems.
    """
    problems = [*axis_problems(request), *_name_problems(request, data, methods)]
    raise_all(problems)
    mask = mask or MaskFacts(request.mask)
    planned = [
        each
        for of_data in data
        for of_method in methods[of_data.name]
        if request.regime in of_method.regimes
        for each in _row(request, of_data, of_method, mask)
    ]
    raise_all(list(_repeated(planned)))
    return tuple(planned[: request.limit])


def skipped(request: Request, methods: Mapping[str, Sequence[MethodFacts]]) -> tuple[str, ...]:
    """The methods that are left out because they do not support the regime."""
    return tuple(
        dict.fromkeys(facts.name for rows in methods.values() for facts in rows if request.regime not in facts.regimes)
    )


def groups(planned: Iterable[Planned]) -> tuple[Group, ...]:
    """The groups of cells that can train in lockstep; cheap groups first, methods in turn.

    Methods that fail thus fail early, and the first numbers of all methods are soon available. The order does not
    affect results.
    """
    members: dict[tuple[object, ...], list[Planned]] = defaultdict(list)
    known: dict[tuple[int, ...], tuple[object, ...]] = {}
    for item in planned:
        members[lockstep(item, known) if item.grouped else (item.cell.id,)].append(item)
    return _in_turn([Group(tuple(cells)) for cells in members.values()])


def _in_turn(found: Iterable[Group]) -> tuple[Group, ...]:
    of_methods: dict[frozenset[str], list[Group]] = defaultdict(list)
    for group in found:
        of_methods[frozenset(each.cell.method for each in group.cells)].append(group)
    turns = [enumerate(sorted(alike, key=_cost)) for alike in of_methods.values()]
    ordered = sorted(itertools.chain(*turns), key=lambda turn: (turn[0], _cost(turn[1])))
    return tuple(group for _, group in ordered)


def by_method(found: Iterable[Group]) -> tuple[Group, ...]:
    """The groups, each of one method: for jobs, whose settings and checks are those of a method."""
    return _in_turn(Group(cells) for group in found for cells in group.rows)


def spread(found: Iterable[Group], processes: int) -> tuple[Group, ...]:
    """The groups for several processes, which should all have work until the end.

    Methods with cached features share one pass over the images, so their groups are split into short ones. Another
    group of several methods shares work in each epoch. It is split in two while there are fewer groups than processes,
    or while it is much longer than the share of one process in all the work.
    """
    if processes == 1:
        return _in_turn(found)
    split = [piece for group in found for piece in (_pieces(group, processes) if _is_cached(group) else [group])]
    while spanning := [group for group in split if len(group.rows) > 1 and not _is_cached(group)]:
        longest = max(spanning, key=_cost)
        share = sum(map(_cost, split)) / processes
        if _cost(longest) <= MUCH_LONGER * share and len(split) >= processes:
            break
        rows = longest.rows
        split.remove(longest)
        split += [_joined(rows[: len(rows) // 2]), _joined(rows[len(rows) // 2 :])]
    return _in_turn(split)


def _is_cached(group: Group) -> bool:
    return group.cells[0].recipe.cache


def _pieces(group: Group, processes: int) -> Iterator[Group]:
    """Half of what a process would get of the methods that are left, again and again.

    What a method costs is known only roughly. The last pieces have one method, so that no process waits long.
    """
    rows = list(group.rows)
    while rows:
        count = math.ceil(len(rows) / (2 * processes))
        yield _joined(rows[:count])
        del rows[:count]


def _joined(rows: Iterable[tuple[Planned, ...]]) -> Group:
    return Group(tuple(itertools.chain(*rows)))


def longest_first(found: Iterable[Group]) -> list[Group]:
    """The order of groups for several processes: of rows with several groups one each, so that failures show early,
    then the longest.

    No process is thus left with a long group while the others have nothing to do. `found` is in the order of `groups`.
    """
    every = [(group, {(planned.cell.dataset, planned.label) for planned in group.cells}) for group in found]
    times = Counter(row for _, rows in every for row in rows)
    seen: set[tuple[str, str]] = set()
    first: list[Group] = []
    others: list[Group] = []
    for group, rows in every:
        (first if any(times[row] > 1 for row in rows - seen) else others).append(group)
        seen |= rows
    return [*first, *sorted(others, key=_cost, reverse=True)]


def _cost(group: Group) -> float:
    return group.cost


def _seeds(request: Request, method: MethodFacts, mask: MaskFacts, noise: float) -> list[tuple[int, int]]:
    """Pairs of mask seed and training seed; a seed that has no effect is 0."""
    pairs = _drawn_seeds(request, mask, noise)
    return list(dict.fromkeys((of_mask, 0) for of_mask, _ in pairs)) if method.deterministic else pairs


def _drawn_seeds(request: Request, mask: MaskFacts, noise: float) -> list[tuple[int, int]]:
    if request.mask_seeds is None and not noise and (request.regime == "full" or not mask.seeded):
        return [(0, seed) for seed in request.seeds]
    if request.mask_seeds is None:
        return [(seed, seed) for seed in request.seeds]
    return list(itertools.product(request.mask_seeds, request.seeds))


def _row(request: Request, data: DataFacts, method: MethodFacts, mask: MaskFacts) -> Iterator[Planned]:
    """The cells of one method on one data set; what they have in common is computed and held in memory once."""
    first, name = _planned(request, data, method, mask), "none" if request.regime == "full" else mask.name
    for noise in request.noise:
        for mask_seed, seed in _seeds(request, method, mask, noise):
            for ratio in request.ratios_of_regime:
                cell = first.cell.at(ratio=ratio, mask=name, mask_seed=mask_seed, seed=seed, noise=noise)
                yield replace(first, cell=cell)


def _planned(request: Request, data: DataFacts, method: MethodFacts, mask: MaskFacts) -> Planned:
    """A planned cell of one method on one data set; ratio, mask, seeds and noise are to be set."""
    cell = Cell(
        dataset=data.name,
        options=data.options,
        fingerprint=data.fingerprint,
        regime=request.regime,
        ratio=1.0,
        method=method.name,
        revision=revision_of(method.revision, method.file_digest),
        settings=method.changed,
        recipe=recipe_digest(method.recipe, method.tower_digest),
    )
    seen = data.train * method.recipe.epochs * method.recipe.resolution**2
    return Planned(
        cell=cell,
        settings=method.settings,
        recipe=method.recipe,
        label=method.label,
        track=request.track_on(data.name),
        where=Where(data.root, method.target, mask.file),
        stated=method.stated,
        grouped=method.grouped,
        cost=float(seen) if method.uses_labels else 0.0,
        trains=method.trains,
    )


def revision_of(number: int, source: str) -> int | str:
    """The revision of a method in identities; `source` is the digest of a user's own file."""
    return f"{number}+{source}" if source else number


def recipe_digest(recipe: Recipe, towers: str) -> str:
    """The part of an identity that covers the full recipe and the digests of towers and word vectors."""
    return digest({"recipe": _identified(recipe), "towers": towers})


def _identified(recipe: Recipe) -> dict[str, Any]:
    """The recipe in identities.

    Fields of `Recipe.LATER` and `view_rules` appear only if they have an effect. `view_rules` are the versions of the
    views whose pixels have changed while their names stayed the same.
    """
    changed = rules([*recipe.views, recipe.test_view])
    later = {each.name: each.default for each in fields(recipe) if each.name in recipe.LATER}
    stated = {name: value for name, value in asdict(recipe).items() if name not in later or value != later[name]}
    return stated | ({"view_rules": changed} if changed else {})


def axis_problems(request: Request) -> Iterator[ConfigError]:
    """The problems with the values of a request's axes and limits."""
    for field in (field for field in declared() if field.type in (int, float)):
        value = getattr(request, field.name)
        if value == ():
            yield ConfigError("the grid is empty", where=field.key, hint="give at least one value")
        values = [] if value is None else list(value) if field.many else [value]
        valid, problems = _valid(field, values)
        yield from problems
        for each, count in Counter(valid).items():
            if count > 1:
                yield ConfigError(f"{field.noun} {each} is given {count} times", where=field.key)
    if request.regime == "full" and request.mask_seeds is not None and not all(request.noise):
        yield ConfigError("the regime 'full' hides no label, so it has no mask seeds", where="mask_seeds")


def _valid(field: Declared, values: Iterable[Any]) -> tuple[list[float], list[ConfigError]]:
    """The valid values of an axis or a limit, and the problems with the others."""
    valid: list[float] = []
    problems = []
    for value in values:
        try:
            valid.append(field.checked(value))
        except ConfigError as error:
            problems.append(ConfigError(error.what, where=field.key, hint=error.hint))
    return valid, problems


def _name_problems(
    request: Request, data: Sequence[DataFacts], methods: Mapping[str, Sequence[MethodFacts]]
) -> Iterator[ConfigError]:
    rows = [facts for of_data in data for facts in methods[of_data.name]]
    if not rows:
        yield ConfigError("the grid is empty", hint="give at least one method and one data set")
    elif not any(request.regime in facts.regimes for facts in rows):
        known = sorted({regime for facts in rows for regime in facts.regimes})
        yield ConfigError(
            f"no method of the grid supports the regime {request.regime!r}", hint=nearest(request.regime, known)
        )
    names = {name: None for facts in rows for name in (facts.name, facts.label)}
    for name in request.overrides.per_method:
        if name not in names:
            yield ConfigError(f"{name!r} is not a method of the grid", where="--set", hint=nearest(name, names))
    named = [of_data.name for of_data in data] + [facts.name for facts in rows]
    for name in dict.fromkeys(named):
        try:
            check_name(name)
        except ConfigError as error:
            yield error
    for name, count in Counter(of_data.name for of_data in data).items():
        if count > 1:
            yield ConfigError(f"data set {name!r} is given {count} times", where="datasets")


def _repeated(planned: Sequence[Planned]) -> Iterator[ConfigError]:
    """Rows with the same cells, each pair once."""
    first: dict[str, str] = {}
    pairs: dict[tuple[str, str, str], None] = {}
    for item in planned:
        if item.cell.id in first:
            pairs[item.cell.dataset, first[item.cell.id], item.label] = None
        first.setdefault(item.cell.id, item.label)
    for dataset, one, other in pairs:
        yield ConfigError(
            f"{one!r} and {other!r} are the same cells on {dataset}: their settings are equal", where="methods"
        )
