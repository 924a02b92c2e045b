"""The pages of the documentation as their readers see them on GitHub: texts, blocks, commands, tables and links."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder, pattern in ((DOCS, "*.md"), (ROOT, "*.md"), (ROOT / "results", "*.md"))
    for path in folder.glob(pattern)
)
"""All pages that are committed, relative to the repository."""


def text_of(page: str) -> str:
    """The text of a page, by its path in the repository, or its name in `docs`."""
    path = ROOT / page if "/" in page or (ROOT / page).exists() else DOCS / page
    return path.read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[str]:
    """The blocks of a page in these languages."""
    found = re.findall(r"^```(\w+)[^\n]*\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE)
    return [content for language, content in found if language in languages]


def commands(page: str) -> Iterator[list[str]]:
    """The commands on a page, in blocks and within sentences, without `pmll-bench`."""
    lines = [line.removeprefix("$ ") for block in blocks(page, "console", "sh") for line in joined(block)]
    lines += re.findall(r"`([^`\n]*)`", text_of(page))
    for line in lines:
        for part in re.split(r"&&|;", line.partition(" #")[0]):
            if part.strip().startswith("pmll-bench "):
                yield shlex.split(part.partition(" > ")[0].partition(" | ")[0])[1:]


def joined(block: str) -> list[str]:
    """The lines of a block, those that end with a backslash together with the next one."""
    return re.sub(r"\\\n\s*", "", block).splitlines()


def links(page: str) -> list[str]:
    """The targets of the links of a page that lead to other files, outside blocks of code."""
    text = re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text)


def table(page: str, *head: str) -> list[list[str]]:
    """The rows of the table of a page whose head begins with these columns."""
    lines = text_of(page).splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(f"| {' | '.join(head)}"))
    end = next((place for place in range(start, len(lines)) if not lines[place]), len(lines))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[start + 2 : end]]


def spans(cell: str) -> list[str]:
    """What a cell of a table marks as code."""
    return re.findall(r"`([^`]*)`", cell)


def check_workflow(text: str, path: Path) -> None:
    """Write a workflow for GitHub Actions to `path`, and check that it is valid and safe, where the tools are."""
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    for tool, *options in (
        ("check-jsonschema", "--builtin-schema", "vendor.github-workflows"),
        ("zizmor", "--offline", "--quiet"),
    ):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} comes with the extra 'dev'")
        answer = subprocess.run([tool, *options, str(path)], capture_output=True, text=True)
        assert answer.returncode == 0, answer.stdout + answer.stderr
