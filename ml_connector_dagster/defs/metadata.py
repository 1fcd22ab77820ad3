"""What the asset pages show: schemas, lineage, tables, and numbers that can be plotted."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import dagster as dg

from ml_connector_dagster.model.entities import Column, ColumnType, Entity


#: Rows of a preview, and characters of one of its cells.
PREVIEW_ROWS: Final = 10
PREVIEW_CELL: Final = 40

#: Characters of a cell that holds a reason: the words of the system that refused.
REASON_CELL: Final = 400

_TYPES: Final[Mapping[ColumnType, str]] = {ColumnType.DECIMAL: "decimal(27, 6)"}


def column_schema(entity: Entity) -> dg.TableSchema:
    """The columns of ``entity`` as they are staged and delivered."""
    required = {"record_id", "tenant", "company", *entity.key}
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=_TYPES.get(column.type, column.type.value),
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.name not in required,
                    unique=column.name == "record_id",
                    other=_key_note(entity, column),
                ),
            )
            for column in entity.all_columns
        ],
        constraints=dg.TableConstraints(other=[f"key: company, {', '.join(entity.key)}"]),
    )


def same_columns(entity: Entity, upstream: dg.AssetKey) -> dg.TableColumnLineage:
    """Every column comes from the column of the same name in ``upstream``."""
    return dg.TableColumnLineage(
        {
            column.name: [dg.TableColumnDep(asset_key=upstream, column_name=column.name)]
            for column in entity.all_columns
        }
    )


def table(
    headers: Sequence[str], rows: Sequence[Sequence[Any]], *, width: int = PREVIEW_CELL
) -> dg.MarkdownMetadataValue:
    """A small table. Cells are text, cut at ``width``, and with the characters that would break the table replaced."""
    lines = [headers, ["---"] * len(headers), *rows]
    return dg.MetadataValue.md(
        "\n".join("| " + " | ".join(_cell(value, width) for value in line) + " |" for line in lines)
    )


def preview(entity: Entity, rows: Sequence[Mapping[str, Any]]) -> dg.MarkdownMetadataValue:
    """The first rows, with the business columns that say something in at least one of them."""
    names = [
        column.name
        for column in entity.columns
        if any(row.get(column.name) not in (None, "") for row in rows)
    ]
    return plain_table(["company", *names], rows)


def plain_table(
    names: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> dg.MarkdownMetadataValue:
    """Rows as they are. As text: thousands separators would spoil numbers such as years."""
    return table(names, [[_plain(row.get(name)) for name in names] for row in rows])


def moment(value: datetime | None) -> dg.MetadataValue:
    """A point in time that the UI shows in the reader's own zone."""
    if value is None:
        return dg.MetadataValue.text("none yet")
    return dg.MetadataValue.timestamp(value)


def minute(value: datetime) -> str:
    """A point in time inside a table."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _key_note(entity: Entity, column: Column) -> list[str]:
    return ["part of the key"] if column.name in entity.key else []


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return "" if value is None else str(value)


def _cell(value: Any, width: int) -> str:
    if value is None:
        return ""
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    text = " ".join(text.replace("|", "¦").split())
    return text if len(text) <= width else text[: width - 1] + "…"
