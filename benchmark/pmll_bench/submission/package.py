"""A package of results: a zip with `submission.json`, the cells as the store has them, and the code of the method.

    submission.json                 `Submission`
    environment.txt                 one line per distinct environment of the results
    cells/<cell id>/cell.json       the request, without the locations of its data, method and weights
    cells/<cell id>/result.json     as in the store, with the names of weights files in place of their paths
    cells/<cell id>/scores.npz      as in the store
    methods/<name>.py               the method's file, if it is given

Equal content gives equal bytes, so that the digest of the zip identifies a package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ..store.document import CellId, Digest, Part, Record, Text
from ..store.environment import Environment
from ..store.records import CellRecord
from ..store.result import Result

SUBMISSION = "submission.json"
ENVIRONMENT = "environment.txt"
MEMBER = re.compile(
    r"submission\.json|environment\.txt|cells/[0-9a-f]{16}/(cell\.json|result\.json|scores\.npz)"
    r"|methods/[a-z0-9][a-z0-9._-]{0,63}\.py"
)
"""The names that a member of a package can have."""

MEMBERS = 6_000  # members of a package: about 2,000 cells
TEXT_BYTES = 1_000_000  # of one JSON or text file, and of the code of a method
SCORES_BYTES = 64_000_000  # of the scores of one cell: NUS-WIDE has 48 MB
PACKAGE_BYTES = 2_000_000_000  # of all members together: a larger zip has headers of another kind
"""The limits of a package, which `submit pack` keeps and `submit check` holds a package to; sizes as read."""


class SubmittedCell(Part):
    """A cell of a package: what it is, in words, and the digest of its scores."""

    label: Text
    method: Text
    dataset: Text
    scores: Digest


class Submission(Record):
    """`submission.json`: who submits which results. `created` is that of the newest result.

    `methods` are the files of methods by the name of the method, with their digests. `extra_data` says what else the
    method was trained on; empty if it saw nothing but the training images of the data set and its towers' pretraining.
    """

    schema_: Literal["pmll.package/1"] = Field(default="pmll.package/1", alias="schema")
    authors: Annotated[tuple[Text, ...], Field(min_length=1, max_length=100)]
    contact: Text = ""
    paper: Text = ""
    code: Text = ""
    extra_data: Text = ""
    notes: Text = ""
    cells: Annotated[Mapping[CellId, SubmittedCell], Field(min_length=1)]
    methods: Mapping[str, Digest] = Field(default_factory=dict)


@dataclass(frozen=True)
class PackagedCell:
    """One cell of a package that has been checked, with the bytes of its files."""

    record: CellRecord
    result: Result
    cell_json: bytes
    result_json: bytes
    scores: bytes


def member(cell_id: str, name: str) -> str:
    """The name of a cell's file in a package."""
    return f"cells/{cell_id}/{name}"


def method_member(name: str) -> str:
    """The name of the file of a method in a package."""
    return f"methods/{name}.py"


def environments(found: Iterable[Environment]) -> list[str]:
    """Distinct environments, one line each, without what is not known.

    >>> environments([{"python": "3.11.7", "threads": 1, "commit": None}] * 2)
    ['python 3.11.7, threads 1']
    """
    lines = (", ".join(f"{name} {value}" for name, value in each.items() if value is not None) for each in found)
    return sorted(set(lines))
