"""MRS001MI what programs there are, MNS100MI divisions, MNS150MI the calling user."""

from collections.abc import Mapping

from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.erp.dictionary import DICTIONARY
from ml_connector_dagster.sandbox.ion.m3.contracts import (
    Call,
    Program,
    Refused,
    program,
    transaction,
)
from ml_connector_dagster.sandbox.ion.m3.reading import Condition, read


_DIVISIONS = "CONO DIVI CONM TX15 LOCD CSCD RGDT LMDT"


def _divisions(call: Call) -> list[Row]:
    company = call.text("CONO")
    if company and company not in call.session.companies:
        raise Refused(f"Company {company} does not exist", "WCO0103", "CONO")
    conditions: list[Condition] = [("CCDIVI >= ?", (call.text("DIVI"),))]
    return read(call, ("CMNDIV",), _DIVISIONS.split(), conditions)


def _user(call: Call) -> list[Row]:
    session = call.session
    user = call.text("USID") or session.user
    if user != session.user:
        return []
    company = int(session.switches.user_company or session.companies[0])
    date_format = session.switches.user_date_format.rstrip("0123456789")
    return [
        (
            user,
            "Service user ml-connector",
            company,
            session.switches.user_division,
            "GB",
            date_format,
            ".",
            "CET",
        )
    ]


MNS100MI = program(
    "MNS100MI",
    "Company and division",
    transaction("LstDivisions", "List divisions", "*CONO DIVI", _DIVISIONS, _divisions),
)

MNS150MI = program(
    "MNS150MI",
    "User",
    transaction(
        "GetUserData", "Get user data", "USID", "USID NAME CONO DIVI LANC DTFM DCFM TIZO", _user
    ),
)


def metadata_program(programs: Mapping[str, Program]) -> Program:
    """MRS001MI over ``programs``; it also lists itself."""

    def visible(call: Call) -> dict[str, Program]:
        absent = call.session.switches.absent_programs
        return {name: programs[name] for name in sorted(programs) if name not in absent}

    def cut(call: Call, rows: list[Row]) -> list[Row]:
        return rows if call.limit is None else rows[: call.limit]

    def list_programs(call: Call) -> list[Row]:
        start = call.text("MINM")
        return cut(
            call,
            [(name, entry.description) for name, entry in visible(call).items() if name >= start],
        )

    def list_transactions(call: Call) -> list[Row]:
        entry = visible(call).get(call.text("MINM"))
        if entry is None:
            return []
        return cut(
            call,
            [
                (entry.name, name, one.description, "M" if one.multiple else "S")
                for name, one in sorted(entry.transactions.items())
            ],
        )

    def list_fields(call: Call) -> list[Row]:
        entry = visible(call).get(call.text("MINM"))
        one = None if entry is None else entry.transactions.get(call.text("TRNM"))
        if one is None:
            return []
        names = one.inputs if call.text("TRTP") == "I" else one.outputs
        rows: list[Row] = []
        position = 16
        for name in names:
            definition = DICTIONARY[name]
            mandatory = int(call.text("TRTP") == "I" and name in one.mandatory)
            rows.append(
                (
                    name,
                    definition.description,
                    position,
                    position + definition.length - 1,
                    definition.length,
                    definition.type,
                    mandatory,
                )
            )
            position += definition.length
        return cut(call, rows)

    return program(
        "MRS001MI",
        "MI repository",
        transaction("LstPrograms", "List programs", "MINM", "MINM MIDS", list_programs),
        transaction(
            "LstTransactions",
            "List transactions",
            "*MINM TRNM",
            "MINM TRNM TRDS SIMU",
            list_transactions,
        ),
        transaction(
            "LstFields",
            "List fields",
            "*MINM *TRNM *TRTP",
            "FLNM FLDS FRPO TOPO LENG TYPE MAND",
            list_fields,
        ),
    )
