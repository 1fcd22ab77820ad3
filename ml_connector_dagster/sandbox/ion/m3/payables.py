"""APS200MI posted supplier invoices, APS450MI invoice batches, APS130MI payment proposals (there are none).

APS200MI has no list (reference §0); APS100MI exists only as a tenant's own program.
"""

from decimal import Decimal

from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.ion.m3.contracts import Call, program, transaction
from ml_connector_dagster.sandbox.ion.m3.reading import (
    Condition,
    by_key,
    check_division,
    filters,
    in_division,
    read,
)


_LEDGER = ("FPLEDG",)
_HEADS = ("FAPIBH",)
_LINES = ("FAPIBL",)

_INVOICE = (
    "YEA4 JRNO JSNO TRCD SPYN SUNO SINO INYR VSER VONO IVTP CUCD ARAT CUAM VTAM ACAM IVDT DUDT ACDT"
    " TEPY TECD PYME PYTP IVBL APRV APCD PYST PYRS RECO REDE BKID SUCL"
)
_TOTALS = "PCUA PAMT OCUA OAMT TBCU TXCU CDCU LOCD"
_INVOICE_TOTALS = f"{_INVOICE} RGDT RGTM LMDT CHNO CHID LMTS {_TOTALS}"
_OWN_INVOICE = f"CONO DIVI {_INVOICE} INBN RGDT LMDT CHNO CHID LMTS"

_BATCH_HEAD = (
    "DIVI INBN IBTP SUPA BIST IBHE IBLE SINO SPYN SUNO IVDT DUDT ACDT CUCD CUAM VTAM TLNA TCHG TOPA"
    " VONO VSER APCD IMCD PUNO YEA4 CORI RGDT LMDT"
)
_BATCH_LINE = (
    "DIVI INBN TRNO RDTP NLAM GLAM VTA1 VTA2 VTCD PUNO PNLI PNLS IVQA PUUN GRPR NEPR PPUN PUCD ITNO"
    " CEID CDSE REPN SUDO RGDT LMDT"
)


def _invoice_totals(call: Call) -> list[Row]:
    conditions = filters(call, _LEDGER, "SPYN SINO INYR SUNO")
    conditions += [in_division(call, _LEDGER), ("EPTRCD = ?", (40,))]
    kept = _INVOICE_TOTALS.split()[: -len(_TOTALS.split())]
    found = read(call, _LEDGER, kept, conditions)
    if not found:
        return []
    invoice = dict(zip(kept, found[0], strict=True))
    key = (
        call.session.company,
        call.division,
        invoice["SUNO"],
        invoice["SINO"],
        invoice["INYR"],
    )
    payments = call.session.database.select(
        "SELECT EPCUAM, EPACAM FROM FPLEDG WHERE EPCONO = ? AND EPDIVI = ? AND EPSUNO = ?"
        " AND EPSINO = ? AND EPINYR = ? AND EPTRCD = 50",
        key,
    )
    paid = sum((Decimal(str(row[0])) for row in payments), Decimal())
    paid_local = sum((Decimal(str(row[1])) for row in payments), Decimal())
    total, local = Decimal(str(invoice["CUAM"])), Decimal(str(invoice["ACAM"]))
    tax = Decimal(str(invoice["VTAM"]))
    amounts = (paid, paid_local, total + paid, local + paid_local, -total - tax, tax, Decimal())
    return [(*found[0], *(str(amount) if amount else "0" for amount in amounts), "SEK")]


def _batches(call: Call) -> list[Row]:
    conditions = filters(call, _HEADS, "SPYN SUNO IBTP SUPA")
    conditions += [in_division(call, _HEADS), ("E5INBN >= ?", (call.number("INBN"),))]
    return read(call, _HEADS, _BATCH_HEAD.split(), conditions)


def _batch_lines(call: Call) -> list[Row]:
    conditions = filters(call, _LINES, "INBN")
    conditions += [in_division(call, _LINES), ("E6TRNO >= ?", (call.number("TRNO"),))]
    return read(call, _LINES, _BATCH_LINE.split(), conditions)


def _no_proposals(call: Call) -> list[Row]:
    check_division(call, call.division)
    return []


def _own_invoices(call: Call) -> list[Row]:
    position = (call.text("SUNO"), call.text("SINO"))
    conditions: list[Condition] = [("EPTRCD = ?", (40,)), ("(EPSUNO, EPSINO) >= (?, ?)", position)]
    if call.division:
        conditions.append(in_division(call, _LEDGER))
    if "LMDT" in call.inputs:
        conditions.append(("EPLMDT >= ?", (call.number("LMDT"),)))
    order = ("EPSUNO", "EPSINO", "EPINYR", "EPDIVI", "EPYEA4", "EPJRNO", "EPJSNO")
    return read(call, _LEDGER, _OWN_INVOICE.split(), conditions, order)


APS200MI = program(
    "APS200MI",
    "Supplier Invoice",
    transaction(
        "GetInvoice",
        "Get supplier invoice",
        "*YEA4 *JRNO *JSNO CONO DIVI",
        _INVOICE,
        by_key("FPLEDG", _INVOICE, "YEA4 JRNO JSNO"),
    ),
    transaction(
        "GetInvTotInfo",
        "Get invoice total information",
        "*DIVI *SPYN *SINO *INYR *SUNO",
        _INVOICE_TOTALS,
        _invoice_totals,
    ),
)

APS450MI = program(
    "APS450MI",
    "Supplier Invoice Batch",
    transaction(
        "LstInvBatchNo",
        "List invoice batch numbers",
        "*SPYN DIVI SUNO IBTP SUPA INBN",
        _BATCH_HEAD,
        _batches,
    ),
    transaction(
        "GetHead",
        "Get invoice batch head",
        "*INBN DIVI",
        _BATCH_HEAD,
        by_key("FAPIBH", _BATCH_HEAD, "INBN"),
    ),
    transaction(
        "LstLines", "List invoice batch lines", "*INBN DIVI TRNO", _BATCH_LINE, _batch_lines
    ),
)

APS130MI = program(
    "APS130MI",
    "Payment Proposal",
    transaction(
        "LstProposal",
        "List payment proposals",
        "*DIVI *PRPN PYON",
        "PRPN PYON BKID PYME CUCD PYST CUAM PRPD NOPD",
        _no_proposals,
    ),
)

OWN_APS100MI = program(
    "APS100MI",
    "Supplier Invoices (own)",
    transaction(
        "LstInvoices",
        "List posted invoices (own)",
        "CONO DIVI SUNO SINO LMDT",
        _OWN_INVOICE,
        _own_invoices,
    ),
)
