"""Calls of the IDO request service: their URL, their configuration, and what they answer (reference §3.1, §3.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from ml_connector_dagster.cloudsuite.catalog.syteline import SyteLineCatalog
from ml_connector_dagster.cloudsuite.product_lines.asking import Asking, Calls
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.cloudsuite.product_lines.refusals import ROUTE_REFUSALS
from ml_connector_dagster.cloudsuite.product_lines.syteline.answers import (
    IdoAnswer,
    parse_info,
    parse_load,
    refusal_error,
)


_SERVICE: Final = "/IDORequestService/ido"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCall:
    """One page of an IDO. ``bookmark`` None: the first page. ``rows``: the most it may hold."""

    ido: str
    company: str
    properties: tuple[str, ...]
    filter: str
    order_by: tuple[str, ...]
    rows: int
    bookmark: str | None = None

    def __str__(self) -> str:
        return f"load {self.ido}, company {self.company}"

    def options(self) -> Mapping[str, str]:
        """The query of the call; what is blank is left out."""
        given = {
            "properties": ",".join(self.properties) or "*",
            "filter": self.filter,
            "orderby": ",".join(self.order_by),
            "recordcap": str(self.rows),
            "loadtype": "FIRST" if self.bookmark is None else "NEXT",
            "bookmark": self.bookmark or "",
            "readonly": "true",
        }
        return {name: value for name, value in given.items() if value}


class IdoService:
    """Asks one tenant's IDO request service. Thread-safe."""

    def __init__(self, calls: Calls, catalog: SyteLineCatalog, tenant_id: str) -> None:
        self._calls = calls
        self._catalog = catalog
        self._tenant_id = tenant_id
        self._asking = Asking()

    def begin(self) -> None:
        """A read begins; see ``Asking.begin``."""
        self._asking.begin()

    def load(self, call: LoadCall, meter: Meter) -> IdoAnswer:
        """One page. Raises the error that fits a refusal."""
        query = "&".join(
            f"{name}={quote(value, safe='')}" for name, value in call.options().items()
        )
        path = f"{_SERVICE}/load/{call.ido}?{query}"
        configuration = self._configuration(call.company)
        answer = self._asking.ask(
            lambda: self._calls.get(path, headers=_headers(configuration)),
            parse_load,
            what=str(call),
            kind=call.ido,
            question=(configuration, path),
            meter=meter,
        )
        if answer.refusal is not None:
            raise refusal_error(
                answer,
                self._catalog.messages,
                what=str(call),
                ido=call.ido,
                configuration=configuration,
            )
        return answer

    def properties(self, ido: str, company: str) -> frozenset[str] | None:
        """The properties of ``ido``; None when ``info`` will not tell. Raises as ``load`` does for a wrong company."""
        configuration = self._configuration(company)
        what = f"info {ido}, company {company}"
        answer = self._asking.ask(
            lambda: self._calls.get(f"{_SERVICE}/info/{ido}", headers=_headers(configuration)),
            parse_info,
            what=what,
            kind=f"info/{ido}",
            question=configuration,
            meter=Meter(),
        )
        if answer.refusal is not None:
            error = refusal_error(
                answer, self._catalog.messages, what=what, ido=ido, configuration=configuration
            )
            if isinstance(error, ROUTE_REFUSALS):
                return None
            raise error
        for column in ("Name", "PropertyName"):
            if column in answer.records.column_names:
                names = answer.records.column(column).to_pylist()
                return frozenset(name for name in names if name)
        return None

    def _configuration(self, company: str) -> str:
        known = self._catalog.configurations.get(company)
        if known is not None:
            return known
        return self._catalog.configuration.format(tenant=self._tenant_id, company=company)


def _headers(configuration: str) -> Mapping[str, str]:
    return {"X-Infor-MongooseConfig": configuration}
