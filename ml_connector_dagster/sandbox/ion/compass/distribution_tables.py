"""Tables of Distribution that only the lake has: FetchWhere knows none of them. All names are invented after the pattern of the others."""

from dataclasses import replace

from ml_connector_dagster.sandbox.ion.distribution.tables import STAMP_DATE
from ml_connector_dagster.sandbox.ion.listings import Listing, listing_of


def _table(name: str, entity: str, names: str) -> Listing:
    listing = listing_of(name, entity, names, company="cono", stamp=STAMP_DATE)
    number = replace(listing.fields["cono"], kind="integer")
    return replace(listing, fields={**listing.fields, "cono": number})


#: All of them.
LAKE_ONLY: tuple[Listing, ...] = (
    _table(
        "apetl",
        "supplier_invoice_lines",
        """
        divno division
        batchno invoice_batch_number
        lineno line_number
        vendno supplier_id
        apinvno invoice_number
        invyr invoice_year
        linetype line_type
        pono purchase_order_id
        polineno purchase_order_line_number
        posuf purchase_order_subline_number
        prod item_id
        receiptno receipt_number
        shipdocno delivery_note
        qtyinv invoiced_quantity
        unit unit
        pricegross gross_price
        pricenet net_price
        netamt net_amount
        grossamt gross_amount
        taxamt vat_amount
        """,
    ),
    _table(
        "glsd",
        "gl_dimensions",
        """
        divno division
        dimno dimension
        dimval dimension_value
        descrip name
        shortdesc short_name
        dimgrp dimension_group
        blockedfl is_blocked
        effectdt valid_from
        expiredt valid_to
        """,
    ),
)
