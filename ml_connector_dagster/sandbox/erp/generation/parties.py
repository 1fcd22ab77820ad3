"""Suppliers and customers of one company."""

from dataclasses import dataclass
from random import Random

from ml_connector_dagster.sandbox.erp.calendar import Calendar
from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.erp.generation.values import blank_row, money, pattern, row_order
from ml_connector_dagster.sandbox.erp.names import (
    AWKWARD_NAMES,
    BUYERS,
    FIRST_WORDS,
    LEGAL_FORMS,
    PLACES,
    SECOND_WORDS,
    STREETS,
)


TERMS = ("30D", "60D", "10N", "14D", "")
METHODS = ("TRF", "SEP", "CHK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """What later steps need of a supplier."""

    number: str
    currency: str
    terms: str
    method: str
    payee: str
    group: str


def _name(index: int, country: str, random: Random) -> str:
    if index < len(AWKWARD_NAMES):
        return AWKWARD_NAMES[index]
    first = FIRST_WORDS[int(random.random() * len(FIRST_WORDS))]
    second = SECOND_WORDS[int(random.random() * len(SECOND_WORDS))]
    return f"{first} {second} {LEGAL_FORMS[country]}"


def make_suppliers(
    company: int, count: int, calendar: Calendar, random: Random
) -> tuple[list[Supplier], list[Row], list[Row]]:
    """Suppliers with their CIDMAS and CIDVEN rows."""
    base, finance = blank_row("CIDMAS"), blank_row("CIDVEN")
    base_order, finance_order = row_order("CIDMAS"), row_order("CIDVEN")
    suppliers: list[Supplier] = []
    masters: list[Row] = []
    purchasing: list[Row] = []
    for index in range(count):
        place = PLACES[int(random.random() * len(PLACES))]
        country, currency, language = place[:3]
        digits = int(random.random() * 10**12)
        number = f"SV{index:04d}" if index % 9 == 8 else str(10001 + index)
        name = _name(index, country, random)
        made = int(random.random() * calendar.last)
        stamps = calendar.stamps(made, index)
        supplier = Supplier(
            number=number,
            currency="SEK" if index == 0 else currency,
            terms=TERMS[index % len(TERMS)],
            method=METHODS[index % len(METHODS)],
            payee=suppliers[index // 2].number if index % 12 == 7 else number,
            group=f"{100 + 10 * (index % 4)}",
        )
        suppliers.append(supplier)
        masters.append(
            base_order(
                base
                | {
                    "CONO": company,
                    "SUNO": number,
                    "SUTY": 1 if index % 25 == 24 else 0,
                    "SUNM": name[:36],
                    "ALSU": name.upper()[:10].rstrip(),
                    "STAT": "10" if index % 15 == 14 else "90" if index % 20 == 19 else "20",
                    "CORG": f"{digits % 10**10:010d}" if index % 3 else "",
                    "VRNO": f"{country}{digits % 10**9:09d}" if index % 7 else "",
                    "LNCD": language,
                    "PHNO": pattern(place[5], digits)[:16] if index % 6 else "",
                    "CSCD": country,
                    "ECAR": "OH" if country == "US" else "",
                    "TINO": str(digits)[:9] if country == "US" else "",
                    "CFI1": f"ML-{index}" if index % 4 == 0 else "",
                    **stamps,
                }
            )
        )
        purchasing.append(
            finance_order(
                finance
                | {
                    "CONO": company,
                    "SUNO": number,
                    "SUCL": supplier.group,
                    "ORTY": "P10",
                    "TEDL": "DAP" if index % 2 else "FCA",
                    "MODL": "TRK" if index % 3 else "",
                    "TEPY": supplier.terms,
                    "PYME": supplier.method,
                    "CUCD": supplier.currency,
                    "CRTP": 1,
                    "VTCD": 1,
                    "BUYE": BUYERS[index % len(BUYERS)],
                    "RESP": BUYERS[(index + 1) % len(BUYERS)],
                    "PRSU": "" if supplier.payee == number else supplier.payee,
                    "LIDT": 0
                    if index % 8 == 5
                    else calendar.number[int(random.random() * calendar.last)],
                    "TECD": "2" if index % 10 == 0 else "",
                    **stamps,
                }
            )
        )
    return suppliers, masters, purchasing


def make_customers(company: int, count: int, calendar: Calendar, random: Random) -> list[Row]:
    """OCUSMA rows."""
    blank, order = blank_row("OCUSMA"), row_order("OCUSMA")
    rows: list[Row] = []
    for index in range(count):
        place = PLACES[int(random.random() * len(PLACES))]
        country, currency, language = place[:3]
        digits = int(random.random() * 10**12)
        name = _name(index, country, random)
        made = int(random.random() * calendar.last)
        stamps = calendar.stamps(made, index)
        rows.append(
            order(
                blank
                | {
                    "CONO": company,
                    "CUNO": f"C{index + 1:05d}",
                    "CUNM": name[:36],
                    "CUA1": f"{STREETS[index % len(STREETS)]} {1 + digits % 180}",
                    "CUA2": "c/o Goods In" if index % 11 == 0 else "",
                    "PONO": pattern(place[4], digits),
                    "TOWN": place[3],
                    "ECAR": "OR" if country == "US" else "",
                    "CSCD": country,
                    "PHNO": pattern(place[5], digits)[:16],
                    "MAIL": f"orders{index}@example.com" if index % 5 else "",
                    "CUTP": 0,
                    "STAT": "90" if index % 30 == 29 else "20",
                    "CORG": f"{digits % 10**10:010d}" if index % 4 else "",
                    "VRNO": f"{country}{digits % 10**9:09d}" if index % 3 else "",
                    "CUCD": currency,
                    "CUCL": f"{index % 5 + 1}",
                    "TEPY": TERMS[index % len(TERMS)],
                    "PYNO": f"C{index // 2 + 1:05d}" if index % 14 == 9 else "",
                    "CRLM": money(int(random.random() * 500) * 100_000) if index % 3 else "0",
                    "LNCD": language,
                    "SMCD": BUYERS[index % len(BUYERS)],
                    "WHLO": "A01",
                    "CFI3": "KEY" if index % 17 == 0 else "",
                    **stamps,
                }
            )
        )
    return rows
