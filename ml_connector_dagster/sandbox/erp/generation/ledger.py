"""The general ledger of one company: postings and, kept in step with them, the period balances."""

from collections.abc import Sequence
from random import Random

from ml_connector_dagster.sandbox.erp.calendar import Calendar
from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.erp.generation.values import blank_row, money, row_order
from ml_connector_dagster.sandbox.erp.names import ACCOUNTS, COST_CENTRES
from ml_connector_dagster.sandbox.erp.sizes import ErpSize


#: The one balance key of the sandbox: account with dimensions 2 to 4.
BALANCE_KEY = "1"

#: One posting of a voucher: account, dimensions 2 to 4, cents in currency, cents in local currency.
Posting = tuple[str, str, str, str, int, int]


class GeneralLedger:
    """Collects postings; at the end hands out FGLEDG, the balances and their dimension combinations."""

    def __init__(self, company: int, calendar: Calendar) -> None:
        self.company = company
        self.calendar = calendar
        self.rows: list[Row] = []
        self._blank = blank_row("FGLEDG")
        self._order = row_order("FGLEDG")
        self._journals: dict[tuple[str, int], int] = {}
        self._combinations: dict[tuple[str, str, str, str, str], int] = {}
        self._balances: dict[tuple[int, int, int, str], list[int]] = {}

    def next_journal(self, division: str, year: int) -> int:
        """The next free journal number of a division and year."""
        number = self._journals.get((division, year), 0) + 1
        self._journals[division, year] = number
        return number

    def post(
        self,
        division: str,
        day: int,
        journal: int,
        series: str,
        voucher: int,
        text: str,
        currency: str,
        rate: str,
        postings: Sequence[Posting],
    ) -> None:
        """Post one voucher; its local amounts must add up to nothing."""
        if sum(posting[5] for posting in postings) != 0:
            raise ValueError(f"voucher {series} {voucher} does not balance")
        calendar = self.calendar
        year, month = calendar.year[day], calendar.month[day]
        for sequence, posting in enumerate(postings, start=1):
            account, second, third, fourth, amount, local = posting
            combination = (division, account, second, third, fourth)
            pointer = self._combinations.get(combination)
            if pointer is None:
                pointer = self._combinations[combination] = 1001 + len(self._combinations)
            movement = self._balances.get((pointer, year, month, division))
            if movement is None:
                movement = self._balances[pointer, year, month, division] = [0, 0, 0, 0]
            side = 0 if local >= 0 else 1
            movement[side] += abs(local)
            movement[2 + side] += abs(amount)
            self.rows.append(
                self._order(
                    self._blank
                    | {
                        "CONO": self.company,
                        "DIVI": division,
                        "YEA4": year,
                        "JRNO": journal,
                        "JSNO": sequence,
                        "FEID": "AP01" if series != "100" else "GL01",
                        "FNCN": 1,
                        "TRCD": 40 if series == "410" else 50 if series == "510" else 10,
                        "VSER": series,
                        "VONO": voucher,
                        "VSNO": sequence,
                        "ACDT": calendar.number[day],
                        "OCDT": calendar.number[day],
                        "AIT1": account,
                        "AIT2": second,
                        "AIT3": third,
                        "AIT4": fourth,
                        "CUCD": currency,
                        "CRTP": 1,
                        "ARAT": rate,
                        "ACAM": money(local),
                        "CUAM": money(amount),
                        "DBCR": "1" if local >= 0 else "2",
                        "ACYP": year * 100 + month,
                        "CYP6": year * 100 + month,
                        "VTXT": text,
                        "RGDT": calendar.number[day],
                        "RGTM": 120000,
                        "LMDT": calendar.number[day],
                        "CHNO": 1,
                        "CHID": "M3SRVADM",
                        "LMTS": calendar.epoch[day] + sequence,
                    }
                )
            )

    def combination_rows(self) -> list[Row]:
        """BALANCE_KEYS rows."""
        blank, order = blank_row("BALANCE_KEYS"), row_order("BALANCE_KEYS")
        return [
            order(
                blank
                | {
                    "CONO": self.company,
                    "PTID": pointer,
                    "DIVI": division,
                    "BAKY": BALANCE_KEY,
                    "BIT1": account,
                    "BIT2": second,
                    "BIT3": third,
                    "BIT4": fourth,
                }
            )
            for (division, account, second, third, fourth), pointer in self._combinations.items()
        ]

    def balance_rows(self) -> list[Row]:
        """BALANCES rows: what was posted, per combination and period."""
        blank, order = blank_row("BALANCES"), row_order("BALANCES")
        return [
            order(
                blank
                | {
                    "CONO": self.company,
                    "DIVI": division,
                    "BAKY": BALANCE_KEY,
                    "PTID": pointer,
                    "VTYP": 1,
                    "YEA4": year,
                    "PERI": month,
                    "ACAD": money(movement[0]),
                    "ACAC": money(movement[1]),
                    "CUAD": money(movement[2]),
                    "CUAC": money(movement[3]),
                }
            )
            for (pointer, year, month, division), movement in self._balances.items()
        ]


def make_chart(company: int, size: ErpSize, calendar: Calendar) -> list[Row]:
    """FCHACC rows: accounts (AITP 1) and dimensions 2 to 4 of each division, a few accounts of the blank division."""
    blank, order = blank_row("FCHACC"), row_order("FCHACC")
    rows: list[Row] = []

    def add(division: str, dimension: int, identity: str, name: str, group: str, kind: str) -> None:
        serial = len(rows)
        rows.append(
            order(
                blank
                | {
                    "CONO": company,
                    "DIVI": division,
                    "AITP": dimension,
                    "AITM": identity,
                    "AICL": group,
                    "TX40": name[:40],
                    "TX15": name[:15].rstrip(),
                    "AT01": int("b" in kind),
                    "AT02": int("p" in kind),
                    "AT03": int("r" in kind),
                    "AT04": int("v" in kind),
                    "AT11": int("a" in kind),
                    "AT12": int("k" in kind),
                    "LCCD": int(serial % 23 == 22),
                    "VFDT": 20200101,
                    "VTDT": calendar.number[calendar.last] if serial % 37 == 36 else 0,
                    "CUCD": "EUR" if serial % 29 == 28 else "",
                    **calendar.stamps(serial % calendar.last, serial),
                }
            )
        )

    for division in ("", *size.divisions):
        for number in range(size.accounts if division else 5):
            account, name, group, kind = ACCOUNTS[number % len(ACCOUNTS)]
            turn = number // len(ACCOUNTS)
            add(
                division,
                1,
                str(int(account) + turn),
                f"{name} {turn + 1}" if turn else name,
                group,
                kind,
            )
        if not division:
            continue
        for number in range(size.cost_centres):
            name = f"{COST_CENTRES[number % len(COST_CENTRES)]} {number + 1}"
            add(division, 2, f"D{100 + number}", name, "CC", "")
        for number in range(size.projects):
            add(division, 3, f"P{100 + number}", f"Project {number + 1}: Ångström", "PRJ", "")
        for number in range(size.product_lines):
            add(division, 4, f"L{number + 1}", f"Product line {number + 1}", "", "")
    return rows


def post_monthly_journals(
    ledger: GeneralLedger, size: ErpSize, calendar: Calendar, random: Random
) -> None:
    """Sales, wages, rent and the like: a handful of vouchers per division and month."""
    month_ends = [
        day
        for day in range(calendar.last)
        if calendar.month[day] != calendar.month[day + 1] or day == calendar.last - 1
    ]
    kinds = (
        ("3010", "1510", -900_000_00, "Sales of the month"),
        ("7010", "1930", 240_000_00, "Wages"),
        ("7510", "1930", 75_000_00, "Social security"),
        ("5010", "1930", 60_000_00, "Rent, lokalhyra"),
        ("5610", "1930", 8_000_00, "Vehicles"),
    )
    for division in size.divisions:
        for day in month_ends:
            for number, (account, against, base, text) in enumerate(kinds[: size.monthly_journals]):
                journal = ledger.next_journal(division, calendar.year[day])
                parts = [base // 3 + int(random.random() * abs(base) / 10) for _ in range(3)]
                postings: list[Posting] = [
                    (
                        account,
                        f"D{100 + (number + part) % size.cost_centres}",
                        "",
                        f"L{1 + part % size.product_lines}" if account == "3010" else "",
                        amount,
                        amount,
                    )
                    for part, amount in enumerate(parts)
                ]
                postings.append((against, "", "", "", -sum(parts), -sum(parts)))
                ledger.post(
                    division,
                    day,
                    journal,
                    "100",
                    10_000_000 + journal,
                    text,
                    "SEK",
                    "1.000000",
                    postings,
                )
