"""The second pass: the documents of a package, each by its strict model and all of them together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from pmll_errors import counted

from ...errors import ConfigError
from ...store.document import Record
from ...store.records import CellRecord
from ...store.result import Result
from ..package import ENVIRONMENT, SUBMISSION, Submission, member
from ..places import without_places
from ..problems import Problem
from .container import Archive, digest_of, shown
from .identity import identity_problems
from .text import Refused, hides_a_link, is_link, line_problems, parse_json, string_problems

RecordT = TypeVar("RecordT", bound=Record)
FILES = ("cell.json", "result.json", "scores.npz")
MOST = 20  # problems of one member that are listed
_TARGET = re.compile(r"[^/\\.][^/\\]*")  # the name of a method or of its file, without a folder
_CELL = re.compile(r"cells/([0-9a-f]{16})/")


class CellDocuments(NamedTuple):
    """The two documents of a cell."""

    record: CellRecord
    result: Result


def text_problems(archive: Archive) -> Iterator[Problem]:
    """All that is wrong with the texts of a package, and between them."""
    submission, problems = _read(archive, SUBMISSION, Submission)
    yield from problems
    if submission is not None:
        yield from _submission_problems(archive, submission)
    for name in archive.members:
        if name == ENVIRONMENT or name.startswith("methods/"):
            yield from capped(line_problems(archive.read(name), name), name)
    listed = {} if submission is None else submission.cells
    for cell in sorted(cell_ids(archive) | set(listed)):
        yield from _cell_problems(archive, cell, submission)


def cell_ids(archive: Archive) -> set[str]:
    """The ids of the cells that have a file in a package."""
    return {found[1] for name in archive.members if (found := _CELL.match(name))}


def submission_in(archive: Archive) -> Submission:
    """The submission of a package that has passed this pass."""
    return Submission.model_validate_json(archive.read(SUBMISSION))


def documents_in(archive: Archive, cell: str) -> CellDocuments:
    """The documents of a cell of a package that has passed this pass."""
    record = CellRecord.model_validate_json(archive.read(member(cell, "cell.json")))
    return CellDocuments(record, Result.model_validate_json(archive.read(member(cell, "result.json"))))


def capped(problems: Iterator[Problem], name: str) -> Iterator[Problem]:
    """The first problems of a member, and how many more there are."""
    yield from islice(problems, MOST)
    if more := sum(1 for _ in problems):
        yield Problem(name, f"and {counted(more, 'more problem')}")


def _read(archive: Archive, name: str, model: type[RecordT]) -> tuple[RecordT | None, list[Problem]]:
    """A document and what is wrong with it; None if its model refuses it."""
    if name not in archive.members:
        return None, [Problem(name, "is missing")]
    data = archive.read(name)
    try:
        problems = list(capped(string_problems(parse_json(data), name), name))
        return model.model_validate_json(data, strict=True), problems
    except Refused as error:
        return None, [Problem(name, str(error))]
    except ConfigError as error:
        return None, [*problems, Problem(name, shown(str(error)))]
    except ValidationError as error:
        return None, [*problems, *capped(_of_model(error, name), name)]


def _of_model(error: ValidationError, name: str) -> Iterator[Problem]:
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        place = ".".join(map(str, each["loc"]))
        yield Problem(name, f"{shown(place)}: {shown(each['msg'])}" if place else shown(each["msg"]))


def _submission_problems(archive: Archive, submission: Submission) -> Iterator[Problem]:
    for field in ("paper", "contact"):
        if hides_a_link(getattr(submission, field)):
            yield Problem(SUBMISSION, f"{field} is a link that does not start with https:// or http://")
    if submission.code and not is_link(submission.code):
        yield Problem(SUBMISSION, "code is not a link that starts with https:// or http://")
    given = {name.removeprefix("methods/").removesuffix(".py"): name for name in archive.members if "methods/" in name}
    for method in sorted(given.keys() | submission.methods):
        if method not in given or method not in submission.methods:
            where = "the package" if method not in given else SUBMISSION
            yield Problem(f"methods/{shown(method)}.py", f"is missing in {where}")
        elif (digest := digest_of(archive, given[method])) != submission.methods[method]:
            what = f"has the digest {digest}, {SUBMISSION} says {submission.methods[method]}"
            yield Problem(given[method], what)


def _cell_problems(archive: Archive, cell: str, submission: Submission | None) -> Iterator[Problem]:
    for name in FILES:
        if member(cell, name) not in archive.members:
            yield Problem(member(cell, name), "is missing")
    if submission is not None and cell not in submission.cells:
        yield Problem(SUBMISSION, f"does not list the cell {cell}")
    record = result = None
    if member(cell, "cell.json") in archive.members:
        record, problems = _read(archive, member(cell, "cell.json"), CellRecord)
        yield from problems
    if member(cell, "result.json") in archive.members:
        result, problems = _read(archive, member(cell, "result.json"), Result)
        yield from problems
    if record is not None and result is not None:
        yield from _disagreements(cell, record, result)
    if result is not None:
        yield from identity_problems(archive, cell, result)
        yield from _scores_problems(archive, cell, result, submission)


def _disagreements(cell: str, record: CellRecord, result: Result) -> Iterator[Problem]:
    """What the two documents of a cell say differently, and places that others must not open."""
    name = member(cell, "cell.json")
    if record.cell_id != cell or record.cell.id != cell:
        yield Problem(name, f"is about the cell {shown(record.cell.id)}")
    for field in ("cell", "settings", "recipe", "label", "track", "stated"):
        if getattr(record, field) != getattr(result, field):
            yield Problem(name, f"{field} differs from that in result.json")
    if without_places(record, result) != (record, result) or not _TARGET.fullmatch(record.where.target):
        yield Problem(name, "names places of files on a machine; 'submit pack' leaves them out")


def _scores_problems(archive: Archive, cell: str, result: Result, submission: Submission | None) -> Iterator[Problem]:
    name = member(cell, "scores.npz")
    if name in archive.members and (digest := digest_of(archive, name)) != result.scores.sha256:
        yield Problem(name, f"has the digest {digest}, result.json says {result.scores.sha256}")
    if result.scores.file != f"attempts/{result.attempt:04d}/scores.npz":
        yield Problem(member(cell, "result.json"), "scores.file is not that of its attempt")
    listed = None if submission is None else submission.cells.get(cell)
    if listed is None:
        return
    claimed = (listed.label, listed.method, listed.dataset, listed.scores)
    own = (result.label, result.method, result.dataset, result.scores.sha256)
    for field, said, known in zip(("label", "method", "dataset", "scores"), claimed, own, strict=True):
        if said != known:
            what = f"{field} of the cell {cell} is {shown(said)}, in result.json {shown(known)}"
            yield Problem(SUBMISSION, what)
