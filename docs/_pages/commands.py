"""The reference of the command line: a page for each command, with its examples and all its options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

import typer

from pmll_bench.cli import app
from pmll_bench.errors import Exit

from .markdown import code, page, plain, table

GENERAL = "Options"


def files() -> Mapping[str, str]:
    """The page of each command (groups have one page), the table that lists them, and that of the exit codes."""
    tree: Any = typer.main.get_command(app)
    found = {f"commands/{name}.md": command(name, each) for name, each in tree.commands.items()}
    rows = ((f"[{name}](commands/{name}.md)", plain(first_sentence(each))) for name, each in tree.commands.items())
    general = page(*_options(tree))
    return found | {
        "commands/_list.md": page(table(("command", "what it does"), rows)),
        "commands/_general.md": general,
        "commands/_exit-codes.md": exit_codes(),
    }


def exit_codes() -> str:
    """The table of exit codes, from the comments of `Exit`."""
    found = re.findall(r"^    ([A-Z_]+) = (\d+)  # (.*)$", inspect.getsource(Exit), re.MULTILINE)
    return page(table(("code", "name", "meaning"), ((value, code(name), plain(text)) for name, value, text in found)))


def first_sentence(each: Any) -> str:
    return str(each.get_short_help_str(limit=1000))


def marked(text: str) -> str:
    """A text of the help as Markdown: options, and commands in quotation marks, are code.

    >>> marked("see 'pmll-bench list methods', or --json")
    'see `pmll-bench list methods`, or `--json`'
    """
    quoted = re.sub(r"'(pmll-bench [^']*|--[^']*)'", r"`\1`", text)
    return plain(re.sub(r"(?<![\w`-])(--[a-z][a-z-]*)(?![^`]*`(?:[^`]*`[^`]*`)*[^`]*$)", r"`\1`", quoted))


def command(name: str, each: Any) -> str:
    """The page of a command, or of a group with all its commands."""
    inside = getattr(each, "commands", None)
    if inside is None:
        return page(f"# pmll-bench {name}", *_parts(name, each))
    parts = [f"# pmll-bench {name}", plain(first_sentence(each))]
    for other, one in inside.items():
        parts += [f"## pmll-bench {name} {other}", *_parts(f"{name} {other}", one)]
    return page(*parts)


def _parts(name: str, each: Any) -> Iterator[str]:
    text, _, examples = inspect.cleandoc(each.help or "").replace("\f", "").partition("\b\nExamples:\n")
    for paragraph in text.strip().split("\n\n"):
        yield marked(paragraph)
    arguments = [_argument(param) for param in each.params if param.param_type_name == "argument"]
    yield f"```text\npmll-bench {' '.join([name, *arguments])} [OPTIONS]\n```"
    yield f"```sh\n{inspect.cleandoc(examples)}\n```" if examples else ""
    yield from _options(each)


def _argument(param: Any) -> str:
    shown = param.metavar or param.name.upper()
    return shown if param.required else f"[{shown}]"


def _options(each: Any) -> Iterator[str]:
    panels: dict[str, list[Any]] = {}
    for param in each.params:
        if not param.hidden and param.name != "help":
            panels.setdefault(getattr(param, "rich_help_panel", None) or GENERAL, []).append(param)
    for panel, params in panels.items():
        yield f"**{panel}**" if len(panels) > 1 else ""
        yield table(("option", "value", "meaning"), map(_option, params))


def _option(param: Any) -> tuple[str, ...]:
    argument = param.param_type_name == "argument"
    names = [_argument(param)] if argument else [*param.opts, *param.secondary_opts]
    value = "" if argument or param.is_flag else param.metavar or ""
    return ", ".join(map(code, names)), code(value), " ".join(_meaning(param))


def _meaning(param: Any) -> Iterator[str]:
    yield marked(param.help or "")
    if param.envvar:
        yield f"Environment: {code(param.envvar)}."
    shown = getattr(param, "show_default", False)
    if shown and param.default not in (None, False, "", ()) and not callable(param.default):
        yield f"Default: {code(getattr(param.default, 'value', param.default))}."
