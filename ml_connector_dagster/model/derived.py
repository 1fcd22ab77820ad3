"""Columns that no ERP record has and that follow from other records. Mappings may name them like any other.

They are reckoned when a record goes to an application, from what has been read by then (``sync/open_amounts.py``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ml_connector_dagster.model.entities import Column, ColumnType, Entity, Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A column of ``entity`` that follows from its own ``column`` and the records that point at it.

    Attributes:
        reference: how the other entity points at the record.
        source: the other entity, which a flow has to read as well.
    """

    column: Column
    base: str
    source: str
    reference: Reference


_KEY: Final = ("division", "supplier_id", "invoice_number", "invoice_year")

OPEN_AMOUNT: Final = Derived(
    column=Column(
        name="open_amount",
        type=ColumnType.DECIMAL,
        description="amount less the payments of the invoice in its currency that have been read; 0 when it is settled",
    ),
    base="amount",
    source="payments",
    reference=Reference(entity="supplier_invoices", columns=_KEY, target=_KEY),
)

#: Entity → its derived columns, by name.
DERIVED: Final[Mapping[str, Mapping[str, Derived]]] = MappingProxyType(
    {"supplier_invoices": {OPEN_AMOUNT.column.name: OPEN_AMOUNT}}
)


def mappable_columns(entity: Entity) -> dict[str, Column]:
    """Everything that a mapping of ``entity`` may name, by name."""
    own = {column.name: column for column in entity.all_columns}
    return own | {name: one.column for name, one in DERIVED.get(entity.name, {}).items()}
