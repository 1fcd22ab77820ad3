"""Runs one MI call: options, company, division, inputs, authority; then the transaction; then its records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from ml_connector_dagster.sandbox.clock import Clock
from ml_connector_dagster.sandbox.erp.database import Database, Row
from ml_connector_dagster.sandbox.erp.dictionary import DICTIONARY
from ml_connector_dagster.sandbox.ion.m3.contracts import Call, Refused, Session, Transaction
from ml_connector_dagster.sandbox.ion.m3.programs import find
from ml_connector_dagster.sandbox.ion.m3.values import DATE_FORMATS, checked_input, formatter
from ml_connector_dagster.sandbox.options import Switches


SERVICE_USER = "M3SRVADM"
DEFAULT_MAXRECS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """The options of reference §2.2. ``columns`` None is all, ``division`` None is not given."""

    maxrecs: int = DEFAULT_MAXRECS
    columns: tuple[str, ...] | None = None
    company: str = ""
    division: str | None = None
    exclude_empty: bool = False
    right_trim: bool = False
    date_format: str = ""
    extended: bool = False
    pretty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What a call gave: field names and their texts, row by row."""

    fields: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    exclude_empty: bool = False
    parameters: Mapping[str, str] = dataclass_field(default_factory=dict)

    def dictionaries(self) -> list[dict[str, str]]:
        """The rows as JSON objects."""
        names = self.fields
        if self.exclude_empty:
            return [
                {name: value for name, value in zip(names, row, strict=True) if value.strip(" ")}
                for row in self.rows
            ]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The M3 that calls run in."""

    database: Database
    switches: Switches
    clock: Clock
    companies: tuple[str, ...]

    def execute(
        self, program: str, name: str, options: CallOptions, given: Mapping[str, str]
    ) -> Records:
        """Run a call. Raises TransactionNotFound or Refused."""
        transaction = find(program, name, self.switches)
        if program in self.switches.unauthorized_programs:
            raise Refused(
                f"User {SERVICE_USER} is not authorized to run program {program}", "MVX0001"
            )
        date_format = options.date_format or self.switches.user_date_format
        if date_format not in DATE_FORMATS:
            raise Refused(f"Date format {date_format} is not valid", "CPF9898")
        inputs = self._inputs(transaction, given, date_format)
        outputs = _wanted(transaction, options.columns)
        session = self._session(transaction, options, inputs)
        call = Call(session=session, inputs=inputs, limit=self._limit(transaction, options))
        rows = transaction.read(call)
        if not rows and (not transaction.multiple or self.switches.empty_list_is_error):
            message, code = transaction.missing
            field = next((name for name in transaction.inputs if name != "CONO"), "")
            raise Refused(message.format_map(inputs), code, field)
        return Records(
            fields=outputs,
            rows=_texts(transaction, outputs, rows, date_format, trimmed=options.right_trim),
            exclude_empty=options.exclude_empty,
            parameters=dict(given) if options.extended else {},
        )

    def _limit(self, transaction: Transaction, options: CallOptions) -> int | None:
        if not transaction.multiple:
            return 1
        limits = [options.maxrecs or None, self.switches.row_ceiling]
        return min((limit for limit in limits if limit is not None), default=None)

    def _inputs(
        self, transaction: Transaction, given: Mapping[str, str], date_format: str
    ) -> dict[str, str]:
        inputs: dict[str, str] = {}
        for name, value in given.items():
            if name not in transaction.inputs:
                if self.switches.unknown_inputs_rejected:
                    raise Refused(
                        f"Field {name} is not an input of transaction {transaction.name}",
                        "CPF9898",
                        name,
                    )
                continue
            checked = checked_input(name, value, date_format) if value.strip(" ") else ""
            if checked:
                inputs[name] = checked
        for name in transaction.inputs:
            if name in transaction.mandatory and name not in inputs:
                raise Refused(f"{DICTIONARY[name].description} must be entered", "CPF9898", name)
        return inputs

    def _session(
        self, transaction: Transaction, options: CallOptions, inputs: Mapping[str, str]
    ) -> Session:
        default = self.switches.user_company or self.companies[0]
        company = inputs.get("CONO") or options.company or default
        if company not in self.companies:
            raise Refused(f"Company {company} does not exist", "WCO0103", "CONO")
        division = options.division
        if division is None:
            division = self.switches.user_division if company == default else ""
        if division and not self.database.number(
            "SELECT count(*) FROM CMNDIV WHERE CCCONO = ? AND CCDIVI = ?", (int(company), division)
        ):
            raise Refused(f"Division {division} does not exist", "WDI0103", "DIVI")
        return Session(
            database=self.database,
            switches=self.switches,
            clock=self.clock,
            companies=self.companies,
            company=int(company),
            division=division,
            user=SERVICE_USER,
        )


def _wanted(transaction: Transaction, columns: Sequence[str] | None) -> tuple[str, ...]:
    if columns is None:
        return transaction.outputs
    for name in columns:
        if name not in transaction.outputs:
            raise Refused(
                f"Field {name} is not an output of transaction {transaction.name}", "CPF9898", name
            )
    return tuple(columns)


def _texts(
    transaction: Transaction,
    outputs: tuple[str, ...],
    rows: list[Row],
    date_format: str,
    *,
    trimmed: bool,
) -> tuple[tuple[str, ...], ...]:
    if not rows:
        return ()
    columns = list(zip(*rows, strict=True))
    texts = [
        list(
            map(
                formatter(name, date_format, trimmed=trimmed),
                columns[transaction.outputs.index(name)],
            )
        )
        for name in outputs
    ]
    return tuple(zip(*texts, strict=True))
