"""One JSON answer → its records as columns of text, and everything around them as plain values.

Every value becomes text: a string as it is, a number exactly as it was written, ``true``/``false``, objects and lists
as compact JSON, ``null`` and a missing field as null. Of a field that is written twice the last one counts.
Half a surrogate pair becomes U+FFFD.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

import numpy as np
import pyarrow as pa

from ml_connector_dagster.columns.cells import without_surrogates
from ml_connector_dagster.columns.json_uniform import PLACEHOLDER, read_uniform
from ml_connector_dagster.model.errors import ContractError


class _Each:
    """Stands in a path for "every element of this list"."""

    def __repr__(self) -> str:
        return "EACH"


EACH: Final = _Each()

#: Where ``json_uniform`` cut the records out.
_LIST: Final = _Each()

Path = tuple[str | int | _Each, ...]

#: Names of the two lists that a list of wrapped records is taken apart into.
_AROUND: Final = "_around"
_UNWRAPPED: Final = "_unwrapped"

#: The end of a list is looked for among so many last bytes.
_TAIL: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of a system.

    Attributes:
        records: one row per record, one text column per field, in the order the fields first appear.
        result: for each record the index that ``EACH`` stood for (0 when the path has no ``EACH``).
        envelope: the answer without the records (their place holds None): flags, errors, next links.
            Numbers in it are text, exactly as written.
        found: whether every list of records was there (M3 leaves it out when it answers an error).
    """

    records: pa.Table
    result: pa.Array
    envelope: Any
    found: bool


def read_answer(body: bytes, path: Path) -> Answer:
    """Take an answer apart. ``path`` leads to the list of records, e.g. ``("results", EACH, "records")``.

    A part of the path that is missing or null means no records (look at ``envelope`` for the error).
    Raises ContractError for a body that is cut short, not JSON, or has another shape along the path.
    """
    return _read_fast(body, path) or read_exactly(body, path)


def read_records(body: bytes, path: Path) -> pa.Table:
    """The records alone; raises ContractError also when the list is missing."""
    answer = read_answer(body, path)
    if not answer.found:
        raise ContractError(
            f"an answer of {len(body):,} bytes holds no list of records at {_spell(path)}; "
            "compare the route in the catalog with what the system really answers"
        )
    return answer.records


def read_members(body: bytes, member: str) -> Answer:
    """An answer that is a list of objects, each of which holds its record under the name ``member``.

    The others, in their order, are the ``envelope``; so is an answer that is no list, which counts as not ``found``.
    Raises ContractError for a body that is cut short, not JSON, or a list of something else.
    """
    unwrapped = _unwrapped(body, member)
    answer = None if unwrapped is None else _read_fast(unwrapped, (_UNWRAPPED,))
    around = [] if answer is None else answer.envelope[_AROUND]
    if answer is None or not all(isinstance(one, dict) for one in around):
        return read_members_exactly(body, member)
    return replace(answer, envelope=around)


def read_members_exactly(body: bytes, member: str) -> Answer:
    """``read_members`` without its short cut: several times slower, and what the short cut must equal."""
    root = _parse(body)
    if not isinstance(root, list):
        nothing = pa.array([], pa.int32())
        return Answer(records=pa.table({}), result=nothing, envelope=_plain(root), found=False)
    if not all(isinstance(one, dict) for one in root):
        raise _other_shape(body, (), "is a list of something else than objects")
    records = [one[member] for one in root if member in one]
    if not all(isinstance(record, dict) for record in records):
        raise _other_shape(body, (member,), "is no object")
    return Answer(
        records=_table(records),
        result=pa.array(np.zeros(len(records), dtype=np.int32)),
        envelope=_plain([one for one in root if member not in one]),
        found=True,
    )


def _unwrapped(body: bytes, member: str) -> bytes | None:
    """The same answer with its records in one list of their own; None where it is written otherwise.

    Inside a JSON text a quote is escaped, so ``{"member":{`` can only be what it looks like. What stands deeper in a record
    is torn apart by this, and then is no JSON any more.
    """
    opening = rb'\{\s*"%s"\s*:\s*\{' % re.escape(member).encode()
    start = re.search(opening, body)
    end = re.search(rb"\}\s*\}\s*\]\s*\Z", body[-_TAIL:])
    if start is None or end is None:
        return None
    around = body[: start.start()].rstrip().removesuffix(b",")
    until = max(len(body) - _TAIL, 0) + end.start()
    inside = re.sub(rb"\}\s*\}\s*,\s*" + opening, b"},{", body[start.end() : until])
    return b'{"%s":%s],"%s":[{%s}]}' % (_AROUND.encode(), around, _UNWRAPPED.encode(), inside)


def _read_fast(body: bytes, path: Path) -> Answer | None:
    """Through ``json_uniform``, when the answer has one list of records that is not empty, and it is of that kind."""
    name = path[-1] if path else None
    uniform = read_uniform(body, name) if isinstance(name, str) else None
    if uniform is None:
        return None
    placeholders = 0

    def constant(token: str) -> object:
        nonlocal placeholders
        placeholders += 1
        return _LIST if token == PLACEHOLDER else _refuse_constant(token)

    try:
        root = {"": _decode(uniform.rest, constant)}
        taken = _take(root, path, body)
    except (ValueError, RecursionError, ContractError):
        return None
    full = [index for index, value in taken if value]
    if placeholders != 1 or len(full) != 1 or all(value is not _LIST for _, value in taken):
        return None
    return Answer(
        records=uniform.records,
        result=pa.array(np.full(uniform.records.num_rows, full[0], dtype=np.int32)),
        envelope=_plain(root[""]),
        found=all(value is not None for _, value in taken),
    )


def read_exactly(body: bytes, path: Path) -> Answer:
    """``read_answer`` without its short cut: several times slower, and what the short cut must equal."""
    root = {"": _parse(body)}
    records: list[dict[str, Any]] = []
    indices: list[int] = []
    taken = _take(root, path, body)
    for index, value in taken:
        if value is None:
            continue
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise _other_shape(body, path, "is not a list of objects")
        records += value
        indices += [index] * len(value)
    return Answer(
        records=_table(records),
        result=pa.array(indices, pa.int32()),
        envelope=_plain(root[""]),
        found=all(value is not None for _, value in taken),
    )


def _take(root: Any, path: Path, body: bytes) -> list[tuple[int, Any]]:
    """Take the lists of records out of ``root``, each with the index of EACH; None where there is none."""
    taken: list[tuple[int, Any]] = []
    for index, holder, key in _places(root, ("", *path), body):
        taken.append((index, None if holder is None else holder[key]))
        if holder is not None:
            holder[key] = None
    return taken


def _places(root: Any, path: Path, body: bytes) -> list[tuple[int, Any, Any]]:
    """Where the lists of records are: (index of EACH, holder, key in it); holder None where the path breaks off."""
    level: list[tuple[int, Any]] = [(0, root)]
    for part in path[:-1]:
        below: list[tuple[int, Any]] = []
        for index, value in level:
            if isinstance(part, _Each):
                if value is not None and not isinstance(value, list):
                    raise _other_shape(
                        body, path[1:], "holds no list where every element is asked for"
                    )
                below += [(0, None)] if value is None else list(enumerate(value))
            else:
                below.append((index, value[part] if _has(value, part, path, body) else None))
        level = below
    last = path[-1]
    if isinstance(last, _Each):
        raise TypeError("a path ends with the name of the list, not with EACH")
    return [
        (index, value if _has(value, last, path, body) else None, last) for index, value in level
    ]


def _has(value: Any, part: str | int, path: Path, body: bytes) -> bool:
    if value is None:
        return False
    if isinstance(part, str):
        if not isinstance(value, dict):
            raise _other_shape(body, path[1:], f"has no object around {part!r}")
        return part in value
    if not isinstance(value, list):
        raise _other_shape(body, path[1:], f"has no list around element {part}")
    return part < len(value)


def _other_shape(body: bytes, path: Path, what: str) -> ContractError:
    return ContractError(
        f"an answer of {len(body):,} bytes is JSON of another shape: {_spell(path)} {what}; "
        "compare the route in the catalog with what the system really answers"
    )


def _spell(path: Path) -> str:
    parts = (
        "[*]" if part is EACH else f"[{part}]" if isinstance(part, int) else f".{part}"
        for part in path
    )
    return "".join(parts).lstrip(".") or "the top level"


class _Number(str):
    """A number's own text, kept apart from strings so that JSON text can be written again."""

    __slots__ = ()


def _decode(body: bytes, constant: Callable[[str], Any]) -> Any:
    return json.loads(
        body.decode("utf-8"), parse_int=_Number, parse_float=_Number, parse_constant=constant
    )


def _parse(body: bytes) -> Any:
    try:
        return _decode(body, _refuse_constant)
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 at byte {error.start:,}"
    except json.JSONDecodeError as error:
        place = len(body) if error.pos >= len(error.doc.rstrip()) else error.pos
        cut = " (it seems cut short)" if place >= len(body) or "Unterminated" in error.msg else ""
        problem = f"is not JSON: {error.msg} at character {error.pos:,}{cut}"
    except RecursionError:
        problem = "is JSON nested too deeply"
    raise ContractError(
        f"an answer of {len(body):,} bytes {problem}; it begins with {_kind(body)}. "
        "Ask again; if it happens again, ask for smaller pages or look at the gateway's own log"
    )


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


def _kind(body: bytes) -> str:
    """What a body looks like from its first bytes, without showing any of them."""
    start = body[:64].lstrip()
    if not body:
        return "nothing"
    if not start:
        return "blanks"
    if start[:1] in (b"{", b"["):
        return "a JSON object" if start[:1] == b"{" else "a JSON list"
    if start[:1] == b"<":
        return "markup (an HTML or XML page)"
    if start[:2] == b"\x1f\x8b":
        return "gzip data that was not unpacked"
    return "plain text" if start.isascii() and b"\0" not in start else "binary data"


def _table(records: Sequence[dict[str, Any]]) -> pa.Table:
    names: dict[str, None] = {}
    for record in records:
        if record.keys() - names.keys():
            names.update(dict.fromkeys(record))
    if not names:
        # Records without any field are records all the same, and only a table made of structs remembers them.
        return pa.Table.from_struct_array(pa.array(records, pa.struct([])))
    columns = [_column([record.get(name) for record in records]) for name in names]
    return pa.Table.from_arrays(columns, names=[without_surrogates(name) for name in names])


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return without_surrogates(value if isinstance(value, str) else _json_text(value))


def _json_text(value: Any) -> str:
    """Compact JSON, numbers as they were written."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(f"{_json_text(key)}:{_json_text(one)}" for key, one in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(_json_text(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """An envelope value for others: numbers as plain text."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, str) else value
