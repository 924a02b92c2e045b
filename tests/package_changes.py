"""Changes of an honest package for Hypothesis: of its bytes, records, members, arrays and documents."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st

from hostile_packages import cell_of, forged, honest, with_scores, zipped
from pmll_bench.submission.package import SUBMISSION, member

BYTES = st.binary(max_size=40) | st.from_regex(r"[ -~]{0,40}", fullmatch=True).map(str.encode)
NUMBERS = st.sampled_from([0, 1, 2, 8, 20, 22, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF])
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.just("<script>alert(1)</script>")
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner), max_leaves=8)
NAMES = st.one_of(
    st.sampled_from(["../evil.py", "/etc/passwd", "C:\\x", "cells/../x", "METHODS/mine.py", "methods/mine.py/", ""]),
    st.text(max_size=40),
    st.from_regex(r"cells/[0-9a-f]{16}/(cell|result)\.json", fullmatch=True),
)
END, CENTRAL, LOCAL = (b"PK\5\6", 22), (b"PK\1\2", 46), (b"PK\3\4", 30)
HEADERS = st.one_of(
    st.builds(
        "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}".format,
        st.sampled_from(["'<f4'", "'>f4'", "'<f8'", "'|O'", "'<U20'", "[('a', '<f4')]", "'<M8'", "'<U999999999'"]),
        st.sampled_from(["False", "True", "0"]),
        st.sampled_from(["(60, 20)", "(60,)", "(20,)", "()", "(0, 20)", "(-1,)", "(99999999999, 99999999999)", "60"]),
    ),
    st.text(max_size=100),
    st.just("[" * 900),
)


class Package(NamedTuple):
    """A changed package: the kind of the change, and the bytes of the zip, which are too long to be printed."""

    kind: str
    content: bytes

    def __repr__(self) -> str:
        return f"<{self.kind}: {len(self.content)} bytes>"


@st.composite
def changed_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """Content with some bytes replaced, removed, repeated or added."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from([0, 1, 1, 2, 4, 8, 64, 1 << 20]))
        content = content[:start] + draw(BYTES) + content[start + length :]
    return content


@st.composite
def changed_records(draw: st.DrawFn, content: bytes) -> bytes:
    """A zip with other values in the fields of its records."""
    for _ in range(draw(st.integers(1, 3))):
        sign, size = draw(st.sampled_from([END, CENTRAL, LOCAL]))
        places = [at for at in range(len(content)) if content.startswith(sign, at)]
        if not places:
            continue
        at = draw(st.sampled_from(places)) + draw(st.integers(4, size - 1))
        form = draw(st.sampled_from(["<B", "<H", "<L"]))
        largest = (1 << (8 * struct.calcsize(form))) - 1
        value = struct.pack(form, draw(NUMBERS | st.integers(0, largest)) & largest)
        content = content[:at] + value + content[at + len(value) :]
    return content


@st.composite
def changed_value(draw: st.DrawFn, document: Any) -> Any:
    """A JSON document with one value changed, removed or added."""
    if isinstance(document, dict) and document and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(document)))
        action = draw(st.sampled_from(["inside", "inside", "inside", "drop", "rename"]))
        if action == "inside":
            return {**document, key: draw(changed_value(document[key]))}
        rest = {name: value for name, value in document.items() if name != key}
        return rest if action == "drop" else {**rest, draw(st.text(max_size=10)): document[key]}
    if isinstance(document, list) and document and draw(st.booleans()):
        at = draw(st.integers(0, len(document) - 1))
        return [*document[:at], *([draw(changed_value(document[at]))] * draw(st.integers(0, 2))), *document[at + 1 :]]
    if isinstance(document, (int, float)) and not isinstance(document, bool) and draw(st.booleans()):
        return draw(st.sampled_from([document + 1, document / 2, -document, document * (1 + 1e-7), 10**30, 1e308]))
    return draw(VALUES)


@st.composite
def changed_document(draw: st.DrawFn) -> Package:
    """A package with another value in one of its documents."""
    members = honest()
    name = draw(st.sampled_from([each for each in members if each.endswith(".json")]))
    text = json.dumps(draw(changed_value(json.loads(members[name]))), ensure_ascii=draw(st.booleans()))
    special = draw(st.sampled_from(["", "", "", "twice", "deep", "long"]))
    if special == "twice":
        text = text.replace("{", '{"schema": 1, ', 1)
    elif special == "deep":
        text = text[:-1] + ', "deep": ' + "[" * draw(st.integers(15, 100_000)) + "}"
    elif special == "long":
        text = text[:-1] + ', "long": ' + "9" * draw(st.integers(10, 10_000)) + "}"
    return Package("value of a document", zipped({**members, name: text.encode("utf-8", "surrogatepass")}))


@st.composite
def changed_text(draw: st.DrawFn) -> Package:
    """A package with other bytes in one of its texts."""
    members = honest()
    name = draw(st.sampled_from([each for each in members if not each.endswith(".npz")]))
    return Package("bytes of a text", zipped({**members, name: draw(changed_bytes(members[name]))}))


@st.composite
def changed_members(draw: st.DrawFn) -> Package:
    """A package with members under other names, missing or exchanged."""
    members = honest()
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(sorted(members)))
        action = draw(st.sampled_from(["rename", "drop", "exchange", "add"]))
        if action == "add":
            members[draw(NAMES)] = draw(BYTES)
        elif action == "exchange":
            members[name] = members[draw(st.sampled_from(sorted(members)))]
        elif len(members) > 1:
            content = members.pop(name)
            members |= {draw(NAMES): content} if action == "rename" else {}
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name.encode("utf-8", "replace").decode()), content)
    return Package("members", held.getvalue())


@st.composite
def changed_scores(draw: st.DrawFn) -> Package:
    """A package with another scores file and its digest wherever the package has it."""
    members, method = honest(), draw(st.sampled_from(["bce", "mine"]))
    content = members[member(cell_of(members, method), "scores.npz")]
    changes: list[Callable[[bytes], st.SearchStrategy[bytes]]] = [changed_bytes, changed_records, other_header]
    content = draw(draw(st.sampled_from(changes))(content))
    return Package("scores file", zipped(with_scores(content, method)))


@st.composite
def other_header(draw: st.DrawFn, content: bytes) -> bytes:
    """A scores file in which one array has another header, or other data."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    name = draw(st.sampled_from(sorted(parts)))
    if draw(st.booleans()):
        text = draw(HEADERS).encode("utf-8", "replace") + b"\n"
        length = draw(st.sampled_from([len(text), len(text), len(text) + 1, 0, 65_535]))
        parts[name] = (
            b"\x93NUMPY" + draw(st.sampled_from([b"\1\0", b"\2\0", b"\x09\0"])) + struct.pack("<H", length) + text
        )
    else:
        head = 10 + int.from_bytes(parts[name][8:10], "little")
        parts[name] = parts[name][:head] + draw(changed_bytes(parts[name][head:]))
    return zipped(parts, zipfile.ZIP_STORED)


@st.composite
def changed_method(draw: st.DrawFn) -> Package:
    """A package with other code for its method, with its digest in the submission."""
    members = honest()
    code = draw(changed_bytes(members["methods/mine.py"]))
    document = json.loads(members[SUBMISSION])
    document["methods"]["mine"] = hashlib.sha256(code).hexdigest()
    return Package("code", zipped({**members, "methods/mine.py": code, SUBMISSION: json.dumps(document).encode()}))


FORGERIES: dict[str, list[Any]] = {
    "ratio": [0.2, 0.5, 1.0, 0.1001],
    "mask_seed": [1, 3, -1, 2**62],
    "noise": [0.1, 0.5, -0.5],
    "mask": ["dualcoop/1", "hcp", "none", "list/0123456789abcdef", "mask.npz", "/etc/passwd"],
    "regime": ["full", "single-positive", "semi", "other"],
    "fingerprint": ["0" * 64, "", "…"],
    "revision": [2, "1+" + "0" * 64, "1", ""],
    "dataset": ["voc2007", "labels.csv", "x"],
    "options": [{}, {"subset": 61, "draw": 0}, {"subset": True, "draw": 0}, {"subset": 60, "draw": "0"}, {"subset": 0}],
}


@st.composite
def forged_cell(draw: st.DrawFn) -> Package:
    """A package in which everything about a cell agrees, and is not what its scores were made with."""
    field = draw(st.sampled_from(sorted(FORGERIES)))
    value = draw(st.sampled_from(FORGERIES[field]))
    return Package("forged cell", zipped(forged(honest(), draw(st.sampled_from(["bce", "mine"])), **{field: value})))


def packages() -> st.SearchStrategy[Package]:
    """Changed packages, with the kind of their change."""
    packed = st.sampled_from([zipped(honest()), zipped(honest(), zipfile.ZIP_STORED)])
    return st.one_of(
        packed.flatmap(changed_bytes).map(lambda content: Package("bytes of the zip", content)),
        packed.flatmap(changed_records).map(lambda content: Package("records of the zip", content)),
        changed_members(),
        changed_document(),
        changed_text(),
        changed_scores(),
        changed_method(),
        forged_cell(),
    )
