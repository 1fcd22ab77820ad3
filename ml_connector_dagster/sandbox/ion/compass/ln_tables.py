"""LN's tables in the lake (reference §4.1: tfacp… payables, tfgld… general ledger); column names are invented after their pattern."""

from dataclasses import replace

from ml_connector_dagster.sandbox.ion.listings import (
    ListedField,
    Listing,
    companies_of,
    listing_of,
)
from ml_connector_dagster.sandbox.ion.ln.services import PROJECT_SEGMENT


_COMPANY = "compnr"


def _table(name: str, entity: str, columns: str, *, item: str = "") -> Listing:
    words = iter(columns.split())
    names = "\n".join(
        f"{column} {canonical}" for column, canonical in zip(words, words, strict=True)
    )
    listing = _numbered(listing_of(name, entity, names, company=_COMPANY))
    if not item:
        return listing
    sql = listing.fields[item].sql
    code = f"CASE {sql} WHEN '' THEN '' ELSE '{PROJECT_SEGMENT}' || trim({sql}) END"
    return replace(listing, fields={**listing.fields, item: ListedField(sql=code, kind="text")})


def _numbered(listing: Listing) -> Listing:
    number = replace(listing.fields[_COMPANY], kind="integer")
    return replace(listing, fields={**listing.fields, _COMPANY: number})


def _open_entries() -> Listing:
    """tfacp200: invoices and payments in one table, told apart by the type of transaction."""
    entries = _table(
        "tfacp200",
        "supplier_invoices",
        """
        fcmp division  ifbp supplier_id  isup invoice_number  year invoice_year  ptbp payee_id  tpay invoice_type
        docd invoice_date  dued due_date  pdat accounting_date  ccur currency  amnt amount  vata vat_amount
        rate exchange_rate  ttyp voucher_series  ninv voucher_number  cpay payment_terms  paym payment_method
        appr is_approved  bloc payment_stop
        """,
    )
    journal = _table(
        "tfacp200",
        "payments",
        "jyer journal_year  jrno journal_number  jseq journal_sequence  pmdt payment_date  pamt amount",
    )
    kind = ListedField(sql="CASE EPTRCD WHEN 40 THEN 1 ELSE 2 END", kind="integer")
    return replace(
        entries, condition="1 = 1", fields={**journal.fields, **entries.fields, "dtyp": kind}
    )


#: All of them.
LN_TABLES: tuple[Listing, ...] = (
    _numbered(companies_of("ttaad100", _COMPANY, "dsca")),
    _table(
        "tccom120",
        "suppliers",
        """
        otbp supplier_id  nama name  stat status  bptp supplier_type  cfsg supplier_group  seak search_key  ccty country
        cste state  telp phone  clan language  ccur currency  cpay payment_terms  paym payment_method
        cdec delivery_terms  cfrw delivery_method  fovn vat_number  cmid organization_number  buyr buyer
        ptbp payee_id  lidt last_invoice_date
        """,
    ),
    _table(
        "tccom110",
        "customers",
        """
        ofbp customer_id  nama name  stat status  bptp customer_type  cfcg customer_group  ln01 address_line_1
        ln02 address_line_2  city city  pstc postal_code  cste state  ccty country  telp phone  info email
        clan language  ccur currency  cpay payment_terms  fovn vat_number  cmid organization_number
        crep salesperson  pfbp payer_id  crlr credit_limit
        """,
    ),
    _table(
        "tcibd001",
        "items",
        """
        item item_id  dsca name  dscb description  stat status  kitm item_type  citg item_group  ctyp product_group
        cpcl business_area  cuni unit  cupu purchase_unit  cupp price_unit  mabu make_or_buy  cpln responsible
        cofc procurement_group  wght net_weight  gwgt gross_weight  volu volume
        """,
        item="item",
    ),
    _table(
        "tdpur400",
        "purchase_orders",
        """
        orno purchase_order_id  otbp supplier_id  lsta status_lowest  hdst status_highest  cotp order_type
        odat order_date  ddat requested_delivery_date  buyr buyer  ccur currency  cpay payment_terms
        cdec delivery_terms  cfrw delivery_method  cofc division  site facility  cwar warehouse  ptbp payee_id
        refa our_reference  cprj project  oamt net_amount  gamt gross_amount
        """,
    ),
    _table(
        "tdpur401",
        "purchase_order_lines",
        """
        orno purchase_order_id  pono line_number  sqnb subline_number  otbp supplier_id  item item_id  dsca item_name
        aitm supplier_item_id  lsta status_lowest  hdst status_highest  site facility  cwar warehouse  cuqp unit
        qoor ordered_quantity  qcon confirmed_quantity  qidl received_quantity  qinv invoiced_quantity
        qirj rejected_quantity  pric unit_price  cprc confirmed_price  cvpp price_quantity  oamt line_amount
        ddta requested_delivery_date  ddtb confirmed_delivery_date  ddtd received_date  buyr buyer  rqno requester
        """,
        item="item",
    ),
    _open_entries(),
    _table(
        "tfacp251",
        "supplier_invoice_lines",
        """
        fcmp division  docn invoice_batch_number  line line_number  ifbp supplier_id  isup invoice_number
        year invoice_year  ltyp line_type  orno purchase_order_id  pono purchase_order_line_number
        sqnb purchase_order_subline_number  item item_id  rcno receipt_number  dino delivery_note
        qinv invoiced_quantity  cuqp unit  gprc gross_price  nprc net_price  amnt net_amount  gamt gross_amount
        vata vat_amount
        """,
        item="item",
    ),
    _table(
        "tfgld008",
        "gl_accounts",
        """
        fcmp division  leac account_id  dsca name  skey short_name  agrp account_group  bals is_balance_sheet
        prls is_profit_and_loss  bloc is_blocked  ccur currency  efdt valid_from  exdt valid_to
        """,
    ),
    _table(
        "tfgld010",
        "gl_dimensions",
        """
        fcmp division  dtyp dimension  dimx dimension_value  dsca name  skey short_name  dgrp dimension_group
        bloc is_blocked  efdt valid_from  exdt valid_to
        """,
    ),
    _table(
        "tfgld203",
        "gl_balances",
        """
        fcmp division  bkey balance_key  comb combination_id  year year  prno period  vtyp value_type
        leac account_id  dim1 dimension_2  dim2 dimension_3  dim3 dimension_4  dim4 dimension_5  dim5 dimension_6
        dim6 dimension_7  fdam debit  fcam credit  tdam debit_currency  tcam credit_currency
        """,
    ),
)
