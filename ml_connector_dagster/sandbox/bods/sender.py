"""Publishes records of the sandbox's ERP as documents, each with the next variation of its record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as Xml

from ml_connector_dagster.sandbox.bods import rendering
from ml_connector_dagster.sandbox.bods.rendering import Row
from ml_connector_dagster.sandbox.erp.erp import Erp


Fill = Callable[[Xml.Element, Row, Sequence[Row], str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noun:
    """``key``: columns that name a record, those of its ``lines`` too."""

    entity: str
    key: tuple[str, ...]
    fill: Fill
    lines: str = ""

    def names(self, row: Row, key: str) -> bool:
        """Whether ``key`` is the row's: its parts with slashes between them."""
        return "/".join(str(row[name]) for name in self.key) == key


_INVOICE = ("division", "supplier_id", "invoice_number", "invoice_year")

NOUNS: dict[str, _Noun] = {
    "SupplierPartyMaster": _Noun(entity="suppliers", key=("supplier_id",), fill=rendering.supplier),
    "CustomerPartyMaster": _Noun(entity="customers", key=("customer_id",), fill=rendering.customer),
    "ItemMaster": _Noun(entity="items", key=("item_id",), fill=rendering.item),
    "PurchaseOrder": _Noun(
        entity="purchase_orders",
        key=("purchase_order_id",),
        fill=rendering.purchase_order,
        lines="purchase_order_lines",
    ),
    "SupplierInvoice": _Noun(
        entity="supplier_invoices",
        key=_INVOICE,
        fill=rendering.supplier_invoice,
        lines="supplier_invoice_lines",
    ),
    "PayableTransaction": _Noun(entity="supplier_invoices", key=_INVOICE, fill=rendering.payable),
    "ChartOfAccounts": _Noun(
        entity="gl_accounts", key=("division", "account_id"), fill=rendering.account
    ),
    "CodeDefinition": _Noun(
        entity="gl_dimensions",
        key=("division", "dimension", "dimension_value"),
        fill=rendering.dimension,
    ),
}


@dataclass(slots=True, kw_only=True)
class BodSender:
    """One tenant's outgoing documents. The accounting entity is the company and the record's division, or ``division``."""

    erp: Erp
    tenant: str = "ACME_TST"
    division: str = "AAA"
    variations: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def document(
        self,
        noun: str,
        company: str,
        key: str,
        *,
        verb: str = "Sync",
        action: str = "Replace",
        leave_out: Sequence[str] = (),
        last: Row | None = None,
    ) -> bytes:
        """The record as it is now (``key``: its parts with slashes between them), or ``last`` when it is gone. ``leave_out``: elements of the noun, by path."""
        kind = NOUNS[noun]
        row = last or self.row(noun, company, key)
        lines = [] if not kind.lines else self._lines(kind, company, key)
        division = str(row.get("division", self.division))
        number = self.variations.get((noun, company, key), 0) + 1
        self.variations[noun, company, key] = number
        root, body = rendering.envelope(
            verb,
            noun,
            action=action,
            tenant=self.tenant,
            accounting_entity="_".join(part for part in (company, division) if part),
            message_id=f"infor-nid:infor:{company}:{division}:{key}:{number}?{noun}&verb={verb}",
            created_at=datetime.now(UTC),
        )
        kind.fill(body, row, lines, str(number))
        for path in leave_out:
            above, _, name = path.rpartition("/")
            parent = body.find(above) if above else body
            element = None if parent is None else parent.find(name)
            if parent is None or element is None:
                raise KeyError(f"{noun} has no element {path}")
            parent.remove(element)
        content: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
        return content

    def row(self, noun: str, company: str, key: str) -> Row:
        """The record as the ERP has it. Raises KeyError when it has none."""
        kind = NOUNS[noun]
        for row in self.erp.truth(kind.entity, company):
            if kind.names(row, key):
                return row
        raise KeyError(f"{kind.entity} of company {company} has no {key}")

    def _lines(self, kind: _Noun, company: str, key: str) -> list[Row]:
        return [row for row in self.erp.truth(kind.lines, company) if kind.names(row, key)]

    def publish(self, folder: Path, name: str, content: bytes) -> Path:
        """Put a document into a folder as ION does: under its name only when it is whole."""
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f".{name}.part"
        aside.write_bytes(content)
        return aside.rename(folder / name)
