"""EXPORTMI of the sandbox's M3: reference cloudsuite-api §2.8."""

import time
from dataclasses import replace

import pytest

from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster_tests.spec.sandbox_calls import Caller


def test_a_select_with_header_row(caller: Caller) -> None:
    rows = caller.records(
        "EXPORTMI/Select",
        "maxrecs=0;cono=100",
        SEPC="|",
        HDRS="1",
        QERY="IAPUNO,IASUNO,IAPUDT from MPHEAD where IAPUNO<'1000003'",
    )
    truth = caller.sandbox.erp.truth("purchase_orders", "100")[:2]
    assert [row["REPL"] for row in rows] == [
        "IAPUNO|IASUNO|IAPUDT",
        *(
            f"{order['purchase_order_id']}|{order['supplier_id']}|{order['order_date']:%Y%m%d}"
            for order in truth
        ),
    ]


def test_conditions(caller: Caller) -> None:
    everything = caller.export("EPDIVI,EPTRCD,EPSUNO,EPCUAM,EPACDT from FPLEDG")
    chosen = caller.export(
        "EPDIVI,EPTRCD,EPSUNO,EPCUAM,EPACDT from FPLEDG"
        " where EPCONO=100 and (EPDIVI='AAA' or EPDIVI='BBB') and EPTRCD=40 and EPCUAM < -1000.50"
        " and EPSUNO <> '10001' and EPACDT >= 20240101"
    )
    assert 0 < len(chosen) < len(everything)
    assert chosen == [
        row
        for row in everything
        if row[1] == "40" and float(row[3]) < -1000.5 and row[2] != "10001" and row[4] >= "20240101"
    ]


def test_or_binds_weaker_than_and(caller: Caller) -> None:
    rows = caller.export(
        "IBPUNO,IBPNLI from MPLINE where IBPUNO='1000001' or IBPUNO='1000002' and IBPNLI=10"
    )
    assert ["1000002", "10"] in rows
    assert ["1000002", "20"] not in rows
    assert any(row[0] == "1000001" for row in rows)


def test_quotes_in_literals_are_doubled(caller: Caller) -> None:
    rows = caller.export("IDSUNO,IDSUNM from CIDMAS where IDSUNM='O''Brien & Sons Ltd'")
    assert rows == [["10001", "O'Brien & Sons Ltd"]]


def test_a_blank_literal_finds_blank_fields(caller: Caller) -> None:
    assert {row[0] for row in caller.export("EADIVI from FCHACC where EADIVI=''")} == {""}
    assert caller.export("EADIVI from FCHACC where EADIVI=' ' and EAAITP=1")


def test_blank_dates_are_zero_and_leading_blanks_stay(caller: Caller) -> None:
    assert caller.export("EAVTDT from FCHACC where EAVTDT=0")[0] == ["0"]
    assert any(row[0].startswith("  ") for row in caller.export("MMITNO from MITMAS"))


def test_without_separator_columns_have_fixed_width(caller: Caller) -> None:
    rows = caller.records(
        "EXPORTMI/Select", "maxrecs=1;cono=100", QERY="IDSUNO,IDSUTY,IDSTAT from CIDMAS"
    )
    # A column is at least as wide as its name: SUNO A10, SUTY N1, STAT A2.
    assert rows[0]["REPL"].rstrip() == "10001     " + "0".rjust(6) + "20"
    padded = caller.records(
        "EXPORTMI/SelectPad", "maxrecs=1;cono=100", SEPC=";", QERY="IDSUNO,IDSTAT from CIDMAS"
    )
    assert padded[0]["REPL"].rstrip() == "10001     ;20"


def test_a_row_is_cut_after_984_characters(caller: Caller) -> None:
    columns = ",".join(["OKCUNM"] * 29)
    rows = caller.records(
        "EXPORTMI/Select", "maxrecs=1;cono=100", SEPC="|", QERY=f"{columns} from OCUSMA"
    )
    assert len(rows[0]["REPL"]) <= 984
    caller.sandbox.erp.set_field("OCUSMA", (100, "C00001"), "CUNM", "x" * 36)
    rows = caller.records(
        "EXPORTMI/Select", "maxrecs=1;cono=100", SEPC="|", QERY=f"{columns} from OCUSMA"
    )
    assert len(rows[0]["REPL"]) == 984


def test_order_by_is_on_a_switch(caller: Caller) -> None:
    query = "IALMDT,IAPUNO from MPHEAD where IALMDT>0 order by IALMDT,IAPUNO"
    rows = caller.export(query)
    assert rows == sorted(rows)
    caller.sandbox.switches.order_by_supported = False
    refused = caller.refusal("EXPORTMI/Select", "cono=100", SEPC="|", QERY=query)
    assert "ORDER BY" in refused["errorMessage"]


def test_without_order_by_rows_come_in_key_order(caller: Caller) -> None:
    keys = [(row[0], int(row[1])) for row in caller.export("IBPUNO,IBPNLI from MPLINE")]
    assert keys == sorted(keys)


def test_lists_are_cut_at_maxrecs_like_any_other(caller: Caller) -> None:
    assert len(caller.export("IBPUNO from MPLINE where IBPNLI=10", "cono=100")) == 30
    caller.sandbox.switches.row_ceiling = 10
    assert len(caller.export("IBPUNO from MPLINE")) == 10


def test_a_division_of_the_session_limits_the_rows(caller: Caller) -> None:
    query = "EPDIVI from FPLEDG"
    assert {row[0] for row in caller.export(query)} == {"AAA", "BBB"}
    assert {row[0] for row in caller.export(query, "maxrecs=0;cono=100;divi=AAA")} == {"AAA"}


@pytest.mark.parametrize(
    "query",
    [
        "IAPUNO from MPHEAD where IACONO=200",  # not the session's company
        "IAPUNO from NOSUCH",
        "IANOPE from MPHEAD",
        "PUNO from MPHEAD",
        "IAPUNO from MPHEAD where IANOPE=1",
        "IAPUNO from MPHEAD where IAPUNO=1000001",  # text compared with a number
        "IAPUNO from MPHEAD where IALMDT>='20260101'",  # number compared with a text
        "IAPUNO from MPHEAD where IAPUNO like '1%'",
        "IAPUNO from MPHEAD, MPLINE",
        "IAPUNO from MPHEAD where (IALMDT>0",
        "IAPUNO from MPHEAD where IALMDT>0 limit 5",
        "select IAPUNO from MPHEAD",
        "* from MPHEAD",
        "IAPUNO",
        "X2ACAD from BALANCES",
        "E6SINO from FAPIBL",  # only the head says whose invoice it is
        "IAPUNO from MPHEAD where IAPUNO='unfinished",
        "IAPUNO from MPHEAD; drop table MPHEAD",
    ],
)
def test_what_it_does_not_understand_is_refused(caller: Caller, query: str) -> None:
    caller.refusal("EXPORTMI/Select", "maxrecs=0;cono=100", SEPC="|", QERY=query)
    assert caller.export("IAPUNO from MPHEAD")


def test_fields_of_a_table(caller: Caller) -> None:
    fields = {r["FLDN"]: r for r in caller.records("EXPORTMI/LstFields", FILE="FPLEDG")}
    assert fields["EPCUAM"] == {
        "FLDN": "EPCUAM",
        "FLDS": "Foreign currenc",
        "FLTY": "N",
        "FLLE": "17",
        "FLDP": "2",
    }
    assert caller.refusal("EXPORTMI/LstFields", FILE="NOSUCH")["errorCode"] == "XRE0103"


def test_forty_thousand_lines_answer_in_well_under_a_second() -> None:
    # Generous against a busy machine: it takes about 0.2 s.
    size = replace(ErpSize.tiny(), purchase_orders=10_000, purchase_order_lines=40_000)
    with Sandbox.start(SandboxOptions(size=size)) as sandbox:
        caller = Caller(sandbox)
        caller.headers()
        started = time.process_time()
        rows = sum(
            len(
                caller.export(
                    "IBPUNO,IBPNLI,IBITNO,IBORQA,IBLNAM from MPLINE", f"maxrecs=0;cono={company}"
                )
            )
            for company in ("100", "200")
        )
        seconds = time.process_time() - started
        caller.close()
    assert rows == 40_000
    assert seconds < 3
