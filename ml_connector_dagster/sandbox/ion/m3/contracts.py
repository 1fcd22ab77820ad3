"""What an MI transaction is, what a call of it sees, and how it refuses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ml_connector_dagster.sandbox.clock import Clock
from ml_connector_dagster.sandbox.erp.database import Database, Row
from ml_connector_dagster.sandbox.options import Switches


class Refused(Exception):
    """ServerReturnedNOK: the business error inside an HTTP 200."""

    def __init__(self, message: str, code: str = "CPF9898", field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.field = field


class TransactionNotFound(Exception):
    """The installation has no such program or transaction."""

    def __init__(self, program: str, transaction: str) -> None:
        super().__init__(f"Program {program} has no transaction {transaction}")
        self.program = program
        self.transaction = transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Where a call runs: the company and division it is for, and what it may see."""

    database: Database
    switches: Switches
    clock: Clock
    companies: tuple[str, ...]
    company: int
    division: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. ``inputs`` hold non-blank values only, checked against the dictionary. ``limit`` None is no limit."""

    session: Session
    inputs: Mapping[str, str]
    limit: int | None

    def text(self, name: str) -> str:
        """An input, "" when blank."""
        return self.inputs.get(name, "")

    def number(self, name: str) -> int:
        """A numeric input, 0 when blank."""
        return int(self.inputs.get(name, "0"))

    @property
    def division(self) -> str:
        """DIVI of the input, else the session's."""
        return self.inputs.get("DIVI", self.session.division)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One MI transaction: ``read`` answers rows in the order of ``outputs``."""

    name: str
    description: str
    multiple: bool
    inputs: tuple[str, ...]
    mandatory: frozenset[str]
    outputs: tuple[str, ...]
    read: Callable[[Call], list[Row]]
    missing: tuple[str, str] = ("Record does not exist", "XRE0103")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One MI program."""

    name: str
    description: str
    transactions: Mapping[str, Transaction]


def transaction(
    name: str,
    description: str,
    inputs: str,
    outputs: str,
    read: Callable[[Call], list[Row]],
    missing: tuple[str, str] = ("Record does not exist", "XRE0103"),
) -> Transaction:
    """A transaction from the reference's notation: ``*FIELD`` is a mandatory input."""
    names = inputs.split()
    return Transaction(
        name=name,
        description=description,
        multiple=name.startswith(("Lst", "Sel")),
        inputs=tuple(field.lstrip("*") for field in names),
        mandatory=frozenset(field[1:] for field in names if field.startswith("*")),
        outputs=tuple(outputs.split()),
        read=read,
        missing=missing,
    )


def program(name: str, description: str, *transactions: Transaction) -> Program:
    """A program of these transactions."""
    return Program(
        name=name,
        description=description,
        transactions={entry.name: entry for entry in transactions},
    )
