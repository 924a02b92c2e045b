"""Lets list options be written in every form that people type."""

from __future__ import annotations

from collections.abc import Sequence

from ..plan.request import declared

LISTS = frozenset(field.flag for field in declared() if field.many and field.option and field.option.listed)


def spread_lists(argv: Sequence[str]) -> list[str]:
    """Write out the lists among the arguments as one option a value, the form that the parser knows.

    A list goes on to the next option; commas separate, too. All else stays as it is.

    >>> spread_lists(["--datasets", "coco", "voc", "--seeds=0,1", "--set", "prompt=a cat, a dog"])
    ['--datasets', 'coco', '--datasets', 'voc', '--seeds', '0', '--seeds', '1', '--set', 'prompt=a cat, a dog']
    """
    spread: list[str] = []
    empty: list[str] = []  # options without a value go last, where the parser misses it
    current = None
    for place, argument in enumerate(argv):
        if argument == "--":
            spread += argv[place:]
            break
        name, _, values = argument.partition("=")
        if name in LISTS:
            current = name
            following = argv[place + 1 : place + 2]
            if not values and (not following or following[0].startswith("-")):
                empty.append(name)
        elif argument.startswith("-"):
            current = None
        else:
            values = argument
        if current is None:
            spread.append(argument)
        else:
            spread += [part for value in values.split(",") if value for part in (current, value)]
    return [*spread, *empty]
