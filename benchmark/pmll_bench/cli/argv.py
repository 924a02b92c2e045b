"""List options in all common forms: `--seeds 0 1`, `--seeds 0,1`, `--seeds 0 --seeds 1`; options without a value."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from ..plan.request import declared

LISTS = frozenset(field.flag for field in declared() if field.many and field.option and field.option.listed) | {
    "--gpus",
    "--log",
    "--author",
    "--with-code",
}
WHOLE = ("--author", "--with-code")  # lists whose values may contain commas
USUAL = {"--watch": "10"}  # options whose value may be left out


def spread_lists(argv: Sequence[str]) -> list[str]:
    """Repeat a list option before each of its values, as the parser expects.

    A list ends at the next option; commas also separate values, except in `WHOLE`. All other arguments are unchanged.

    >>> spread_lists(["--datasets", "coco", "voc", "--seeds=0,1", "--set", "prompt=a cat, a dog"])
    ['--datasets', 'coco', '--datasets', 'voc', '--seeds', '0', '--seeds', '1', '--set', 'prompt=a cat, a dog']
    """
    spread: list[str] = []
    empty: list[str] = []  # options without a value go last: the parser then reports the missing value
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
            each = [values] if current in WHOLE else values.split(",")
            spread += [part for value in each if value for part in (current, value)]
    return [*spread, *empty]


def fill_in(argv: Sequence[str]) -> list[str]:
    """Give options their usual value where the command line gives them none.

    >>> fill_in(["--watch", "--check"]), fill_in(["--watch", "60"])
    (['--watch', '10', '--check'], ['--watch', '60'])
    """
    filled: list[str] = []
    for argument, following in itertools.zip_longest(argv, argv[1:], fillvalue="-"):
        usual = USUAL.get(argument)
        filled += [argument] if usual is None or not following.startswith("-") else [argument, usual]
    return filled


def open_list(argv: Sequence[str]) -> str | None:
    """The list option that further values would belong to; None after any other option.

    >>> open_list(["--datasets", "voc", "--seeds", "0"]), open_list(["--seeds", "0", "--json"])
    ('--seeds', None)
    """
    options = [argument.partition("=")[0] for argument in argv if argument.startswith("-")]
    return options[-1] if options and options[-1] in LISTS else None
