"""``shape`` said again in plain Python, one record at a time: slow, obvious, and the specification of the fast one.

It shares nothing with the package but the layout it reads and the words of the reasons.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any
from zoneinfo import ZoneInfo

from ml_connector_dagster.columns.layouts import Field, Layout, StampFormat, ValueFormat
from ml_connector_dagster.model.entities import ColumnType


Record = Mapping[str, str | None]

BLANKS = " \t\n\v\f\r"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What ``shape`` should answer."""

    rows: list[dict[str, Any]]
    rejected: list[tuple[str, str, str]]
    rejected_cells: int


class Problem(Exception):
    """A value cannot be read; its words are the reason."""


def expected(
    records: Sequence[Record],
    layout: Layout,
    *,
    tenant: str,
    company: str,
    batch_id: str,
    run_id: str,
    extracted_at: datetime,
) -> Expected:
    rows: list[dict[str, Any]] = []
    rejected: list[tuple[str, str, str]] = []
    rejected_cells = 0
    for record in records:
        business: dict[str, Any] = {column.name: None for column in layout.entity.columns}
        problems: dict[str, str] = {}
        lost = 0
        for field in layout.fields:
            raw = record.get(field.source)
            text, had_nul = cleaned(raw, field.format)
            if had_nul:
                problems[field.column] = "NUL characters replaced"
            try:
                value = None if text is None else typed(text, field, layout)
            except Problem as reason:
                problems[field.column] = f"{reason}: {shown(text)}"
                lost += 1
                value = None
            business[field.column] = value
        for name in layout.entity.blank_key:
            if business[name] is None:
                business[name] = ""
        missing = [
            f"{name} is {problems[name]}" if name in problems else f"{name} is blank"
            for name in layout.entity.key
            if business[name] is None
        ]
        if missing:
            given = {name: value for name, value in record.items() if value is not None}
            raw_text = json.dumps(given, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            digest = hashlib.sha256(raw_text.encode()).hexdigest()
            rejected.append((raw_text, "no key: " + ", ".join(missing), digest))
            continue
        modified = None
        if layout.modified is not None:
            text, _ = cleaned(record.get(layout.modified.source), ValueFormat.TEXT)
            try:
                modified = stamp(text, record, layout, extracted_at)
            except Problem as reason:
                problems["_modified_at"] = f"{reason}: {shown(text)}"
                lost += 1
        rejected_cells += lost
        key = [business[name] for name in layout.entity.key]
        record_id = "/".join(encoded(part) for part in (tenant, company, *key))
        extra = extra_of(record, layout)
        rows.append(
            {
                "record_id": record_id,
                "tenant": tenant,
                "company": company,
                **{column.name: business[column.name] for column in layout.entity.columns},
                "_extra": extra,
                "_problems": json_text(problems),
                "_row_hash": row_hash([record_id, *business.values(), extra, None]),
                "_modified_at": modified,
                "_extracted_at": extracted_at,
                "_deleted_at": None,
                "_batch_id": batch_id,
                "_run_id": run_id,
                "_source_system": layout.source_system,
                **{
                    name: value
                    for name, value in business.items()
                    if name not in {column.name for column in layout.entity.columns}
                },
            }
        )
    return Expected(rows=rows, rejected=rejected, rejected_cells=rejected_cells)


def cleaned(raw: str | None, form: ValueFormat) -> tuple[str | None, bool]:
    """Trimmed text (None when blank), and whether NUL characters were replaced."""
    if raw is None or raw.strip(BLANKS) == "":
        return None, False
    text = raw.rstrip(BLANKS) if form is ValueFormat.TEXT_RIGHT_TRIMMED else raw.strip(BLANKS)
    return text.replace("\0", "\ufffd"), "\0" in text


def typed(text: str, field: Field, layout: Layout) -> Any:
    kinds = {column.name: column.type for column in layout.entity.columns}
    natural = {
        ValueFormat.NUMBER: ColumnType.DECIMAL,
        ValueFormat.INTEGER: ColumnType.INTEGER,
        ValueFormat.DATE: ColumnType.DATE,
        ValueFormat.TIMESTAMP: ColumnType.TIMESTAMP,
        ValueFormat.FLAG: ColumnType.BOOLEAN,
    }
    kind = kinds.get(field.column, natural.get(field.format, ColumnType.STRING))
    if kind is ColumnType.DECIMAL:
        return -number(text) if field.negate else number(text)
    if kind is ColumnType.INTEGER:
        return -integer(text) if field.negate else integer(text)
    if kind is ColumnType.BOOLEAN:
        return flag(text) != field.negate
    if kind is ColumnType.DATE:
        if field.format is ValueFormat.DATE:
            return day(text)
        written = timestamp_parts(text)
        return written if written is None or isinstance(written, date) else written[0].date()
    if kind is ColumnType.TIMESTAMP:
        return instant(text, layout)
    return text


def number(text: str) -> Decimal:
    if not re.fullmatch(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)", text):
        raise Problem("not a number")
    with localcontext() as context:
        context.prec = len(text) + 10
        value = Decimal(text)
        millionths = value * 10**6
        if millionths != millionths.to_integral_value():
            raise Problem("more than 6 decimals")
        if abs(value) >= 10**21:
            raise Problem("more than 21 digits before the point")
        return value.quantize(Decimal("0.000001")) + 0  # there is no minus zero


def integer(text: str) -> int:
    if not re.fullmatch(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)", text):
        raise Problem("not a number")
    whole, _, fraction = text.lstrip("-").partition(".")
    if fraction.strip("0"):
        raise Problem("not a whole number")
    size = 0
    for digit in whole:
        size = size * 10 + int(digit)
    if size >= 2**63:
        raise Problem("does not fit into 64 bits")
    return -size if text.startswith("-") else size


def flag(text: str) -> bool:
    if text.lower() in {"1", "true", "yes", "y"}:
        return True
    if text.lower() in {"0", "false", "no", "n"}:
        return False
    raise Problem("not a flag")


def day(text: str) -> date | None:
    if text in {"0", "00000000", "0000-00-00"}:
        return None
    if text == "99999999":
        return date(9999, 12, 31)
    form = {"99999999": "%Y%m%d", "9999-99-99": "%Y-%m-%d"}.get(re.sub("[0-9]", "9", text))
    if form is None:
        raise Problem("not a date")
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC).date()
    except ValueError:
        raise Problem("not a date") from None


OFFSETS = ("", "Z", "+99", "-99", "+9999", "-9999", "+99:99", "-99:99")
TIMES = {"99:99": "%H:%M", "99:99:99": "%H:%M:%S", "9999": "%H%M", "999999": "%H%M%S"}
SHAPES = {
    day_shape + separator + time_shape + gap + offset: (day_form + separator + time_form, offset)
    for (day_shape, day_form), separator, (time_shape, time_form), gap, offset in itertools.product(
        (("99999999", "%Y%m%d"), ("9999-99-99", "%Y-%m-%d")),
        ("T", " "),
        TIMES.items(),
        ("", " "),
        OFFSETS,
    )
    if offset or not gap
} | {"99999999": ("%Y%m%d", ""), "9999-99-99": ("%Y-%m-%d", "")}


def timestamp_parts(text: str) -> date | tuple[datetime, timedelta | None] | None:
    """The wall-clock time and the offset as written; a plain day for what has no zone at all."""
    if text in {"0", "00000000", "0000-00-00"}:
        return None
    if text == "99999999":
        return date(9999, 12, 31)
    fraction = re.search(r"(?<=[0-9]{2})\.([0-9]{1,9})(?![0-9.])", text)
    whole = text if fraction is None else text[: fraction.start()] + text[fraction.end() :]
    found = SHAPES.get(re.sub("[0-9]", "9", whole))
    if found is None or (fraction is not None and "%S" not in found[0]):
        raise Problem("not a timestamp")
    form, offset_shape = found
    end = len(whole) - len(offset_shape)
    if fraction is not None and fraction.start() != len(whole[:end].rstrip()):
        raise Problem("not a timestamp")
    try:
        wall = datetime.strptime(whole[:end].rstrip(), form)  # noqa: DTZ007  the zone is not known here
    except ValueError:
        raise Problem("not a timestamp") from None
    if fraction is not None:
        wall = wall.replace(microsecond=int(fraction[1].ljust(9, "0")[:6]))
    if not offset_shape:
        return wall, None
    if offset_shape == "Z":
        return wall, timedelta()
    digits = re.sub("[^0-9]", "", whole[end:])
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        raise Problem("not a timestamp")
    offset = timedelta(hours=hours, minutes=minutes)
    return wall, -offset if whole[end] == "-" else offset


def instant(text: str, layout: Layout) -> datetime | None:
    parts = timestamp_parts(text)
    if parts is None:
        return None
    if isinstance(parts, date):
        raise Problem("not a timestamp")
    wall, offset = parts
    if offset is None:
        return meant_instant(wall, ZoneInfo(layout.timezone))
    try:
        return (wall - offset).replace(tzinfo=UTC)
    except OverflowError:
        raise Problem("not a timestamp") from None


def meant_instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the zone's clock shows ``wall``; of a time shown twice or never, when the clocks change."""
    try:
        candidates = sorted(
            (wall - around.replace(tzinfo=zone).utcoffset()).replace(tzinfo=UTC)  # type: ignore[operator]  # a zone always has an offset
            for around in (wall - timedelta(days=1), wall + timedelta(days=1))
        )
        shown = [one for one in candidates if one.astimezone(zone).replace(tzinfo=None) == wall]
    except OverflowError:
        raise Problem("not a timestamp") from None
    if len(set(shown)) == 1:
        return shown[0]
    second, last = (one.replace(microsecond=0) for one in candidates)
    new_offset = (last + timedelta(seconds=1)).astimezone(zone).utcoffset()
    while second.astimezone(zone).utcoffset() != new_offset:
        second += timedelta(seconds=1)
    return second


def stamp(
    text: str | None, record: Record, layout: Layout, extracted_at: datetime
) -> datetime | None:
    assert layout.modified is not None
    if text is None:
        return None
    form = layout.modified.format
    zone = ZoneInfo(layout.timezone)
    if form is StampFormat.TIMESTAMP:
        when = instant(text, layout)
    elif form is StampFormat.EPOCH_MILLISECONDS:
        try:
            milliseconds = integer(text)
            when = (
                datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
                if milliseconds
                else None
            )
        except (Problem, OverflowError):
            raise Problem("not a timestamp") from None
    else:
        found = day(text)
        if found is None:
            return None
        if found.year < 1900:
            raise Problem("before 1970")
        if found.year > 9000:
            raise Problem("after it was read")
        clock = None
        if layout.modified.time_source is not None:
            clock, _ = cleaned(record.get(layout.modified.time_source), ValueFormat.TEXT)
        when = meant_instant(datetime.combine(found, time_of_day(clock)), zone)
    if when is not None and when < datetime(1970, 1, 1, tzinfo=UTC):
        raise Problem("before 1970")
    if when is not None and when > extracted_at + timedelta(days=2):
        raise Problem("after it was read")
    return when


def time_of_day(text: str | None) -> Any:
    midnight = datetime.min.time()
    if text is None or not re.fullmatch("[0-9]{1,6}", text):
        return midnight
    try:
        return datetime.strptime(text.zfill(6), "%H%M%S").replace(tzinfo=UTC).time()
    except ValueError:
        return midnight


def encoded(part: object) -> str:
    return str(part).replace("%", "%25").replace("/", "%2F")


def extra_of(record: Record, layout: Layout) -> str | None:
    taken = {field.source for field in layout.fields} | layout.ignored
    if layout.modified is not None:
        taken |= {layout.modified.source, layout.modified.time_source or ""}
    texts = {
        name: cleaned(value, ValueFormat.TEXT)[0]
        for name, value in record.items()
        if name not in taken
    }
    return json_text({name: text for name, text in texts.items() if text is not None})


def json_text(values: Mapping[str, str]) -> str | None:
    if not values:
        return None
    return json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def row_hash(values: Sequence[Any]) -> str:
    text = "\x1f".join(canonical(value) for value in values)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def canonical(value: Any) -> str:
    match value:
        case None:
            return "\x1e"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            return str(int(value.scaleb(6)))
        case datetime():
            return str((value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
        case date():
            return value.isoformat()
        case _:
            return str(value).replace("\x1e", "\x1e0").replace("\x1f", "\x1e1")


def shown(text: str | None) -> str:
    assert text is not None
    return text if len(text) <= 100 else text[:100] + "…"
