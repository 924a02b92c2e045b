"""JSON Schemas of the files that pmll-bench writes and reads, exported from their pydantic models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from pmll_bench.plan.grid_files import GridFile
from pmll_bench.plan.request import declared
from pmll_bench.store.merges import Merge, Withdrawal
from pmll_bench.store.records import AttemptRecord, CellRecord, EndRecord, QueueRecord, StoreRecord, SubmissionRecord
from pmll_bench.store.result import Result, TriedRates
from pmll_bench.submission.evidence import CheckEvidence, RerunEvidence
from pmll_bench.submission.package import Submission

from .markdown import code, page, plain, table

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILES: Mapping[str, tuple[str, type[BaseModel]]] = {
    "result": ("result.json", Result),
    "cell": ("cell.json", CellRecord),
    "attempt": ("attempts/0001/attempt.json", AttemptRecord),
    "end": ("attempts/0001/end.json", EndRecord),
    "tries": ("tries.json", TriedRates),
    "queue": ("queue.json", QueueRecord),
    "store": ("store.json", StoreRecord),
    "submission": ("slurm/JOB.json", SubmissionRecord),
    "package": ("submission.json", Submission),
    "check-evidence": ("evidence/PACKAGE/check.json", CheckEvidence),
    "rerun": ("evidence/PACKAGE/rerun.json", RerunEvidence),
    "merge": ("merges.jsonl, a merge", Merge),
    "withdrawal": ("merges.jsonl, a withdrawal", Withdrawal),
    "grid": ("a grid file", GridFile),
}
"""The documents by the name of their schema: the file, and the model that writes or reads it."""


def files() -> Mapping[str, str]:
    """A JSON Schema for each document, and the page part that lists their fields."""
    found = {f"schemas/{name}.json": json.dumps(schema(name), indent=1, ensure_ascii=False) + "\n" for name in FILES}
    return found | {"schemas/_list.md": page(*listed()), "schemas/_grid.md": page(keys())}


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of one document, as it is written."""
    file, model = FILES[name]
    found = model.model_json_schema(by_alias=True, mode="validation" if name == "grid" else "serialization")
    return {"$schema": DIALECT, **found, "title": f"pmll-bench: {file}"}


def listed() -> Iterator[str]:
    """The documents with links to their schemas, and the fields of each."""
    rows = (
        (code(file), code(_version(name)), f"[{name}.json](schemas/{name}.json)") for name, (file, _) in FILES.items()
    )
    yield table(("file", "schema", "JSON Schema"), rows)
    for name, (file, _) in FILES.items():
        if name != "grid":
            yield f"## {file}"
            yield plain(schema(name).get("description", "").partition("\n\n")[0])
            yield fields(schema(name))


def keys() -> str:
    """The table of the keys of a grid file that are also options of `run`."""
    rows = ((code(each.key), code(each.option.metavar), plain(each.option.help)) for each in declared() if each.option)
    return table(("key", "value", "meaning"), rows)


def fields(found: Mapping[str, Any]) -> str:
    """The table of the fields of a document."""
    rows = ((code(name), plain(kind(each)), _given(name, found)) for name, each in found["properties"].items())
    return table(("field", "type", "in every file"), rows)


def _given(name: str, found: Mapping[str, Any]) -> str:
    return "yes" if name in ("schema", "created", *found.get("required", ())) else ""


def kind(each: Mapping[str, Any]) -> str:
    """The type of a field in words."""
    if "$ref" in each:
        return str(each["$ref"]).rpartition("/")[2]
    if "const" in each:
        return json.dumps(each["const"])
    if "enum" in each:
        return ", ".join(map(json.dumps, each["enum"]))
    if "anyOf" in each:
        return " or ".join(dict.fromkeys(map(kind, each["anyOf"])))
    if each.get("type") == "array":
        return f"list of {kind(each['items'])}" if "items" in each else "list"
    if each.get("type") == "object" and isinstance(each.get("additionalProperties"), dict):
        return f"object of {kind(each['additionalProperties'])}"
    return str(each.get("type", "any"))


def _version(name: str) -> str:
    found = schema(name)["properties"]["schema"]
    return str(found.get("const") or found.get("default"))
