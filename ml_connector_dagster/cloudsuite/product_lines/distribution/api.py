"""Calls of FetchWhere: a page of a table, or the error that fits SX.e's message (reference cloudsuite-api §4.3)."""

import json
from dataclasses import dataclass
from functools import partial
from typing import Final

import pyarrow as pa

from ml_connector_dagster.cloudsuite.catalog.distribution import SxMessages
from ml_connector_dagster.cloudsuite.product_lines.asking import Asking, Calls
from ml_connector_dagster.cloudsuite.product_lines.distribution.answers import (
    parse_answer,
    refusal,
)
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.model.errors import ConfigError


_PATH: Final = "/rest/serviceinterface/proxy/FetchWhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """One page of a table. ``after``: the row id to go on from; "" at the start."""

    table: str
    company: str
    conditions: tuple[str, ...]
    rows: int
    after: str = ""

    def __str__(self) -> str:
        return f"FetchWhere {self.table}, company {self.company}"

    def body(self, operator: str) -> dict[str, object]:
        """The request. Raises ConfigError for a company that is no number."""
        if not self.company.isdigit():
            raise ConfigError(
                f"company {self.company!r} is no number; companies of Distribution SX.e are"
            )
        return {
            "CompanyNumber": int(self.company),
            "Operator": operator,
            "TableName": self.table,
            "WhereClause": " and ".join(self.conditions),
            "BatchSize": self.rows,
            "RestartRowID": self.after,
        }


class SxApi:
    """Asks one tenant's SX.e. Thread-safe."""

    def __init__(self, calls: Calls, operator: str, messages: SxMessages) -> None:
        self._calls = calls
        self._operator = operator
        self._messages = messages
        self._asking = Asking()

    def begin(self) -> None:
        """A read begins; see ``Asking.begin``."""
        self._asking.begin()

    def fetch(self, asked: Fetch, meter: Meter) -> pa.Table:
        """The rows of one page. Raises the error that fits SX.e's message."""
        body = asked.body(self._operator)
        answer = self._asking.ask(
            lambda: self._calls.post(_PATH, json=body),
            partial(parse_answer, asked.table),
            what=str(asked),
            kind=asked.table,
            question=json.dumps(body),
            meter=meter,
        )
        if answer.message:
            raise refusal(
                answer.message,
                self._messages,
                what=str(asked),
                table=asked.table,
                company=asked.company,
            )
        return answer.records
