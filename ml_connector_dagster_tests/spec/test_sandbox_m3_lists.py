"""MI transactions of the sandbox's M3: reference cloudsuite-api §2.8 to §2.11."""

from decimal import Decimal
from itertools import pairwise

import pytest

from ml_connector_dagster_tests.spec.sandbox_calls import Caller


def test_lists_give_100_rows_unless_told_otherwise(caller: Caller) -> None:
    caller.sandbox.erp.insert("customers", 120, "100")
    assert len(caller.records("CRS610MI/LstByNumber", "cono=100")) == 100
    assert len(caller.records("CRS610MI/LstByNumber", "cono=100;maxrecs=7")) == 7
    assert len(caller.records("CRS610MI/LstByNumber", "cono=100;maxrecs=0")) == 135


def test_a_ceiling_holds_whatever_maxrecs_says(caller: Caller) -> None:
    caller.sandbox.switches.row_ceiling = 5
    assert len(caller.records("CRS610MI/LstByNumber", "maxrecs=0")) == 5
    assert len(caller.records("CRS610MI/LstByNumber", "maxrecs=3")) == 3


def test_maxrecs_in_the_query_may_be_ignored(caller: Caller) -> None:
    path = "M3/m3api-rest/v2/execute/CRS610MI/LstByNumber;cono=100"
    assert len(caller.get(path, maxrecs="2").json()["results"][0]["records"]) == 2
    caller.sandbox.switches.query_maxrecs_ignored = True
    assert len(caller.get(path, maxrecs="2").json()["results"][0]["records"]) == 15


def test_a_list_starts_at_the_given_key_and_runs_in_key_order(caller: Caller) -> None:
    everything = [r["CUNO"] for r in caller.records("CRS610MI/LstByNumber")]
    assert everything == sorted(everything)
    middle = everything[7]
    assert [r["CUNO"] for r in caller.records("CRS610MI/LstByNumber", CUNO=middle)] == everything[
        7:
    ]
    # A key that does not exist positions at the next one.
    assert [r["CUNO"] for r in caller.records("CRS610MI/LstByNumber", CUNO=middle + "0")] == (
        everything[8:]
    )


def test_pages_by_position_cover_the_list(caller: Caller) -> None:
    caller.sandbox.switches.row_ceiling = 4
    seen: list[str] = []
    position = ""
    while True:
        page = [r["SUNO"] for r in caller.records("CRS620MI/LstSuppliers", FRSU=position)]
        fresh = [number for number in page if number not in seen]
        if not fresh:
            break
        seen += fresh
        position = seen[-1]
    assert len(seen) == 10


def test_the_supplier_lists_lack_what_the_real_ones_lack(caller: Caller) -> None:
    by_list = caller.records("CRS620MI/LstSuppliers", "maxrecs=1")[0]
    by_number = caller.records("CRS620MI/LstByNumber", "maxrecs=1", SUNO="0")[0]
    basic = caller.records("CRS620MI/GetBasicData", SUNO=by_list["SUNO"])[0]
    assert not {"STAT", "SUTY", "LMDT", "ALSU", "VRNO"} & set(by_list)
    assert {"STAT", "SUTY"} <= set(by_number)
    assert not {"CUCD", "TEPY", "PYME", "LMDT"} & set(by_number)
    assert set(by_list) | set(by_number) == set(basic)


def test_lmts_filters_inclusively(caller: Caller) -> None:
    key = caller.sandbox.erp.change("suppliers", 1, "100")[0]
    stamps = {row[0]: int(row[1]) for row in caller.export("IDSUNO,IDLMTS from CIDMAS")}
    changed = stamps[str(key[1])]
    found = caller.records("CRS620MI/LstSuppliers", "cono=100", LMTS=str(changed))
    assert [r["SUNO"] for r in found] == [key[1]]
    later = caller.refusal("CRS620MI/LstSuppliers", "cono=100", LMTS=str(changed + 1))
    assert later["errorCode"] == "XRE0103"


def test_a_change_of_purchase_data_alone_shows_in_lmts(caller: Caller) -> None:
    before = caller.sandbox.clock.milliseconds()
    caller.sandbox.erp.set_field("CIDVEN", (100, "10002"), "TEPY", "90D")
    found = caller.records("CRS620MI/LstSuppliers", "cono=100", LMTS=str(before))
    assert [(r["SUNO"], r["TEPY"]) for r in found] == [("10002", "90D")]


def test_items_by_change_date(caller: Caller) -> None:
    today = caller.sandbox.clock.today()
    day = f"{today:%Y%m%d}"
    found = caller.records("MMS200MI/LstItmByChgDate", FLMD=day, TLMD=day)
    assert found
    assert {r["LMDT"] for r in found} == {day}


def test_item_numbers_may_start_with_blanks(caller: Caller) -> None:
    numbers = [r["ITNO"] for r in caller.records("MMS200MI/SelItem", "cono=100")]
    assert any(number.startswith("  ") for number in numbers)
    # Positioning by a non-blank key skips them: they sort first.
    positioned = [r["ITNO"] for r in caller.records("MMS200MI/LstItmByItm", "cono=100", ITNO="!")]
    assert positioned == [number for number in numbers if not number.startswith(" ")]


def test_orders_have_no_list_but_lines_per_order(caller: Caller) -> None:
    number = str(caller.sandbox.erp.truth("purchase_orders", "100")[3]["purchase_order_id"])
    assert caller.mi("PPS200MI/LstHead").status_code == 400
    assert caller.mi("PPS100MI/LstHead").status_code == 400
    head = caller.records("PPS200MI/GetHead", "cono=100", PUNO=number)[0]
    assert "PUSL" not in head
    assert "LMDT" not in head
    lines = caller.records("PPS200MI/LstLine", "cono=100", PUNO=number)
    assert {r["PUNO"] for r in lines} == {number}
    assert sum(Decimal(r["LNAM"]) for r in lines) == Decimal(head["NTAM"])


def test_a_tenant_may_have_the_lists_of_the_brief(caller: Caller) -> None:
    caller.sandbox.switches.brief_programs = True
    orders = caller.records("PPS100MI/LstHead", "cono=100")
    assert [r["PUNO"] for r in orders] == sorted(r["PUNO"] for r in orders)
    assert {"PUSL", "LMDT", "LMTS"} <= set(orders[0])
    rest = caller.records("PPS100MI/LstHead", "cono=100", PUNO=orders[20]["PUNO"])
    assert rest == orders[20:]
    lines = caller.records("PPS200MI/LstLines", "cono=100")
    position = lines[30]
    after = caller.records(
        "PPS200MI/LstLines", "cono=100", PUNO=position["PUNO"], PNLI=position["PNLI"]
    )
    assert after == lines[30:]
    invoices = caller.records("APS100MI/LstInvoices", "cono=100")
    assert {r["TRCD"] for r in invoices} == {"40"}
    day = f"{caller.sandbox.clock.today():%Y%m%d}"
    recent = caller.records("APS100MI/LstInvoices", "cono=100", LMDT=day)
    assert 0 < len(recent) < len(invoices)


def test_posted_invoices_are_got_one_by_one(caller: Caller) -> None:
    invoice = caller.sandbox.erp.truth("supplier_invoices", "100")[0]
    found = caller.records(
        "APS200MI/GetInvTotInfo",
        "cono=100",
        DIVI=str(invoice["division"]),
        SPYN=str(invoice["payee_id"]),
        SUNO=str(invoice["supplier_id"]),
        SINO=str(invoice["invoice_number"]),
        INYR=str(invoice["invoice_year"]),
    )[0]
    assert Decimal(found["CUAM"]) == -Decimal(str(invoice["amount"]))
    paid = Decimal(found["PCUA"])
    assert Decimal(found["OCUA"]) == Decimal(found["CUAM"]) + paid
    by_journal = caller.records(
        "APS200MI/GetInvoice",
        f"cono=100;divi={invoice['division']}",
        YEA4=found["YEA4"],
        JRNO=found["JRNO"],
        JSNO=found["JSNO"],
    )
    assert by_journal[0]["SINO"] == invoice["invoice_number"]
    assert caller.mi("APS200MI/LstInvoices").status_code == 400


def test_invoice_batches_and_their_lines(caller: Caller) -> None:
    line = caller.sandbox.erp.truth("supplier_invoice_lines", "100")[5]
    division, batch = str(line["division"]), str(line["invoice_batch_number"])
    head = caller.records("APS450MI/GetHead", "cono=100", INBN=batch, DIVI=division)[0]
    assert head["SINO"] == line["invoice_number"]
    lines = caller.records("APS450MI/LstLines", "cono=100", INBN=batch, DIVI=division)
    assert line["purchase_order_id"] in {r["PUNO"] for r in lines}
    assert "SINO" not in lines[0]
    heads = caller.records(
        "APS450MI/LstInvBatchNo", "cono=100", SPYN=head["SPYN"], DIVI=division, INBN=batch
    )
    assert heads[0]["INBN"] == batch
    assert all(int(a["INBN"]) < int(b["INBN"]) for a, b in pairwise(heads))


def test_accounts_need_their_dimension_and_a_division(caller: Caller) -> None:
    assert caller.refusal("CRS630MI/LstAccountID")["errorField"].strip() == "AITP"
    # Without DIVI the session's division applies; the service user's is blank.
    common = caller.records("CRS630MI/LstAccountID", "cono=100", AITP="1")
    assert {r["DIVI"] for r in common} == {""}
    own = caller.records("CRS630MI/LstAccountID", "cono=100", AITP="1", DIVI="AAA")
    assert len(own) == 24
    by_session = caller.records("CRS630MI/LstAccountID", "cono=100;maxrecs=0;divi=AAA", AITP="1")
    assert by_session == own
    centres = caller.records("CRS630MI/LstAccountID", "cono=100", AITP="2", DIVI="AAA")
    assert {r["AITP"] for r in centres} == {"2"}


def test_an_unknown_division_is_a_configuration_error(caller: Caller) -> None:
    assert caller.refusal("CRS630MI/LstAccountID", AITP="1", DIVI="ZZZ")["errorCode"] == "WDI0103"
    assert caller.refusal("CRS630MI/LstAccountID", "divi=ZZZ", AITP="1")["errorCode"] == "WDI0103"


def test_balances_name_a_combination_that_resolves(caller: Caller) -> None:
    rows = caller.records("GLS215MI/LstPerBalances", "cono=100", DIVI="AAA", BAKY="1")
    pointer = rows[0]["PTID"]
    parts = caller.records("GLS215MI/GetBitFromPtid", "cono=100", PTID=pointer)[0]
    same = caller.records(
        "GLS215MI/LstPerBalances", "cono=100", DIVI="AAA", BAKY="1", BIT1=parts["BIT1"]
    )
    assert pointer in {r["PTID"] for r in same}
    assert len(same) < len(rows)
    assert caller.refusal("GLS215MI/LstPerBalances", DIVI="AAA")["errorField"].strip() == "BAKY"
    assert "LMDT" not in rows[0]


def test_vouchers_by_date_and_their_lines(caller: Caller) -> None:
    vouchers = caller.records(
        "GLS200MI/LstVouchersByDt",
        "cono=100;maxrecs=5",
        FRDT="20200101",
        TODT="20991231",
        DIVI="AAA",
    )
    first = vouchers[0]
    lines = caller.records(
        "GLS200MI/LstVoucherLines",
        "cono=100",
        DIVI="AAA",
        YEA4=first["YEA4"],
        VONO=first["VONO"],
        VSER=first["VSER"],
    )
    assert len(lines) >= 2
    assert sum(Decimal(r["ACAM"]) for r in lines) == 0


def test_divisions_and_user(caller: Caller) -> None:
    assert [r["DIVI"] for r in caller.records("MNS100MI/LstDivisions", CONO="200")] == [
        "",
        "AAA",
        "BBB",
    ]
    assert caller.refusal("MNS100MI/LstDivisions", CONO="999")["errorCode"] == "WCO0103"
    user = caller.records("MNS150MI/GetUserData")[0]
    assert (user["CONO"], user["DIVI"], user["DTFM"]) == ("100", "", "DMY")
    caller.sandbox.switches.user_company = "200"
    assert caller.records("MNS150MI/GetUserData")[0]["CONO"] == "200"
    assert caller.records("CRS620MI/LstSuppliers", "maxrecs=1")[0]["CONO"] == "200"


def test_discovery_tells_what_the_installation_has(caller: Caller) -> None:
    names = {r["TRNM"] for r in caller.records("MRS001MI/LstTransactions", MINM="PPS200MI")}
    assert names == {"GetHead", "GetLine", "LstLine"}
    inputs = caller.records("MRS001MI/LstFields", MINM="CRS630MI", TRNM="LstAccountID", TRTP="I")
    assert [(r["FLNM"], r["MAND"]) for r in inputs] == [
        ("AITP", "1"),
        ("DIVI", "0"),
        ("AITM", "0"),
        ("LNCD", "0"),
    ]
    outputs = caller.records("MRS001MI/LstFields", MINM="CRS630MI", TRNM="LstAccountID", TRTP="O")
    assert {"AITM", "TX40", "LMDT"} <= {r["FLNM"] for r in outputs}
    assert caller.refusal("MRS001MI/LstTransactions", MINM="APS100MI")["errorCode"] == "XRE0103"
    programs = {r["MINM"] for r in caller.records("MRS001MI/LstPrograms")}
    assert {"CRS620MI", "EXPORTMI", "MRS001MI"} <= programs


def test_discovery_follows_the_switches(caller: Caller) -> None:
    caller.sandbox.switches.brief_programs = True
    names = {r["TRNM"] for r in caller.records("MRS001MI/LstTransactions", MINM="PPS100MI")}
    assert "LstHead" in names
    caller.sandbox.switches.absent_programs.add("GLS215MI")
    assert caller.refusal("MRS001MI/LstTransactions", MINM="GLS215MI")["errorCode"] == "XRE0103"
    absent = caller.mi("GLS215MI/LstPerBalances", DIVI="AAA", BAKY="1")
    assert (absent.status_code, absent.json()["errorType"]) == (400, "TransactionNotFound")


@pytest.mark.parametrize(
    "transaction", ["PPS100MI/LstAgrHead", "APS130MI/LstProposal"], ids=lambda name: str(name)
)
def test_lists_of_what_nobody_uses_are_empty(caller: Caller, transaction: str) -> None:
    inputs = {"DIVI": "AAA", "PRPN": "1"} if "APS" in transaction else {}
    assert caller.refusal(transaction, **inputs)["errorCode"] == "XRE0103"
